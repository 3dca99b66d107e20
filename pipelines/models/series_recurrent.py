"""Recurrent networks that read a time series to its end."""

from typing import Any

import keras

from .recurrent import Recurrent, recurrent_layers
from .series_head import SeriesShape, from_steps, from_vector, with_autoregression


def series_recurrent(
    shape: SeriesShape, recurrent: Recurrent, *, autoregression: bool = False, **stack_options: Any
) -> keras.Model:
    """Read a series, then predict from the last output of the recurrent layers.

    x [B, P, D] → all F future steps at once, or one answer; or an answer from the output of each
    step.

    Args:
        shape: of inputs and outputs.
        recurrent: a recurrent layer class, of errorflow or of Keras.
        autoregression: see `with_autoregression`.
        **stack_options: see `recurrent_layers`.
    """
    series = shape.make_input()
    x = keras.layers.Masking(name="padding")(series) if shape.padded else series
    x = recurrent_layers(x, recurrent, every_step=shape.every_step, **stack_options)
    y = from_steps(x, shape) if shape.every_step else from_vector(x, shape)
    if autoregression:
        y = with_autoregression(y, series, shape)
    return keras.Model(series, y, name="core")
