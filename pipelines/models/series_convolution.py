"""Causal dilated convolutions over a time series, with residual connections (Bai, Kolter & Koltun
2018, "An empirical evaluation of generic convolutional and recurrent networks")."""

from typing import Any

import keras

from .series_head import SeriesShape, from_steps, from_vector, with_autoregression

KERNEL = 3  # steps of a convolution
MOST_LAYERS = 10


def layers_for(steps: int) -> int:
    """Return the fewest layers whose last output depends on `steps` steps."""
    layers = 1
    while receptive_field(layers) < steps and layers < MOST_LAYERS:
        layers += 1
    return layers


def receptive_field(layers: int) -> int:
    """Return the number of steps that the last output depends on: 1 + (k - 1)(2^layers - 1)."""
    return 1 + (KERNEL - 1) * (2**layers - 1)


def series_convolution(
    shape: SeriesShape,
    *,
    units: int,
    layers: int,
    dropout: float = 0.0,
    autoregression: bool = False,
) -> keras.Model:
    """Convolve over the past, each layer with twice the dilation: x [B, P, D] → an answer.

        x ← x + dropout(φ(convolution(x)))

    A forecast is made of the output of the last step, an answer of the mean over all steps.

    Args:
        shape: of inputs and outputs.
        units: filters of each convolution.
        layers: number of convolutions.
        dropout: rate after each convolution.
        autoregression: see `with_autoregression`.
    """
    series = shape.make_input()
    x = keras.layers.Dense(units, name="projection")(series)  # [B, P, H]
    for number in range(1, layers + 1):
        convolution = keras.layers.Conv1D(
            units,
            KERNEL,
            padding="causal",
            dilation_rate=2 ** (number - 1),
            activation="relu",
            kernel_initializer="he_normal",
            name=f"convolution_{number}",
        )
        y = keras.layers.Dropout(dropout, name=f"convolution_{number}_dropout")(convolution(x))
        x = keras.layers.Add(name=f"residual_{number}")([x, y])
    if shape.every_step:
        y = from_steps(x, shape)
    elif shape.future:
        y = from_vector(x[:, -1], shape)
    else:
        y = from_vector(_mean_over_time(x, series, shape.padded), shape)
    if autoregression:
        y = with_autoregression(y, series, shape)
    return keras.Model(series, y, name="core")


def _mean_over_time(x: Any, series: Any, is_padded: bool) -> Any:
    """Return the mean over the steps that are not padding: [B, P, H] → [B, H]."""
    if not is_padded:
        return keras.ops.mean(x, axis=1)
    is_step = keras.ops.any(keras.ops.not_equal(series, 0.0), axis=-1, keepdims=True)
    valid = keras.ops.cast(is_step, x.dtype)
    count = keras.ops.maximum(keras.ops.sum(valid, axis=1), 1.0)
    return keras.ops.sum(x * valid, axis=1) / count
