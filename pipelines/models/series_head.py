"""What networks for time series read and predict, and their output layers."""

import dataclasses
import math
from typing import Any

import keras

from .recurrent import class_probabilities

VALUES, AUTOREGRESSION = "values", "autoregression"  # names of layers


@dataclasses.dataclass(frozen=True)
class SeriesShape:
    """The shapes of a network's input and output.

    Attributes:
        steps: P, the steps that are read.
        features: D, the columns of each step.
        outputs: K values or C classes.
        future: F, the steps that are forecast; 0: none, the answer is about the series itself.
        classes: whether classes are predicted, by their probabilities.
        every_step: whether there is an answer at each step that is read.
        quantiles: Q, the number of quantiles of each value; 1: the value itself.
        padded: whether steps of zeros are the padding of shorter series.
    """

    steps: int
    features: int
    outputs: int
    future: int = 0
    classes: bool = False
    every_step: bool = False
    quantiles: int = 1
    padded: bool = False

    @property
    def leading(self) -> tuple[int, ...]:
        """(F,) for a forecast, (P,) for an answer at each step, () for one answer."""
        return (self.future,) if self.future else (self.steps,) if self.every_step else ()

    @property
    def of_step(self) -> tuple[int, ...]:
        """The shape of one answer: [C], [K] or [K, Q]."""
        return (self.outputs, self.quantiles) if self.quantiles > 1 else (self.outputs,)

    def make_input(self) -> Any:
        """Return a `keras.Input` [B, P, D], scaled series."""
        return keras.Input([self.steps, self.features], name="series")


def from_vector(x: Any, shape: SeriesShape) -> Any:
    """Apply the output layer to one vector per series: [B, H] → [B, *leading, *of_step]."""
    if not shape.leading:
        return from_steps(x, shape)
    size = math.prod((*shape.leading, *shape.of_step))
    name = "class_inputs" if shape.classes else VALUES
    y = keras.layers.Dense(size, dtype="float32", name=name)(x)
    y = keras.layers.Reshape((*shape.leading, *shape.of_step), name="by_step")(y)
    if shape.classes:
        y = keras.layers.Softmax(dtype="float32", name="probabilities")(y)
    return y


def from_steps(x: Any, shape: SeriesShape) -> Any:
    """Apply one output layer to each vector: [B, …, H] → [B, …, *of_step]."""
    if shape.classes:
        return class_probabilities(x, shape.outputs)
    size = math.prod(shape.of_step)
    y = keras.layers.Dense(size, dtype="float32", name=VALUES)(x)
    if shape.quantiles == 1:
        return y
    return keras.layers.Reshape((*shape.leading, *shape.of_step), name="by_quantile")(y)


def with_autoregression(y: Any, series: Any, shape: SeriesShape) -> Any:
    """Add a linear forecast from the past of each target to that of a network, [B, F, K(, Q)].

    It is the autoregressive part of LSTNet (Lai et al. 2018, "Modeling long- and short-term
    temporal patterns with deep neural networks"): all targets share its weights.
    """
    past = keras.layers.Permute([2, 1], name="by_target")(series[..., : shape.outputs])  # [B, K, P]
    linear = keras.layers.Dense(
        shape.future, kernel_initializer="zeros", dtype="float32", name=AUTOREGRESSION
    )(past)
    linear = keras.layers.Permute([2, 1], name="linear_forecast")(linear)  # [B, F, K]
    if shape.quantiles > 1:
        linear = keras.ops.expand_dims(linear, -1)
    # Not y + linear: with a batch of one, as in LiteRT, Keras 3.15 takes the second for a bias.
    return keras.layers.Subtract(dtype="float32", name="forecast")([y, keras.ops.negative(linear)])
