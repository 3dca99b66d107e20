"""The two loops over time: forward over the states, and backward over their errors (BPTT).

The backward loop is the real backward pass: the errors whose norms it measures on its way are those
that train the weights. All arrays are time-major, [T, B, ·].
"""

from typing import Any, NamedTuple

import tensorflow as tf

from .backward_loop import BackwardLoop
from .equations import Equations, Sequence, StepOps, Weights, identity, map_fields
from .over_time import buffer, readable, select
from .statistics import SquaredNorms, without_mask


class BackwardScan(NamedTuple):
    """What the backward loop returns."""

    preactivation_errors: tuple  # as `Equations.backward` returns them, each [T, B, ·]
    initial_errors: Any  # dE/d(initial state), a state of [B, H]
    squared_norms: SquaredNorms


def forward_scan(
    equations: Equations,
    x: Any,
    initial: Any,
    weights: Weights,
    mask: Any,
    ops: StepOps,
    count: Any = None,
) -> Sequence:
    """Compute the states of all steps. A masked step copies the state before it.

    Args:
        x: [T, B, D].
        initial: the initial state, fields [B, H].
        mask: [T, B, 1] bool, False at the steps to skip; or None.
        count: the number of steps to compute, the first ones; the entries of the others are 0. By
            default all.
    """
    steps = tf.shape(x)[0]
    count = steps if count is None else count
    z = readable(equations.input_product(x, weights))
    valid = None if mask is None else readable(mask)
    # XLA saves a copy if the initial state is written in front of the others; ONNX has no loop that
    # writes into an array that already has an entry.
    lead = int(ops.barrier is not identity)
    states = map_fields(lambda s: buffer(steps + lead, s, s.shape[-1]), initial)
    if lead:
        states = map_fields(lambda a, s: a.write(0, s), states, initial)
    hidden = initial[0]
    residuals = equations.residuals(
        *(buffer(steps, hidden, hidden.shape[-1]) for _ in equations.residuals._fields)
    )

    def step(t, before, states, residuals):
        after, saved = equations.forward(z.read(t), before, weights, ops)
        values = ops.barrier((*after, *saved))
        after, saved = type(after)(*values[: len(after)]), type(saved)(*values[len(after) :])
        if valid is not None:
            after = select(valid.read(t), after, before)
        states = map_fields(lambda a, s: a.write(t + lead, s), states, after)
        return t + 1, after, states, map_fields(lambda a, s: a.write(t, s), residuals, saved)

    # XLA needs the bound; of a fixed number of steps, tf2onnx 1.17 makes a loop that does not load.
    _, _, states, residuals = tf.while_loop(
        lambda t, *_: t < count,
        step,
        (0, initial, states, residuals),
        maximum_iterations=steps if lead else None,
    )
    states = map_fields(lambda a: a.stack(), states)
    if not lead:
        states = map_fields(lambda s, all_: tf.concat([s[None], all_], 0), initial, states)
    return Sequence(x, states, map_fields(lambda a: a.stack(), residuals))


def backward_scan(
    equations: Equations,
    sequence: Sequence,
    injected: Any,
    final_errors: Any,
    weights: Weights,
    mask: Any,
    ops: StepOps,
    start: Any = None,
    factors: Any = None,
) -> BackwardScan:
    """Compute the errors of step t from those of step t+1, down to the initial state.

    Args:
        sequence: the result of `forward_scan`. Its states and residuals, and `injected`, may be
            any `Readable` instead of an array over time.
        injected: dE/dy_t from the layers above, [T, B, H]; None where only the last state is used.
        final_errors: dE/d(last state), fields [B, H].
        mask: [T, B, 1] bool or None.
        start: the last step that an error enters; the loop begins there. By default the last one.
        factors: [T, B, 1], by which the errors that each step sends back are multiplied (see
            `carried_scale.py`); a `Readable` or None.
    """
    loop = BackwardLoop.over(equations, sequence, injected, weights, mask, ops, factors)
    start = loop.steps - 1 if start is None else start
    errors, norms, passed = loop.run(loop.after_the_end(final_errors), start)
    squared_norms = without_mask(**norms) if mask is None else SquaredNorms(**norms)
    return BackwardScan(errors, passed.to_initial_state, squared_norms)
