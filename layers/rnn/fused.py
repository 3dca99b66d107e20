"""A cell over a sequence by a fused kernel, cuDNN's on a GPU, with its errors made visible.

`fused_errors.py` explains how the errors are computed. The numbers are tested on CPU, where a plain
loop of TensorFlow stands in for the kernel, differentiated by TensorFlow itself.
"""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from . import cudnn
from .equations import Equations, StepOps, Weights
from .error_record import Call, ErrorRecord
from .fused_errors import Pass, following
from .matrix_products import swap_batch_and_time
from .padding import Padding
from .scan import forward_scan
from .statistics import SquaredNorms, squares, summarise
from .unroll import differentiable_once


def fused_unroll(
    equations: Any,
    x: Any,
    initial: Any,
    weights: Weights,
    record: ErrorRecord,
    *,
    mask: Any,
    return_sequences: bool,
    backwards: bool,
    training: bool,
    **_: Any,
) -> tuple[Any, Any]:
    """Do what `unroll` does by a fused kernel; cuDNN must have the cell: see `why_unsupported`.

    Args:
        training: whether a backward pass is likely. Otherwise the zeros whose gradients are the
            errors are left out of the forward pass, and a backward pass repeats it with them.

    Returns:
        h [B, T, H], or None without `return_sequences`; and the last state.
    """
    batch, steps = tf.unstack(tf.shape(x)[:2])
    alignments = 1 if mask is None and not backwards else 2
    recorded = record.begin_call(batch, x.shape[1], alignments)
    padding = None if mask is None else Padding(mask)
    counts = tf.fill([batch], steps) if padding is None else padding.counts
    x = swap_batch_and_time(x if padding is None else padding.to_the_start(x))
    call = _Call(equations, record, recorded, padding, counts, backwards, training)
    used = [w for w in weights if w is not None]
    hidden, *last = tf.custom_gradient(call.forward)(x, *initial, *used)
    hidden, last = swap_batch_and_time(hidden), type(initial)(*last)
    if padding is not None:
        hidden, last = padding.back(hidden), padding.last(last, initial)
    return hidden if return_sequences else None, last


@dataclass(frozen=True)
class _Call:
    """One call of `fused_unroll`; its backward pass writes the record. Arrays are [T, B, ·]."""

    equations: Any  # with `fused`
    record: ErrorRecord
    recorded: Call
    padding: Padding | None
    counts: Any  # the number of steps of each sequence, [B]
    backwards: bool
    training: bool

    def forward(self, *tensors: Any) -> tuple[list[Any], Any]:
        """Return h and the last states, and their gradient: see `tf.custom_gradient`.

        Args:
            tensors: x, the fields of the initial state, and the weights that the cell has.
        """
        # An outer tape must not record the operations inside: the gradient below is complete.
        inputs = [tf.stop_gradient(t) for t in tensors]
        with_zeros = self._run_with_zeros(inputs) if self.training else None
        outputs = with_zeros[0] if with_zeros else self._run(*self._arguments(inputs))

        def gradient(*arriving):
            results, zeros, tape = with_zeros or self._run_with_zeros(inputs)
            errors = [tf.stop_gradient(e) for e in arriving]
            probes, *gradients = tape.gradient(results, [zeros, *inputs], errors)
            backward = Pass.of(*self._arguments(inputs), results[0], probes, errors, self.counts)
            errors = self.equations.fused.errors(self.equations, backward)
            row = _row(errors, backward, self.padding)
            self.record.write([row], self.recorded, self.backwards)
            return [differentiable_once(g, [*arriving, *tensors]) for g in gradients]

        return outputs, gradient

    def _arguments(self, inputs):
        """Return x, the initial state and the weights."""
        count = len(self.equations.state._fields)
        weights = Weights(*(*inputs[1 + count :], None)[:3])
        return inputs[0], self.equations.state(*inputs[1 : 1 + count]), weights

    def _run_with_zeros(self, inputs):
        """Return what `_run` returns, the zeros in the input, and the tape that watched them."""
        x, initial, weights = self._arguments(inputs)
        rows = self.equations.fused.probe_rows(weights.recurrent_kernel)  # P
        zeros = tf.zeros_like(x[:, :, :1] * rows[:, 0])
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch([zeros, *inputs])
            wide = weights._replace(kernel=tf.concat([weights.kernel, rows], 0))
            outputs = self._run(tf.concat([x, zeros], 2), initial, wide)
        return outputs, zeros, tape

    def _run(self, x, initial, weights):
        """Return h and the last states, by the kernel."""
        kernel = plain_loop if cudnn.why_not_here() else cudnn.cudnn_loop
        lengths = tf.maximum(self.counts, 1)  # cuDNN reads at least one step
        return [*kernel(self.equations, x, initial, weights, lengths)]


def plain_loop(
    equations: Equations, x: Any, initial: Any, weights: Weights, lengths: Any
) -> tuple[Any, ...]:
    """Do what `cudnn.cudnn_loop` does, without cuDNN."""
    valid = tf.transpose(tf.sequence_mask(lengths, tf.shape(x)[0]))[:, :, None]
    states = forward_scan(equations, x, initial, weights, valid, StepOps()).states
    hidden = states.hidden[1:]
    return tf.where(valid, hidden, tf.zeros_like(hidden)), *(s[-1] for s in states)


def _row(errors, backward, padding):
    """Return a row of the record, as `summarise` does."""
    arrays = {**errors._asdict(), "injected": backward.injected}
    norms = {name: _squared_norms(e) for name, e in arrays.items() if e is not None}
    valid = tf.cast(backward.valid[:, :, 0], tf.float64)
    after = {f"{name}_next": norms[name] * valid for name in ("hidden", "cell") if name in norms}
    norms |= {name: following(norm) for name, norm in after.items()}
    if padding is None:
        return summarise(SquaredNorms(**norms), None)
    norms = {name: padding.norms_back(norm) for name, norm in norms.items()}
    return summarise(SquaredNorms(**norms), swap_batch_and_time(padding.mask))


def _squared_norms(errors):
    """Return ‖e_t(b)‖², [T, B]."""
    flat = squares(tf.reshape(errors, [-1, errors.shape[-1]]))
    return tf.reshape(tf.reduce_sum(flat, -1), tf.shape(errors)[:2])
