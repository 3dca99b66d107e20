"""Matrix products over whole sequences, [T, B, ·]: fewer and larger than products per step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


def product(x: Any, kernel: Any, bias: Any = None) -> Any:
    """Return x [T, B, D] · kernel [D, G] (+ bias [G]) as one matrix product: [T, B, G]."""
    flat = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), kernel)
    flat = flat if bias is None else flat + bias
    return tf.reshape(flat, [*leading_sizes(x), kernel.shape[-1]])


def leading_sizes(x: Any) -> list[Any]:
    """Return T and B, as integers where they are known: static shapes then survive the loop."""
    dynamic = tf.shape(x)
    return [x.shape[axis] or dynamic[axis] for axis in range(2)]


def summed_outer(a: Any, b: Any) -> Any:
    """Return Σ_t Σ_b a[t, b]ᵀ b[t, b], the gradient of a weight, as one matrix product."""
    return tf.matmul(
        tf.reshape(a, [-1, a.shape[-1]]), tf.reshape(b, [-1, b.shape[-1]]), transpose_a=True
    )


def outer_per_step(a: Any, b: Any) -> Any:
    """Return Σ_b a[t, b]ᵀ b[t, b] for each t: the gradient of the weight's copy at step t."""
    return tf.matmul(a, b, transpose_a=True)


def kernel_gradients(
    inputs: Sequence[Any], errors: Any, outer: Callable[[Any, Any], Any]
) -> tuple[Any, ...]:
    """Return the gradients of W, R, … and b in x W + h R + … + b, for the inputs x, h, ….

    It takes one matrix product: the inputs side by side are one input, and b is the kernel of a
    column of ones.
    """
    side_by_side = tf.concat([*inputs, tf.ones_like(inputs[0][:, :, :1])], axis=2)
    widths = [*(x.shape[-1] for x in inputs), 1]
    *kernels, bias = tf.split(outer(side_by_side, errors), widths, axis=-2)
    return *kernels, tf.squeeze(bias, -2)


@dataclass(frozen=True)
class MatrixProducts:
    """The linear maps of a cell whose states are vectors [B, H]; see `LinearMaps`."""

    def input_product(self, x: Any, kernel: Any, bias: Any = None) -> Any:
        """Return x W + b: [T, B, D] → [T, B, G]."""
        return product(x, kernel, bias)

    def input_errors(self, errors: Any, kernel: Any) -> Any:
        """Return δz Wᵀ: [T, B, G] → [T, B, D]."""
        return product(errors, tf.transpose(kernel))

    def step(self, hidden: Any, kernel: Any) -> Any:
        """Return h R: [B, H] → [B, G]."""
        return tf.matmul(hidden, kernel)

    def transpose(self, recurrent_kernel: Any) -> Any:
        """Return Rᵀ."""
        return tf.transpose(recurrent_kernel)

    def kernel_gradients(
        self, inputs: Sequence[Any], errors: Any, outer: Callable[[Any, Any], Any]
    ) -> tuple[Any, ...]:
        """Return the gradients of W, R and b; see `kernel_gradients`."""
        return kernel_gradients(inputs, errors, outer)


def swap_batch_and_time(tensor: Any) -> Any:
    """Transpose [B, T, ·] to [T, B, ·] or back."""
    return tf.transpose(tensor, [1, 0, *range(2, len(tensor.shape))])
