"""cuDNN's loop over time, as one operation of TensorFlow.

`tf.raw_ops.CudnnRNNV3` takes all weights as one vector: the kernels of the gates, the recurrent
kernels, the biases that belong to x and those that belong to h. It was traced, and compared with an
imitation of the operation, but not run: nobody has used this code on a GPU yet.
"""

from typing import Any

import tensorflow as tf

from .equations import Weights
from .fused_errors import FusedCell
from .xla_context import may_be_compiled

try:
    from tensorflow.python.eager.context import context
except ImportError:  # this TensorFlow release has moved it: `tf.device` outside goes unnoticed
    context: Any = None


def why_absent() -> str | None:
    """Return why this machine has no cuDNN; None if it has."""
    if not tf.config.list_logical_devices("GPU"):
        return "there is no GPU"
    if not tf.sysconfig.get_build_info().get("is_cuda_build"):
        return "this TensorFlow has no cuDNN"
    return None


def why_not_here() -> str | None:
    """Return why an operation that is added here cannot be one of cuDNN; None if it can."""
    absent = why_absent()
    if absent:
        return absent
    if may_be_compiled():
        return "XLA compiles the function around it, and cannot compile cuDNN's operations"
    place = tf.zeros([]).device or (context and context().device_name) or ""
    return "it is placed on a CPU" if "CPU" in place.upper() else None


def cudnn_loop(
    equations: Any, x: Any, initial: Any, weights: Weights, lengths: Any
) -> tuple[Any, ...]:
    """Return h [T, B, H], which is 0 after the end of a sequence, and the last states, [B, H].

    Args:
        equations: those of a cell that cuDNN has: see `fused_errors.why_unsupported`.
        x: [T, B, D].
        initial: the initial state, fields [B, H].
        lengths: the number of steps of each sequence, [B] int32, at least 1.
    """
    cell: FusedCell = equations.fused
    has_cell_state = "cell" in equations.state._fields
    hidden, *last = tf.raw_ops.CudnnRNNV3(
        input=x,
        input_h=initial.hidden[None],
        input_c=initial.cell[None] if has_cell_state else tf.zeros([], x.dtype),
        params=_parameters(weights, cell.gates),
        sequence_lengths=lengths,
        rnn_mode=cell.mode(equations),
        is_training=True,
        time_major=True,
    )
    return hidden, *(state[0] for state in last[: len(initial)])


def _parameters(weights, gates):
    """Return all weights as a vector, the gates in cuDNN's order and each matrix transposed."""
    columns = [_parts(kernel, gates) for kernel in (weights.kernel, weights.recurrent_kernel)]
    matrices = [tf.reshape(tf.transpose(part), [-1]) for parts in columns for part in parts]
    biases = [part for bias in _biases(weights) for part in _parts(bias, gates)]
    return tf.concat([*matrices, *biases], axis=0)


def _parts(weight, gates):
    """Return the columns of each gate of a weight [·, G]."""
    parts = tf.split(weight, len(gates), axis=-1)
    return [parts[place] for place in gates]


def _biases(weights):
    """Return the bias of x W and that of h R, [G] each; cuDNN has both."""
    zeros = tf.zeros_like(weights.kernel[0])
    if weights.bias is None:
        return zeros, zeros
    return tf.unstack(weights.bias) if len(weights.bias.shape) == 2 else (zeros, weights.bias)
