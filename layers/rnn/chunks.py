"""The two loops over time in chunks of k steps, of which one at a time is in memory.

The forward loop saves only the state before each chunk, [n, B, H] for n chunks. The backward loop
goes through the chunks from the last one to the first. It computes the states and residuals of a
chunk again, back-propagates through it, and adds its terms to the gradients of the weights. It
stops where no error is left, as before the last k steps if only the last state has a loss.

The chunks are counted from the end, as the cuts of a truncation are; the first one may be shorter.
Where the steps differ in which the error of the examples is cut, it passes from chunk to chunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from .backward_loop import BackwardLoop, Passed
from .equations import Equations, StepOps, Weights, map_fields
from .matrix_products import summed_outer, swap_batch_and_time
from .scan import forward_scan
from .statistics import SquaredNorms, summarise, without_mask


class Chunks(NamedTuple):
    """How T steps are divided. Sizes are computed where they are used: XLA must know them there."""

    steps: Any  # T
    width: Any  # k, or T if that is less
    count: Any  # n

    @classmethod
    def of(cls, x: Any, size: int) -> "Chunks":
        """Return the chunks of x [T, B, ·]."""
        steps = tf.shape(x)[0]
        width = tf.maximum(tf.minimum(steps, size), 1)
        return cls(steps, width, (steps + width - 1) // width)

    def length(self, number: Any) -> Any:
        """Return the number of steps of a chunk."""
        return tf.minimum(self.steps - (self.count - 1 - number) * self.width, self.width)

    def take(self, array: Any, number: Any) -> Any:
        """Return the steps of a chunk [k, B, ·]; after a shorter first chunk come others."""
        start = tf.maximum(self.steps - (self.count - number) * self.width, 0)
        others = tf.zeros([len(array.shape) - 1], tf.int32)
        size = tf.concat([self.width[None], tf.shape(array)[1:]], axis=0)
        part = tf.slice(array, tf.concat([start[None], others], axis=0), size)
        part.set_shape([None, *array.shape[1:]])
        return part

    def joined(self, array: tf.TensorArray) -> Any:
        """Return the steps of all chunks in one array: n entries [k, ·] → [T, ·]."""
        stacked = array.stack()
        flat = tf.reshape(stacked, tf.concat([[-1], tf.shape(stacked)[2:]], axis=0))
        first = self.length(0)
        flat = tf.concat([flat[:first], flat[self.width :]], axis=0)
        flat.set_shape([None, *stacked.shape[2:]])
        return flat


def forward_chunks(
    equations: Equations,
    x: Any,
    initial: Any,
    weights: Weights,
    mask: Any,
    ops: StepOps,
    size: int,
    sequences: bool,
) -> tuple[Any, Any, Any]:
    """Return h [B, T, H] or None, the last state, and the state before each chunk.

    Args:
        x: [B, T, D].
        mask: [B, T, 1] bool or None.
        size: k.
        sequences: whether h is returned.
    """
    x, mask = swap_batch_and_time(x), None if mask is None else swap_batch_and_time(mask)
    chunks = Chunks.of(x, size)

    def chunk(number, state, starts, outputs):
        here = Chunks.of(x, size)
        part, valid = (None if a is None else here.take(a, number) for a in (x, mask))
        length = here.length(number)
        states = forward_scan(equations, part, state, weights, valid, ops, length).states
        starts = map_fields(lambda a, s: a.write(number, s), starts, state)
        outputs = [a.write(number, states.hidden[1:]) for a in outputs]
        return number + 1, map_fields(lambda s: s[length], states), starts, outputs

    starts = map_fields(lambda s: _array(chunks, s, s.shape), initial)
    hidden = initial.hidden
    outputs = [_array(chunks, hidden, [None, *hidden.shape])] if sequences else []
    _, last, starts, outputs = tf.while_loop(
        lambda number, *_: number < chunks.count,
        chunk,
        (0, initial, starts, outputs),
        maximum_iterations=chunks.count,
    )
    outputs = swap_batch_and_time(chunks.joined(outputs[0])) if sequences else None
    return outputs, last, map_fields(lambda a: a.stack(), starts)


class Gradients(NamedTuple):
    """What `backward_chunks` returns."""

    x: Any  # dE/dx, [B, T, D]
    initial: Any  # dE/d(initial state), a state of [B, H]
    weights: list[Any]  # dE/dW of the weights that the cell has
    row: Any  # of the error record, as `summarise` returns it


class _Progress(NamedTuple):
    """The variables of the loop over the chunks."""

    passed: Passed
    dx: tf.TensorArray  # [k, B, D] of each chunk
    weights: list[Any]  # the sums so far, in float32 at least
    norms: dict[str, tf.TensorArray]  # [k, B] of each chunk


def backward_chunks(
    equations: Equations,
    x: Any,
    starts: Any,
    injected: Any,
    final_errors: Any,
    weights: Weights,
    mask: Any,
    ops: StepOps,
    factors: Any,
    size: int,
) -> Gradients:
    """Return the gradients, and the row of the error record.

    Args:
        x: [B, T, D].
        starts: the state before each chunk, fields [n, B, H].
        injected, final_errors, mask, factors: as in `Programs.backward`.
        size: k.
    """
    arrays = [
        None if array is None else swap_batch_and_time(array)
        for array in (x, injected, mask, factors)
    ]
    chunks = Chunks.of(arrays[0], size)
    backward = _Backward(equations, arrays, starts, weights, ops, size)
    last = chunks.count - 1
    _, done = tf.while_loop(
        lambda number, so_far: (number >= 0) & ((number == last) | _is_left(so_far, injected)),
        backward.chunk,
        (last, backward.nothing(chunks, final_errors)),
        maximum_iterations=chunks.count,
    )
    norms = {name: chunks.joined(a) for name, a in done.norms.items()}
    mask = arrays[2]
    squared_norms = without_mask(**norms) if mask is None else SquaredNorms(**norms)
    sums = zip(done.weights, backward.used, strict=True)
    return Gradients(
        swap_batch_and_time(chunks.joined(done.dx)),
        done.passed.to_initial_state,
        [tf.cast(total, weights[place].dtype) for total, place in sums],
        summarise(squared_norms, mask),
    )


@dataclass(frozen=True)
class _Backward:
    """The backward pass, chunk by chunk, from the last one to the first.

    Attributes:
        arrays: x [T, B, D], the injected errors, the mask and the factors, or None in their place.
        starts: the state before each chunk, fields [n, B, H].
        size: k.
    """

    equations: Equations
    arrays: Sequence[Any]
    starts: Any
    weights: Weights
    ops: StepOps
    size: int

    @property
    def used(self) -> list[int]:
        """The places of the weights that the cell has."""
        return [place for place, weight in enumerate(self.weights) if weight is not None]

    def nothing(self, chunks: Chunks, final_errors: Any) -> _Progress:
        """Return the variables of the loop before the last chunk."""
        loop, *_ = self._loop(chunks.count - 1)
        x, hidden = self.arrays[0], final_errors.hidden
        return _Progress(
            loop.after_the_end(final_errors),
            _array(chunks, x, [None, *x.shape[1:]]),
            [_sum_of(self.weights[place]) for place in self.used],
            {name: _norms(chunks, hidden) for name in loop.norm_names()},
        )

    def chunk(self, number: Any, so_far: _Progress) -> tuple[Any, _Progress]:
        """Go back through one chunk: the body of the loop."""
        loop, sequence, length = self._loop(number)
        errors, norms, passed = loop.run(so_far.passed, length - 1)
        linear = self.equations.linear
        dx = linear.input_errors(self.equations.input_errors(errors), self.weights.kernel)
        terms = self.equations.weight_gradients(sequence, errors, self.ops, summed_outer)
        sums = [
            total + tf.cast(terms[place], total.dtype)
            for total, place in zip(so_far.weights, self.used, strict=True)
        ]
        norms = {name: a.write(number, norms[name]) for name, a in so_far.norms.items()}
        return number - 1, _Progress(passed, so_far.dx.write(number, dx), sums, norms)

    def _loop(self, number):
        """Compute the states of a chunk again; return its loop, its states and its length."""
        here = Chunks.of(self.arrays[0], self.size)
        x, above, mask, scale = (None if a is None else here.take(a, number) for a in self.arrays)
        length = here.length(number)
        start = map_fields(lambda s: s[number], self.starts)
        equations, weights, ops = self.equations, self.weights, self.ops
        sequence = forward_scan(equations, x, start, weights, mask, ops, length)
        return (
            BackwardLoop.over(equations, sequence, above, weights, mask, ops, scale),
            sequence,
            length,
        )


def _is_left(so_far, injected):
    """Return whether anything but zeros is still to be computed in earlier chunks."""
    if injected is not None:
        return tf.constant(True)
    errors, waiting, following = so_far.passed
    passed = [*errors, *waiting, *following.values()]
    return tf.reduce_any([tf.reduce_any(tensor != 0) for tensor in passed])


def _array(chunks, like, shape):
    return tf.TensorArray(like.dtype, chunks.count, element_shape=shape, clear_after_read=False)


def _norms(chunks, like):
    return tf.TensorArray(tf.float64, chunks.count, element_shape=[None, like.shape[0]])


def _sum_of(weight):
    return tf.zeros(weight.shape, weight.dtype if weight.dtype.size > 2 else tf.float32)
