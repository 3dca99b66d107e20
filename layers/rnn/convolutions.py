"""The convolutions of a ConvLSTM, over maps [T, B, *map, ·]."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from .matrix_products import leading_sizes, outer_per_step


@dataclass(frozen=True)
class Convolutions:
    """The linear maps of a cell whose states are maps [B, *map, H]; see `LinearMaps`.

    The input product convolves x as these arguments say; the recurrent product has stride 1 and
    "same" padding, so that all states have the same map.

    Args:
        input_map: the size of the map of x.
        kernel_size, strides, dilation_rate: as in `keras.layers.Conv2D`, one number for each axis
            of the map.
        padding: "valid" or "same".
    """

    input_map: tuple[int, ...]
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    dilation_rate: tuple[int, ...]

    def input_product(self, x: Any, kernel: Any, bias: Any = None) -> Any:
        """Return x * W + b as one convolution: [T, B, *map, D] → [T, B, *map, G]."""
        flat = self._of_inputs(_fold(x), kernel)
        flat = flat if bias is None else flat + bias
        return tf.reshape(flat, [*leading_sizes(x), *flat.shape[1:]])

    def input_errors(self, errors: Any, kernel: Any) -> Any:
        """Return the errors of x from those of `input_product`."""
        shape = [*self.input_map, kernel.shape[-2]]
        flat = _fold(errors)
        x_errors = _transposed(
            lambda x: self._of_inputs(x, kernel), [tf.shape(flat)[0], *shape], flat
        )
        return tf.reshape(x_errors, [*leading_sizes(errors), *shape])

    def step(self, hidden: Any, kernel: Any) -> Any:
        """Return h * R: [B, *map, H] → [B, *map, G]."""
        return _convolve(hidden, kernel, "same")

    def transpose(self, recurrent_kernel: Any) -> Any:
        """Return the kernel with which `step` computes the errors of h from those of h * R.

        It is mirrored. "Same" padding puts the odd zero of an even size behind the map, the
        transposed convolution needs it in front: a row of zeros makes the size odd.
        """
        axes = [*range(len(self.kernel_size))]
        swapped = tf.transpose(
            tf.reverse(recurrent_kernel, axes), [*axes, len(axes) + 1, len(axes)]
        )
        odd = [[0, 1 - size % 2] for size in self.kernel_size]
        return tf.pad(swapped, [*odd, [0, 0], [0, 0]])

    def kernel_gradients(
        self, inputs: Sequence[Any], errors: Any, outer: Callable[[Any, Any], Any]
    ) -> tuple[Any, Any, Any]:
        """Return the gradients of W, R and b: each kernel's is one convolution over all steps.

        Args:
            inputs: x and h, [T, B, *map, ·].
            errors: those of x * W + h * R + b, [T, B, *map, G].
            outer: with `outer_per_step`, the gradients of each step are returned, [T, …].
        """
        x, hidden = inputs

        def gradients(x, hidden, errors):
            kernels = (
                self._kernel_gradient(self._of_inputs, x, errors),
                self._kernel_gradient(self.step, hidden, errors),
            )
            return *kernels, tf.reduce_sum(errors, [*range(len(errors.shape) - 1)])

        if outer is outer_per_step:
            types = (errors.dtype,) * 3
            return tf.map_fn(
                lambda of: gradients(*of), (x, hidden, errors), fn_output_signature=types
            )
        return gradients(_fold(x), _fold(hidden), _fold(errors))

    def _of_inputs(self, x, kernel):
        return _convolve(x, kernel, self.padding, self.strides, self.dilation_rate)

    def _kernel_gradient(self, convolve, inputs, errors):
        shape = [*self.kernel_size, inputs.shape[-1], errors.shape[-1]]
        return _transposed(lambda kernel: convolve(inputs, kernel), shape, errors)


def _convolve(x, kernel, padding, strides=None, dilations=None):
    data_format = ("NWC", "NHWC", "NDHWC")[len(x.shape) - 3]  # eager Conv3D requires it
    return tf.nn.convolution(x, kernel, strides, padding.upper(), data_format, dilations)


def _transposed(function, shape, errors):
    """Apply the transpose of a linear function, whose argument has this shape, to errors."""
    argument = tf.zeros(shape, errors.dtype)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(argument)
        result = function(argument)
    gradient: Any = tape.gradient(result, argument, errors)
    return gradient


def _fold(sequence):
    """[T, B, *map, ·] → [T·B, *map, ·]"""
    return tf.reshape(sequence, [-1, *sequence.shape[2:]])
