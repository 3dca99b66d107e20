"""Activation functions, and the derivative of each as a function of its own output.

Back-propagation through time needs φ'(z) at every step. Each activation here is invertible where it
matters, so φ'(z) follows from y = φ(z), which the forward pass keeps anyway; z is never stored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("errorflow")
def leaky_relu(x: Any) -> Any:
    """Return max(x, 0.01·x), the leaky ReLU with the slope of Maas et al. 2013.

    `keras.activations.leaky_relu` has a default slope of 0.2 instead.
    """
    return keras.ops.leaky_relu(x, negative_slope=0.01)


@keras.saving.register_keras_serializable("errorflow")
@dataclass(frozen=True)
class ScaledTanh:
    """A·(2σ(2·s·x) − 1) = A·tanh(s·x): a logistic sigmoid stretched to (−A, A).

    LeNet-5 uses A = 1.7159 and s = 2/3 (LeCun et al. 1998, appendix A), which makes φ(±1) ≈ ±1.

    Args:
        s: steepness; the derivative at the origin is A·s.
        amplitude: A, the limit for x → ∞.
    """

    s: float = 1.0
    amplitude: float = 1.0

    def __call__(self, x: Any) -> Any:
        return self.amplitude * (2.0 * keras.ops.sigmoid(2.0 * self.s * x) - 1.0)

    def derivative(self, y: Any) -> Any:
        """Return dφ/dx where φ(x) = y."""
        return self.s * (self.amplitude - y * y / self.amplitude)

    def get_config(self) -> dict[str, float]:
        return {"s": self.s, "amplitude": self.amplitude}

    @classmethod
    def from_config(cls, config: dict[str, float]) -> "ScaledTanh":
        return cls(**config)


def _of_leaky_relu(negative_slope: float) -> Callable[[Any], Any]:
    return lambda y: tf.where(y > 0, tf.ones_like(y), tf.cast(negative_slope, y.dtype))


_DERIVATIVES: dict[Callable, Callable[[Any], Any]] = {
    keras.activations.linear: tf.ones_like,
    keras.activations.tanh: lambda y: 1.0 - y * y,
    keras.activations.sigmoid: lambda y: y * (1.0 - y),
    keras.activations.relu: lambda y: tf.cast(y > 0, y.dtype),
    keras.activations.leaky_relu: _of_leaky_relu(0.2),
    leaky_relu: _of_leaky_relu(0.01),
    keras.activations.elu: lambda y: tf.where(y > 0, tf.ones_like(y), y + 1.0),
    keras.activations.softplus: lambda y: -tf.math.expm1(-y),
    keras.activations.softsign: lambda y: tf.square(1.0 - tf.abs(y)),
    keras.activations.hard_sigmoid: lambda y: tf.cast((y > 0) & (y < 1), y.dtype) / 6.0,
}


def derivative(activation: Callable) -> Callable[[Any], Any]:
    """Return the function y ↦ φ'(z), where y = φ(z), of an activation φ.

    Raises:
        ValueError: the derivative of `activation` is not known; the message lists the
            supported activations.
    """
    if isinstance(activation, ScaledTanh):
        return activation.derivative
    if activation not in _DERIVATIVES:
        names = ", ".join(sorted({f.__name__ for f in _DERIVATIVES} | {"ScaledTanh"}))
        name = getattr(activation, "__name__", activation)
        raise ValueError(
            f"activation {name!r}: its derivative as a function of its output is not known here; "
            f"use one of {names}"
        )
    return _DERIVATIVES[activation]
