"""The two loops of a cell as functions of a layer's tensors, compiled by XLA or not."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from .barrier import barrier
from .equations import Equations, StepOps
from .matrix_products import swap_batch_and_time
from .packed import packed_scan
from .scan import backward_scan, forward_scan
from .statistics import summarise


class Programs(NamedTuple):
    """The loops of one cell. Arrays of a layer are [B, T, ·], those of a `Sequence` [T, B, ·].

    Attributes:
        forward: (x, initial, weights, mask, recurrent_dropout, return_sequences) → (outputs
            [B, T, H] or None, last state, Sequence).
        packed_forward: (x, initial, weights, mask, return_sequences) → (outputs [B, T, H] or None,
            last state), for inference.
        backward: (sequence, injected, final_errors, weights, mask, recurrent_dropout, factors
            [B, T, 1] or None) → (dE/d(initial state), preactivation errors, a row of the error
            record).
        input_gradient: (preactivation errors, kernel) → dE/dx [B, T, D].
    """

    forward: Callable
    packed_forward: Callable
    backward: Callable
    input_gradient: Callable


@functools.cache
def programs(equations: Equations, compiled: bool, inputs: int, units: int) -> Programs:
    """Return the programs of a cell.

    Args:
        compiled: let XLA compile them, once for each shape of a batch.
        inputs, units: D and H. They only key the cache: with one set of programs for each pair,
            only the batch size and the number of steps are unknown when a program is traced.
    """
    own_barrier = barrier(compiled)

    def forward(x, initial, weights, mask, recurrent_dropout, return_sequences):
        ops = StepOps(recurrent_dropout, own_barrier, equations.linear)
        x, mask = swap_batch_and_time(x), _time_major(mask)
        sequence = forward_scan(equations, x, initial, weights, mask, ops)
        outputs = swap_batch_and_time(sequence.states.hidden[1:]) if return_sequences else None
        return outputs, type(initial)(*(s[-1] for s in sequence.states)), sequence

    def backward(sequence, injected, final_errors, weights, mask, recurrent_dropout, factors):
        ops = StepOps(recurrent_dropout, own_barrier, equations.linear)
        injected, mask, factors = map(_time_major, (injected, mask, factors))
        scan = backward_scan(
            equations, sequence, injected, final_errors, weights, mask, ops, factors=factors
        )
        row = summarise(scan.squared_norms, mask)
        return scan.initial_errors, scan.preactivation_errors, row

    def input_gradient(preactivation_errors, kernel):
        errors = equations.input_errors(preactivation_errors)
        return swap_batch_and_time(equations.linear.input_errors(errors, kernel))

    function = functools.partial(
        tf.function, autograph=False, jit_compile=compiled or None, reduce_retracing=True
    )
    packed_forward = functools.partial(packed_scan, equations)
    return Programs(*map(function, (forward, packed_forward, backward, input_gradient)))


def _time_major(tensor):
    return None if tensor is None else swap_batch_and_time(tensor)
