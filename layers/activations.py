"""Activation functions, and the slope of each as a function of its own output.

Back-propagation through time needs φ'(z) at every step. Each activation here is invertible where it
matters, so φ' follows from y = φ(z), which the forward pass keeps anyway; z is never stored.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("errorflow")
def leaky_relu(x):
    """max(x, 0.01·x): the leaky ReLU with the textbook's slope (Maas et al. 2013).

    `keras.activations.leaky_relu` defaults to 0.2 instead.
    """
    return keras.ops.leaky_relu(x, negative_slope=0.01)


@keras.saving.register_keras_serializable("errorflow")
@dataclass(frozen=True)
class ScaledTanh:
    """A·(2σ(2·s·x) − 1) = A·tanh(s·x): a logistic sigmoid stretched to (−A, A).

    LeNet-5 uses A = 1.7159 and s = 2/3 (LeCun et al. 1998, appendix A), which makes φ(±1) ≈ ±1.

    Args:
        s: steepness; the slope at the origin is A·s.
        amplitude: A, the limit for x → ∞.
    """

    s: float = 1.0
    amplitude: float = 1.0

    def __call__(self, x):
        return self.amplitude * (2.0 * keras.ops.sigmoid(2.0 * self.s * x) - 1.0)

    def slope(self, y):
        """dφ/dx where φ(x) = y."""
        return self.s * (self.amplitude - y * y / self.amplitude)

    def get_config(self):
        return {"s": self.s, "amplitude": self.amplitude}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _leaky(slope: float) -> Callable:
    return lambda y: tf.where(y > 0, tf.ones_like(y), tf.cast(slope, y.dtype))


_SLOPES: dict[Callable, Callable] = {
    keras.activations.linear: tf.ones_like,
    keras.activations.tanh: lambda y: 1.0 - y * y,
    keras.activations.sigmoid: lambda y: y * (1.0 - y),
    keras.activations.relu: lambda y: tf.cast(y > 0, y.dtype),
    keras.activations.leaky_relu: _leaky(0.2),
    leaky_relu: _leaky(0.01),
    keras.activations.elu: lambda y: tf.where(y > 0, tf.ones_like(y), y + 1.0),
    keras.activations.softplus: lambda y: -tf.math.expm1(-y),
    keras.activations.softsign: lambda y: tf.square(1.0 - tf.abs(y)),
    keras.activations.hard_sigmoid: lambda y: tf.cast((y > 0) & (y < 1), y.dtype) / 6.0,
}


def slope(activation: Callable) -> Callable:
    """The function y ↦ φ'(z) for y = φ(z).

    Raises:
        ValueError: `activation` has no known slope (name the ones that do).
    """
    if isinstance(activation, ScaledTanh):
        return activation.slope
    if activation not in _SLOPES:
        known = ", ".join(sorted({f"{f.__name__}" for f in _SLOPES} | {"ScaledTanh"}))
        name = getattr(activation, "__name__", activation)
        raise ValueError(
            f"activation {name!r}: its derivative as a function of its output is not known here; "
            f"use one of {known}"
        )
    return _SLOPES[activation]
