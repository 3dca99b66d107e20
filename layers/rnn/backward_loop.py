"""The backward loop over time (BPTT): the errors of step t from those of step t+1."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from .equations import Equations, Sequence, StepOps, Weights, map_fields
from .over_time import Readable, buffer, over_map, readable, select, zero_unless
from .statistics import lanes, squares


class Passed(NamedTuple):
    """What the backward loop passes from step t+1 to step t."""

    errors: Any  # carried back by the recurrence, a state of [B, H]
    waiting: list[Any]  # with a mask: injected at masked steps, for the valid step before, [B, H]
    following: dict[str, Any]  # with a mask: squared norms at the next valid step, by name

    @property
    def to_initial_state(self) -> Any:
        """dE/d(initial state), if step t is the initial state."""
        hidden = tf.add_n([self.errors.hidden, *self.waiting])
        return self.errors._replace(hidden=hidden)


@dataclass(frozen=True)
class BackwardLoop:
    """The backward loop over some steps, and what it reads."""

    equations: Equations
    ops: StepOps
    steps: Any  # T
    transposed_kernel: Any
    states: Any  # readable fields
    residuals: Any  # readable fields
    above: Readable | None
    valid: Readable | None
    factors: Readable | None

    @classmethod
    def over(
        cls,
        equations: Equations,
        sequence: Sequence,
        injected: Any,
        weights: Weights,
        mask: Any,
        ops: StepOps,
        factors: Any,
    ) -> "BackwardLoop":
        """Return the loop over a sequence; the arguments are those of `backward_scan`."""
        above, valid, factors = (
            None if array is None else readable(array) for array in (injected, mask, factors)
        )
        return cls(
            equations,
            ops,
            tf.shape(sequence.x)[0],
            equations.linear.transpose(weights.recurrent_kernel),  # once for all: it is faster
            map_fields(readable, sequence.states),
            map_fields(readable, sequence.residuals),
            above,
            valid,
            factors,
        )

    def after_the_end(self, final_errors: Any) -> Passed:
        """Return what is passed to the last step.

        An error that is injected at a masked step belongs to the valid step before it, whose state
        it repeats: it waits until the loop gets there.
        """
        following = self._norms_after_the_end(final_errors.hidden)
        if self.valid is None:
            return Passed(final_errors, [], following)
        zeros = tf.zeros_like(final_errors.hidden)
        return Passed(final_errors._replace(hidden=zeros), [final_errors.hidden], following)

    def run(self, passed: Passed, start: Any) -> tuple[tuple, dict[str, Any], Passed]:
        """Run the loop from step `start` down to the first one.

        Returns:
            The preactivation errors [T, B, ·], squared norms by name [T, B], and what is passed to
            the step before the first one. Steps after `start` have the entry 0.
        """
        like = passed.errors.hidden
        widths = [n * like.shape[-1] for n in self.equations.preactivation_widths]
        preactivation_errors = tuple(buffer(self.steps, like, width) for width in widths)
        measured = {name: _norm_buffer(self.steps, like) for name in self.norm_names()}
        _, carried, waiting, preactivation_errors, following, measured = tf.while_loop(
            lambda t, *_: t >= 0,
            self._step,
            (
                start,
                passed.errors,
                passed.waiting,
                preactivation_errors,
                passed.following,
                measured,
            ),
            maximum_iterations=self.steps,
        )
        norms = {name: tf.reduce_sum(a.stack(), -1) for name, a in measured.items()}
        errors = tuple(a.stack() for a in preactivation_errors)
        return errors, norms, Passed(carried, waiting, following)

    def norm_names(self) -> list[str]:
        """Return the fields of `SquaredNorms` that the loop measures."""
        cell = ["cell"] if "cell" in self.states._fields else []
        names = ["hidden", "carried", *cell]
        if self.valid is not None:
            return [*names, "injected", *(f"{name}_next" for name in ("hidden", *cell))]
        return names if self.above is None else [*names, "injected"]

    def _norms_after_the_end(self, like):
        """Return the norms at the valid step after the last one; only a mask makes them needed."""
        zero = tf.zeros([tf.shape(like)[0], lanes(like.shape[-1])], tf.float64)
        return {name: zero for name in self.norm_names() if name.endswith("_next")}

    def _step(self, t, carried, waiting, preactivation_errors, following, norms):
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
            at_step = tuple(zero_unless(valid, e) for e in at_step)
            sent_back = select(valid, sent_back, carried)
            waiting = [zero_unless(~valid, tf.add_n(arriving))]
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


def _norm_buffer(steps, errors):
    """Return a TensorArray for what `squares` returns at each step for errors [B, ·]."""
    shape = [errors.shape[0], lanes(errors.shape[-1])]
    return tf.TensorArray(tf.float64, size=steps, element_shape=shape, clear_after_read=False)


def _write(arrays, t, values):
    return tuple(a.write(t, value) for a, value in zip(arrays, values, strict=True))


def _scaled(errors, factor):
    """Multiply errors by a factor [B, 1]; 0 cuts also those that are not finite."""
    return map_fields(lambda e: tf.math.multiply_no_nan(e, over_map(factor, e)), errors)
