"""Encoder and decoder for forecasts: one network reads the past, another writes the future."""

import keras

from .encoder_decoder import attend
from .recurrent import Recurrent, normalized
from .series_head import SeriesShape, from_steps, with_autoregression


def series_decoder(
    shape: SeriesShape,
    recurrent: Recurrent,
    *,
    units: int,
    layers: int = 1,
    attention: bool = False,
    dropout: float = 0.0,
    normalization: str = "none",
    autoregression: bool = False,
) -> keras.Model:
    """Read the past, then write the future step by step: x [B, P, D] → [B, F, *of_step].

    The decoder begins with the last states of the encoder layers of the same number (Sutskever et
    al. 2014) and reads the last values of the past at every step, never its own outputs: training
    and prediction are the same. With attention (Bahdanau et al. 2015), each step also looks back at
    the outputs of the encoder, see `encoder_decoder.decoder`.

    Args:
        shape: of inputs and outputs; F is at least 1.
        recurrent: a recurrent layer class, of errorflow or of Keras.
        units: size of each layer.
        layers: number of layers, of encoder and decoder each.
        attention: whether the decoder attends to the past.
        dropout: rate after each recurrent layer.
        normalization: see `recurrent.normalized`.
        autoregression: see `with_autoregression`.
    """
    series = shape.make_input()
    memory, states = series, []
    for number in range(1, layers + 1):
        name = f"encoder_rnn_{number}"
        layer = recurrent(units, return_sequences=True, return_state=True, name=name)
        memory, *last = layer(normalized(memory, normalization, name))
        memory = keras.layers.Dropout(dropout, name=f"{name}_dropout")(memory)
        states.append(last)
    x = keras.layers.RepeatVector(shape.future, name="last_values")(series[:, -1])  # [B, F, D]
    for number, initial in enumerate(states, start=1):
        name = f"decoder_rnn_{number}"
        layer = recurrent(units, return_sequences=True, name=name)
        x = layer(normalized(x, normalization, name), initial_state=initial)
        if attention and number == 1:
            context, _ = attend(x, memory, None, units)
            x = keras.layers.Concatenate(name="with_context")([x, context])
        x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
    y = from_steps(x, shape)
    if autoregression:
        y = with_autoregression(y, series, shape)
    return keras.Model(series, y, name="core")


def joined(layers: int) -> dict[str, tuple[str, str]]:
    """Return each encoder layer with the decoder layer that starts from its states."""
    return {f"rnn_{n}": (f"encoder_rnn_{n}", f"decoder_rnn_{n}") for n in range(1, layers + 1)}
