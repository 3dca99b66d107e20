"""The two loops over time: forward over the states, and backward over their errors (BPTT).

The backward loop is the real backward pass: the errors whose norms it measures on its way are those
that train the weights. All arrays are time-major, [T, B, ·].
"""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from .equations import Equations, Sequence, StepOps, Weights, identity, map_fields
from .statistics import SquaredNorms, lanes, squares, without_mask


class Readable(Protocol):
    """An array over time that is read step by step, as a `tf.TensorArray`."""

    def read(self, index: Any) -> Any:
        """Return the entry of one step, [B, ·]."""
        ...


class BackwardScan(NamedTuple):
    """What the backward loop returns."""

    preactivation_errors: tuple  # as `Equations.backward` returns them, each [T, B, ·]
    initial_errors: Any  # dE/d(initial state), a state of [B, H]
    squared_norms: SquaredNorms


def forward_scan(
    equations: Equations, x: Any, initial: Any, weights: Weights, mask: Any, ops: StepOps
) -> Sequence:
    """Compute the states of all steps. A masked step copies the state before it.

    Args:
        x: [T, B, D].
        initial: the initial state, fields [B, H].
        mask: [T, B, 1] bool, False at the steps to skip; or None.
    """
    steps = tf.shape(x)[0]
    z = readable(equations.input_product(x, weights))
    valid = None if mask is None else readable(mask)
    # XLA saves a copy if the initial state is written in front of the others; ONNX has no loop that
    # writes into an array that already has an entry.
    lead = int(ops.barrier is not identity)
    states = map_fields(lambda s: _buffer(steps + lead, s, s.shape[-1]), initial)
    if lead:
        states = map_fields(lambda a, s: a.write(0, s), states, initial)
    hidden = initial[0]
    residuals = equations.residuals(
        *(_buffer(steps, hidden, hidden.shape[-1]) for _ in equations.residuals._fields)
    )

    def step(t, before, states, residuals):
        after, saved = equations.forward(z.read(t), before, weights, ops)
        values = ops.barrier((*after, *saved))
        after, saved = type(after)(*values[: len(after)]), type(saved)(*values[len(after) :])
        if valid is not None:
            after = _select(valid.read(t), after, before)
        states = map_fields(lambda a, s: a.write(t + lead, s), states, after)
        return t + 1, after, states, map_fields(lambda a, s: a.write(t, s), residuals, saved)

    _, _, states, residuals = tf.while_loop(
        lambda t, *_: t < steps, step, (0, initial, states, residuals), maximum_iterations=steps
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
    steps, units = tf.shape(sequence.x)[0], final_errors.hidden.shape[-1]
    loop = _BackwardLoop(
        equations,
        ops,
        equations.linear.transpose(weights.recurrent_kernel),  # once for all steps: it is faster
        map_fields(readable, sequence.states),
        map_fields(readable, sequence.residuals),
        None if injected is None else readable(injected),
        None if mask is None else readable(mask),
        None if factors is None else readable(factors),
    )
    buffer = functools.partial(_buffer, steps, final_errors.hidden)
    start = steps - 1 if start is None else start
    preactivation_errors = tuple(buffer(n * units) for n in equations.preactivation_widths)
    measured = {name: _norm_buffer(steps, final_errors.hidden) for name in loop.norm_names()}
    _, carried, waiting, preactivation_errors, _, measured = tf.while_loop(
        lambda t, *_: t >= 0,
        loop.step,
        (
            start,
            *loop.errors_at_the_end(final_errors),
            preactivation_errors,
            loop.norms_after_the_end(final_errors.hidden),
            measured,
        ),
        maximum_iterations=steps,
    )
    initial = carried._replace(hidden=tf.add_n([carried.hidden, *waiting]))
    norms = {name: tf.reduce_sum(a.stack(), -1) for name, a in measured.items()}
    squared_norms = without_mask(**norms) if mask is None else SquaredNorms(**norms)
    return BackwardScan(tuple(a.stack() for a in preactivation_errors), initial, squared_norms)


@dataclass(frozen=True)
class _BackwardLoop:
    """The body of the backward loop, and what it reads."""

    equations: Equations
    ops: StepOps
    transposed_kernel: Any
    states: Any  # readable fields
    residuals: Any  # readable fields
    above: Readable | None
    valid: Readable | None
    factors: Readable | None

    def errors_at_the_end(self, final_errors):
        """Return the carried errors at the last step, and those that wait for a valid step.

        An error that is injected at a masked step belongs to the valid step before it, whose state
        it repeats: it waits until the loop gets there.
        """
        if self.valid is None:
            return final_errors, []
        zeros = tf.zeros_like(final_errors.hidden)
        return final_errors._replace(hidden=zeros), [final_errors.hidden]

    def norm_names(self) -> list[str]:
        """Return the fields of `SquaredNorms` that the loop measures."""
        cell = ["cell"] if "cell" in self.states._fields else []
        names = ["hidden", "carried", *cell]
        if self.valid is not None:
            return [*names, "injected", *(f"{name}_next" for name in ("hidden", *cell))]
        return names if self.above is None else [*names, "injected"]

    def norms_after_the_end(self, like):
        """Return the norms at the valid step after the last one; only a mask makes them needed."""
        zero = tf.zeros([tf.shape(like)[0], lanes(like.shape[-1])], tf.float64)
        return {name: zero for name in self.norm_names() if name.endswith("_next")}

    def step(self, t, carried, waiting, preactivation_errors, following, norms):
        """Return the loop variables of step t-1, with the arrays written at step t."""
        arriving = [*waiting] if self.above is None else [*waiting, self.above.read(t)]
        before, after, residuals = self._read(t)
        errors = carried._replace(hidden=tf.add_n([carried.hidden, *arriving]))
        errors = self.equations.total_errors(errors, after, residuals)
        *totals, through_time = self.ops.barrier((*errors, carried.hidden))
        errors = type(errors)(*totals)
        at_step, sent_back = self.equations.backward(
            errors, before, after, residuals, self.transposed_kernel, self.ops
        )
        measured = {**errors._asdict(), "carried": through_time}
        if arriving:
            measured["injected"] = tf.add_n(arriving)
        values = {name: squares(error) for name, error in measured.items()} | following
        if self.valid is not None:
            valid = self.valid.read(t)
            at_step = tuple(_zero_unless(valid, e) for e in at_step)
            sent_back = _select(valid, sent_back, carried)
            waiting = [_zero_unless(~valid, tf.add_n(arriving))]
            following = {
                name: tf.where(valid, values[name.removesuffix("_next")], norm)
                for name, norm in following.items()
            }
        if self.factors is not None:
            sent_back = _scaled(sent_back, self.factors.read(t))
        preactivation_errors = _write(preactivation_errors, t, at_step)
        norms = {name: array.write(t, values[name]) for name, array in norms.items()}
        return t - 1, sent_back, waiting, preactivation_errors, following, norms

    def _read(self, t):
        """Return the states of steps t-1 and t, and the residuals of step t."""
        before = map_fields(lambda a: a.read(t), self.states)
        after = map_fields(lambda a: a.read(t + 1), self.states)
        return before, after, map_fields(lambda a: a.read(t), self.residuals)


def _buffer(steps, like, width):
    """Return a TensorArray of `steps` entries [B, width], B and dtype those of `like` [B, ·].

    Of a map, [B, *map, ·], the entries are maps too.
    """
    shape = [*like.shape[:-1], width]
    return tf.TensorArray(like.dtype, size=steps, element_shape=shape, clear_after_read=False)


def _norm_buffer(steps, errors):
    """Return a TensorArray for what `squares` returns at each step for errors [B, ·]."""
    shape = [errors.shape[0], lanes(errors.shape[-1])]
    return tf.TensorArray(tf.float64, size=steps, element_shape=shape, clear_after_read=False)


def readable(array: Any) -> Readable:
    """Return an array over time as a `Readable`; a `Readable` is returned unchanged."""
    if hasattr(array, "read"):
        return array
    return tf.TensorArray(
        array.dtype, size=tf.shape(array)[0], element_shape=array.shape[1:], clear_after_read=False
    ).unstack(array)


def _write(arrays, t, values):
    return tuple(a.write(t, value) for a, value in zip(arrays, values, strict=True))


def _select(condition, state, otherwise):
    return map_fields(lambda a, b: tf.where(over_map(condition, a), a, b), state, otherwise)


def _scaled(errors, factor):
    """Multiply errors by a factor [B, 1]; 0 cuts also those that are not finite."""
    return map_fields(lambda e: tf.math.multiply_no_nan(e, over_map(factor, e)), errors)


def _zero_unless(condition, tensor):
    return tf.where(over_map(condition, tensor), tensor, tf.zeros_like(tensor))


def over_map(mask: Any, array: Any) -> Any:
    """Append axes of size 1 to a mask [·, 1] until it has as many as the array has."""
    missing = len(array.shape) - len(mask.shape)
    return mask[(..., *[tf.newaxis] * missing)] if missing else mask
