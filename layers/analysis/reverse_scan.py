"""Back-propagation through time of many losses at once: each is one more copy of the batch."""

import functools
from typing import Any, NamedTuple

import tensorflow as tf

from ..rnn.unroll import (
    Sequence,
    backward_scan,
    gen_xla_ops,
    identity,
    product,
    read_only,
    swap_batch_and_time,
    xla_fence,
)


@functools.cache
def reverse_scan(cell, losses, below):
    """The reverse scan of one recurrent call, compiled, for the errors of C = `losses` losses.

    Returns:
        scan(sequence, weights, mask, where, direct, injected, last) → (squares, back), with
        where: [C], the step at which each loss acts directly on h, or -1;
        direct: the errors dL_t/dh_t of all these losses [T, B, H], or None;
        injected: errors that came another way [C, B, T, H], or None;
        last: those of the last states, each [C, B, H] or None;
        squares: ‖δ^(k)‖² summed over the valid examples [C, T];
        back: if `below`, the errors of x [C, B, T, D] and of the initial states [C, B, H].
    """
    fence = xla_fence if gen_xla_ops else identity

    @functools.partial(tf.function, autograph=False, jit_compile=True)
    def scan(sequence, weights, mask, where, direct, injected, last):
        start = _start(sequence, where, direct, injected, last)
        state = tf.zeros_like(tf.tile(sequence.states[0][0], [losses, 1]))
        last = tuple(state if e is None else _fold(e) for e in last)
        tiled = functools.partial(_tiled, losses)
        arriving = _Arriving(
            where,
            () if direct is None else tiled([direct]),
            () if injected is None else (read_only(_fold(injected)),),
        )
        local, initial, (squares, *_) = backward_scan(
            cell,
            Sequence(sequence.x, tiled(sequence.states), tiled(sequence.saved)),
            arriving if arriving.direct or arriving.injected else None,
            last,
            weights,
            None if mask is None else tiled([mask])[0],
            identity,
            fence,
            start,
        )
        squares = tf.reshape(tf.transpose(squares), [losses, -1, tf.shape(squares)[0]])  # [C, B, T]
        if mask is not None:
            valid = tf.transpose(mask[:, :, 0])
            squares = tf.where(valid, squares, tf.zeros_like(squares))
        back = None
        if below:
            dx = product(cell.input_errors(local), tf.transpose(weights[0]))
            back = tuple(_unfold(e, losses) for e in (dx, *initial))
        return tf.reduce_sum(squares, axis=1), back

    return scan


def _start(sequence, where, direct, injected, last):
    """The last step that any error enters; -1 where none does."""
    end = sequence.x.shape[0] - 1
    if any(e is not None for e in last):
        return tf.constant(end)
    steps = [tf.constant(-1)]
    if direct is not None:
        steps.append(tf.reduce_max(where))
    if injected is not None:
        reached = tf.reduce_any(injected != 0, axis=[0, 1, 3])  # [T]
        steps.append(tf.reduce_max(tf.where(reached, tf.range(end + 1), -1)))
    return tf.reduce_max(tf.stack(steps))


def _fold(errors):
    """[C, B, H] → [C·B, H]; [C, B, T, H] → [T, C·B, H]"""
    flat = tf.reshape(errors, [-1, *errors.shape[2:]])
    return flat if len(flat.shape) == 2 else swap_batch_and_time(flat)


def _unfold(errors, losses):
    """[C·B, H] → [C, B, H]; [T, C·B, H] → [C, B, T, H]"""
    flat = errors if len(errors.shape) == 2 else swap_batch_and_time(errors)
    return tf.reshape(flat, tf.concat([[losses, -1], tf.shape(flat)[1:]], axis=0))


class _Tiled(NamedTuple):
    """An array over time whose batch stands there once for each loss, [C·B, ·]."""

    array: Any
    times: int

    def read(self, t):
        return tf.tile(self.array.read(t), [self.times, 1])


def _tiled(times, arrays):
    return tuple(_Tiled(read_only(array), times) for array in arrays)


class _Arriving(NamedTuple):
    """The errors injected at each step, [C·B, H]."""

    where: Any  # [C], the step at which each loss acts directly
    direct: tuple  # the errors of all losses, or nothing
    injected: tuple  # those that came another way, or nothing

    def read(self, t):
        found = [array.read(t) for array in self.injected]
        for array in self.direct:
            errors = array.read(t)
            now = tf.repeat(self.where == t, tf.shape(errors)[0] // tf.shape(self.where)[0])[
                :, None
            ]
            found.append(tf.where(now, errors, tf.zeros_like(errors)))
        return tf.add_n(found)
