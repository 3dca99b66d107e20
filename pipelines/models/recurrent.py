"""Recurrent networks in the functional API, by network type.

Layers have systematic names: embedding, rnn_1, rnn_2 …, probabilities; what looks on while a model
trains calls them by these.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras

from ...layers import GRU, LSTM, SimpleRNN

Recurrent = Callable[..., keras.layers.Layer]
CELLS: dict[str, Recurrent] = {
    "rnn": SimpleRNN,
    "lstm": LSTM,
    "lstm97": functools.partial(LSTM, forget_gate=False),
    "gru": GRU,
}
GATED = ("lstm", "lstm97", "gru")


def sequence_to_label(
    recurrent: Recurrent,
    *,
    vocabulary_size: int,
    labels: int,
    embedding: int,
    dropout: float = 0.0,
    every_step: bool = False,
    **stack: Any,
) -> keras.Model:
    """Reads a sequence to its end and answers once: ids [B, T] → probabilities [B, C].

    Args:
        recurrent: a recurrent layer class, of errorflow or of Keras.
        vocabulary_size: of the ids, 0 for padding included.
        labels: C.
        embedding: size of a symbol's vector.
        dropout: share left out of the embeddings and of what each recurrent layer puts out.
        every_step: answer after every step, [B, T, C]; the weights are those of the same network.
        **stack: as `recurrent_layers` takes it.
    """
    ids = keras.Input([None], dtype="int32", name="ids")
    x = keras.layers.Embedding(vocabulary_size, embedding, mask_zero=True, name="embedding")(ids)
    x = keras.layers.Dropout(dropout, name="embedding_dropout")(x)  # [B, T, D]
    x = recurrent_layers(x, recurrent, dropout=dropout, every_step=every_step, **stack)
    return keras.Model(ids, probabilities(x, labels), name="core")


def series_to_value(
    recurrent: Recurrent,
    *,
    features: int,
    outputs: int,
    classes: bool,
    padded: bool = True,
    every_step: bool = False,
    direct: float = 0.0,
    **stack: Any,
) -> keras.Model:
    """Reads numbers step by step: x [B, T, D] → a value or probabilities, [B, C] or [B, T, C].

    Args:
        features: D. outputs: C.
        classes: answer with probabilities, in place of numbers.
        padded: steps of which all features are 0 are padding.
        every_step: answer after every step.
        direct: if above 0, x times this goes to the outputs too, past the recurrent layers, as in
            experiment 2 of Hochreiter & Schmidhuber 1997; the larger, the faster it is learned.
    """
    series = keras.Input([None, features], name="series")
    x = keras.layers.Masking(name="padding")(series) if padded else series
    x = recurrent_layers(x, recurrent, every_step=every_step, **stack)
    if direct:
        x = keras.layers.Concatenate(name="direct")([direct * series, x])
    y = probabilities(x, outputs) if classes else _values(outputs)(x)
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
    **arguments: Any,
) -> Any:
    """Recurrent layers on top of each other: [B, T, D] → [B, H], or [B, T, H] with `every_step`.

    Args:
        units, layers, bidirectional: H is units, or twice that if bidirectional.
        dropout: share left out of what each layer puts out.
        **arguments: for the recurrent layer.
    """
    for number in range(1, layers + 1):
        sequences = every_step or number < layers
        layer = recurrent(units, return_sequences=sequences, name=f"rnn_{number}", **arguments)
        if bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"rnn_{number}")
        x = layer(x)
        x = keras.layers.Dropout(dropout, name=f"rnn_{number}_dropout")(x)
    return x


def probabilities(x: Any, labels: int, name: str = "probabilities") -> Any:
    """softmax in float32, whatever the rest computes in."""
    return keras.layers.Dense(labels, activation="softmax", dtype="float32", name=name)(x)


def _values(outputs: int) -> keras.layers.Layer:
    return keras.layers.Dense(outputs, dtype="float32", name="values")
