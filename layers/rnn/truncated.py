"""A cell over a sequence, with truncated back-propagation through time as its gradient.

The errors are those of `unroll` with the same `CarriedScale`. Since no error crosses the cuts, the
residuals of all steps need not be in memory at once (`chunks.py` explains the loops). In training:

* Memory: the residuals of k steps, and one state per chunk, in place of those of all T steps. The
  arrays that enter and leave the layer stay: x and dE/dx [B, T, D] and, with an output at every
  step, h and dE/dy [B, T, H].
* Time: where only the last state has a loss, the backward pass ends after the last k steps (with
  padding, after the last k of the shortest example). With a loss at every step it covers all steps,
  and the states and residuals are computed a second time: that takes longer than full BPTT.

`benchmarks/truncation.py` measures both. A call without `training=True` runs in `unroll`, with the
same gradient and without the savings.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from .barrier import barrier
from .carried_scale import CarriedScale
from .chunks import backward_chunks, forward_chunks
from .equations import Equations, StepOps, Weights, map_fields
from .error_record import Call, ErrorRecord
from .unroll import differentiable_once, halves, join


def truncated_unroll(
    equations: Equations,
    x: Any,
    initial: Any,
    weights: Weights,
    record: ErrorRecord,
    *,
    mask: Any,
    recurrent_dropout: Any,
    return_sequences: bool,
    backwards: bool,
    carried_scale: CarriedScale,
) -> tuple[Any, Any]:
    """Do what `unroll` does, compiled, with `carried_scale.truncate` steps in memory at a time."""
    assert carried_scale.truncate
    if recurrent_dropout is not None:
        recurrent_dropout = tf.stop_gradient(recurrent_dropout)
    call = _Call(
        equations,
        _programs(equations, carried_scale.truncate, x.shape[-1], initial.hidden.shape[-1]),
        record,
        record.begin_call(tf.shape(x)[0], x.shape[1], 1 if mask is None and not backwards else 2),
        halves(x),
        mask,
        recurrent_dropout,
        return_sequences,
        backwards,
        carried_scale,
    )
    forward = tf.custom_gradient(call.forward)
    results = forward(x, *initial, *(w for w in weights if w is not None))
    if return_sequences:
        results[0].set_shape([*x.shape[:2], *initial.hidden.shape[1:]])
    outputs, *last = results if return_sequences else (None, *results)
    return outputs, type(initial)(*last)


class _Programs(NamedTuple):
    """The loops over the chunks of one cell; see `forward_chunks` and `backward_chunks`."""

    forward: Callable
    backward: Callable


@functools.cache
def _programs(equations, size, inputs, units):
    """Return the loops, compiled by XLA; `inputs` and `units` key the cache, as in `programs`."""
    own_barrier = barrier(compiled=True)

    def forward(x, initial, weights, mask, recurrent_dropout, sequences):
        ops = StepOps(recurrent_dropout, own_barrier, equations.linear)
        return forward_chunks(equations, x, initial, weights, mask, ops, size, sequences)

    def backward(x, starts, injected, last, weights, mask, recurrent_dropout, factors):
        ops = StepOps(recurrent_dropout, own_barrier, equations.linear)
        errors = injected, last
        return backward_chunks(equations, x, starts, *errors, weights, mask, ops, factors, size)

    function = functools.partial(
        tf.function, autograph=False, jit_compile=True, reduce_retracing=True
    )
    return _Programs(function(forward), function(backward))


@dataclass(frozen=True)
class _Call:
    """One call of `truncated_unroll`, cut along the batch into `parts`."""

    equations: Equations
    programs: _Programs
    record: ErrorRecord
    recorded: Call
    parts: Sequence[slice]
    mask: Any
    recurrent_dropout: Any
    return_sequences: bool
    backwards: bool
    carried_scale: CarriedScale

    def forward(self, *tensors: Any) -> tuple[tuple[Any, ...], Callable]:
        """Return the outputs and last states, and their gradient: see `tf.custom_gradient`.

        Args:
            tensors: x, the fields of the initial state, and the weights that the cell has.
        """
        # An outer tape must not record the operations inside: the gradient is complete.
        x, *others = [tf.stop_gradient(t) for t in tensors]
        count = len(self.equations.state._fields)
        initial = self.equations.state(*others[:count])
        weights = Weights(*(*others[count:], None)[:3])
        results = [
            self.programs.forward(*cut, self.return_sequences)
            for cut in self._cut(x, initial, weights, self.mask, self.recurrent_dropout)
        ]
        outputs, last, starts = zip(*results, strict=True)
        joined = [join(outputs)] if self.return_sequences else []
        joined += [join(states) for states in zip(*last, strict=True)]
        return tuple(joined), functools.partial(self._gradient, tensors, x, weights, starts)

    def _gradient(self, tensors, x, weights, starts, *arriving):
        """Return the gradients of `tensors` from those of the outputs and last states."""
        errors = [tf.stop_gradient(e) for e in arriving]
        injected = errors.pop(0) if self.return_sequences else None
        factors = self.carried_scale.factors(x, self.mask, self.backwards)
        final = self.equations.state(*errors)
        options = weights, self.mask, self.recurrent_dropout, factors
        results = [
            self.programs.backward(part, start, *others)
            for start, (part, *others) in zip(
                starts, self._cut(x, injected, final, *options), strict=True
            )
        ]
        dx, initial, of_weights, rows = zip(*results, strict=True)
        self.record.write(rows, self.recorded, self.backwards)
        gradients = (
            join(dx),
            *(join(states) for states in zip(*initial, strict=True)),
            *(tf.add_n(parts) for parts in zip(*of_weights, strict=True)),
        )
        return [differentiable_once(g, [*arriving, *tensors]) for g in gradients]

    def _cut(self, *arguments):
        """Return the arguments of each part; weights and what is None are the same for all."""
        return [[_part(argument, part) for argument in arguments] for part in self.parts]


def _part(argument, part):
    if argument is None or isinstance(argument, Weights):
        return argument
    if isinstance(argument, tuple):  # a state
        return map_fields(lambda s: s[part], argument)
    return argument[part]
