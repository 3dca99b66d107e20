"""Recurrent networks in the functional API.

Layers have systematic names, which the callbacks show: embedding, rnn_1, rnn_2 …, probabilities.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras

from ...layers import GRU, LSTM, Chrono, ForgetBias, SimpleRNN
from ..core.errors import UserError
from .recurrent_settings import GATED, RecurrentSettings

Recurrent = Callable[..., keras.layers.Layer]
CELLS: dict[str, Recurrent] = {
    "rnn": SimpleRNN,
    "lstm": LSTM,
    "lstm97": functools.partial(LSTM, forget_gate=False),
    "gru": GRU,
}
KERNELS: dict[str, dict[str, Any]] = {
    "orthogonal": {},  # as Keras' layers begin
    "identity": {"recurrent_initializer": "identity", "activation": "relu"},
    "glorot": {"recurrent_initializer": "glorot_uniform"},
}


def recurrent_layer(
    model: str, settings: RecurrentSettings, *, longest: float, seed: int
) -> Recurrent:
    """Return a recurrent layer class whose layers begin, and are truncated, as the settings say.

    Args:
        model: a key of `CELLS`.
        settings: how the layers begin, and over how many time steps they learn.
        longest: the number of time steps of the longest sequence, for Chrono initialisation.
        seed: its seed.

    Raises:
        UserError: with Chrono initialisation, the longest sequence is too short for it.
    """
    arguments = KERNELS[settings.recurrent_kernel] | _biases(model, settings, longest, seed)
    if settings.truncate is not None:
        arguments = arguments | {"truncate": settings.truncate}
    return functools.partial(CELLS[model], **arguments) if arguments else CELLS[model]


def _biases(model: str, settings: RecurrentSettings, longest: float, seed: int) -> dict[str, Any]:
    """Return the arguments of a recurrent layer that choose its initial biases."""
    if settings.chrono and model in GATED:
        times = settings.chrono * longest
        if times <= 2:
            raise UserError(
                f"--chrono {settings.chrono:g}: of sequences of {longest:g} steps it leaves"
                f" {times:.2g} to remember; it must be more than 2"
            )
        bias = Chrono(times, model, seed=seed)
    elif settings.forget_bias is not None:
        bias = ForgetBias(settings.forget_bias)
    else:
        return {}
    own = {} if model == "gru" else {"unit_forget_bias": False}
    return {"bias_initializer": bias} | own


def sequence_to_label(
    recurrent: Recurrent,
    *,
    vocabulary_size: int,
    labels: int,
    embedding: int,
    dropout: float = 0.0,
    every_step: bool = False,
    **stack_options: Any,
) -> keras.Model:
    """Read a sequence to its end, then classify it: ids [B, T] → probabilities [B, C].

    Args:
        recurrent: a recurrent layer class, of errorflow or of Keras.
        vocabulary_size: number of ids, with 0 for padding.
        labels: C.
        embedding: size of a symbol's vector, D.
        dropout: rate after the embedding and after each recurrent layer.
        every_step: classify after every step, [B, T, C], with the same weights.
        **stack_options: see `recurrent_layers`.
    """
    ids = keras.Input([None], dtype="int32", name="ids")
    x = keras.layers.Embedding(vocabulary_size, embedding, mask_zero=True, name="embedding")(ids)
    x = keras.layers.Dropout(dropout, name="embedding_dropout")(x)  # [B, T, D]
    x = recurrent_layers(x, recurrent, dropout=dropout, every_step=every_step, **stack_options)
    return keras.Model(ids, class_probabilities(x, labels), name="core")


def series_to_value(
    recurrent: Recurrent,
    *,
    features: int,
    outputs: int,
    classes: bool,
    padded: bool = True,
    every_step: bool = False,
    direct: float = 0.0,
    **stack_options: Any,
) -> keras.Model:
    """Read a series, then predict values or classes: x [B, T, D] → [B, C], or [B, T, C].

    Args:
        recurrent: a recurrent layer class, of errorflow or of Keras.
        features: D.
        outputs: C.
        classes: predict probabilities instead of values.
        padded: mask steps whose features are all 0.
        every_step: predict after every step.
        direct: if above 0, x times this factor is also an input of the output layer, past the
            recurrent layers, as in experiment 2 of Hochreiter & Schmidhuber 1997. A larger factor
            makes these direct connections learn faster.
        **stack_options: see `recurrent_layers`.
    """
    series = keras.Input([None, features], name="series")
    x = keras.layers.Masking(name="padding")(series) if padded else series
    x = recurrent_layers(x, recurrent, every_step=every_step, **stack_options)
    if direct:
        x = keras.layers.Concatenate(name="direct")([direct * series, x])
    if classes:
        y = class_probabilities(x, outputs)
    else:
        y = keras.layers.Dense(outputs, dtype="float32", name="values")(x)
    return keras.Model(series, y, name="core")


def recurrent_layers(
    x: Any,
    recurrent: Recurrent,
    *,
    units: int,
    layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    every_step: bool = False,
    normalization: str = "none",
    **layer_options: Any,
) -> Any:
    """Stack recurrent layers: [B, T, D] → [B, H], or [B, T, H] with `every_step`.

    Args:
        x: [B, T, D].
        recurrent: a recurrent layer class.
        units: size of each layer and direction; H is twice this if `bidirectional`.
        layers: number of layers.
        bidirectional: read from both ends.
        dropout: rate after each layer.
        every_step: return the output of every step.
        normalization: see `normalized`.
        **layer_options: for the recurrent layer class.
    """
    for number in range(1, layers + 1):
        sequences = every_step or number < layers
        x = normalized(x, normalization, f"rnn_{number}")
        layer = recurrent(units, return_sequences=sequences, name=f"rnn_{number}", **layer_options)
        if bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"rnn_{number}")
        x = layer(x)
        x = keras.layers.Dropout(dropout, name=f"rnn_{number}_dropout")(x)
    return x


def normalized(x: Any, normalization: str, name: str) -> Any:
    """Normalise what a recurrent layer reads: [B, T, D] → [B, T, D].

    Args:
        x: [B, T, D].
        normalization: "layer" for layer normalisation (Ba, Kiros & Hinton 2016) of each time step,
            or "none".
        name: the name of the recurrent layer.
    """
    if normalization == "none":
        return x
    return keras.layers.LayerNormalization(name=f"{name}_norm")(x)


def class_probabilities(x: Any, labels: int, name: str = "probabilities") -> Any:
    """Apply a softmax layer: [..., D] → [..., labels], in float32 under mixed precision too."""
    return keras.layers.Dense(labels, activation="softmax", dtype="float32", name=name)(x)
