"""Back-propagation through time of many losses at once: each is one more copy of the batch."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from ..rnn.barrier import barrier
from ..rnn.equations import Equations, Sequence, StepOps, Weights, map_fields
from ..rnn.matrix_products import swap_batch_and_time
from ..rnn.over_time import Readable, over_map, readable
from ..rnn.scan import backward_scan


class Injected(NamedTuple):
    """The errors of C losses that enter a recurrent call."""

    where: Any  # [C], the step at which each loss acts directly on h, or -1
    direct: Any  # the errors dL_t/dh_t of all these losses [T, B, H], or None
    indirect: Any  # errors that arrive by other paths, [C, B, T, H], or None
    last: Any  # those of the last state, fields [C, B, H] or None


class ReverseScan(Protocol):
    """A reverse scan of one recurrent call for the errors of C losses."""

    def __call__(
        self, sequence: Sequence, weights: Weights, mask: Any, injected: Injected, factors: Any
    ) -> tuple[Any, Any]:
        """Return ‖δ^(k)‖² summed over the valid examples [C, T], and the errors passed on.

        The latter are those of x [C, B, T, D] and of the initial states [C, B, H], or None.
        """
        ...


@functools.cache
def reverse_scan(equations: Equations, losses: int, below: bool) -> ReverseScan:
    """Return the reverse scan, compiled by XLA, for C = `losses` losses.

    Args:
        below: whether the errors of x and of the initial states are returned.
    """
    ops = StepOps(barrier=barrier(compiled=True), linear=equations.linear)

    @functools.partial(tf.function, autograph=False, jit_compile=True)
    def scan(sequence, weights, mask, injected, factors):
        tiled = functools.partial(_tiled, losses)
        zeros = tf.zeros_like(_copies(sequence.states.hidden[0], losses))
        arriving = _Arriving.of(injected, tiled)
        errors, initial, norms = backward_scan(
            equations,
            Sequence(
                sequence.x,
                map_fields(tiled, sequence.states),
                map_fields(tiled, sequence.residuals),
            ),
            arriving if arriving.direct or arriving.indirect else None,
            map_fields(lambda e: zeros if e is None else _fold(e), injected.last),
            weights,
            None if mask is None else tiled(mask),
            ops,
            _start(sequence.x.shape[0], injected),
            None if factors is None else tiled(factors),
        )
        squares = _sum_over_valid(norms.hidden, losses, mask)
        if not below:
            return squares, None
        dx = equations.linear.input_errors(equations.input_errors(errors), weights.kernel)
        dx = _unfold(swap_batch_and_time(dx), losses)
        return squares, (dx, *(_unfold(e, losses) for e in initial))

    return scan


def _sum_over_valid(squares, losses, mask):
    """Return the sums over the valid examples [C, T] of squares [T, C·B]."""
    squares = tf.reshape(tf.transpose(squares), [losses, -1, tf.shape(squares)[0]])  # [C, B, T]
    if mask is not None:
        valid = tf.transpose(mask[:, :, 0])
        squares = tf.where(valid, squares, tf.zeros_like(squares))
    return tf.reduce_sum(squares, axis=1)


def _start(steps, injected):
    """Return the last step that any error enters, or -1 if there is none."""
    if any(e is not None for e in injected.last):
        return tf.constant(steps - 1)
    entered = [tf.constant(-1)]
    if injected.direct is not None:
        entered.append(tf.reduce_max(injected.where))
    if injected.indirect is not None:
        others = [0, 1, *range(3, len(injected.indirect.shape))]
        nonzero = tf.reduce_any(injected.indirect != 0, axis=others)  # [T]
        entered.append(tf.reduce_max(tf.where(nonzero, tf.range(steps), -1)))
    return tf.reduce_max(tf.stack(entered))


def _fold(errors):
    """[C, B, ·] → [C·B, ·]"""
    return tf.reshape(errors, [-1, *errors.shape[2:]])


def _unfold(errors, losses):
    """[C·B, ·] → [C, B, ·]"""
    return tf.reshape(errors, tf.concat([[losses, -1], tf.shape(errors)[1:]], axis=0))


def _copies(entry, times):
    """Repeat the batch of an array [B, ·] as a whole: [times·B, ·]."""
    return tf.tile(entry, [times] + [1] * (len(entry.shape) - 1))


@dataclass(frozen=True)
class _Tiled:
    """An array over time whose batch is repeated for each loss: entries [C·B, ·]."""

    array: Readable
    times: int

    def read(self, index):
        return _copies(self.array.read(index), self.times)


def _tiled(times, array):
    return _Tiled(readable(array), times)


@dataclass(frozen=True)
class _Arriving:
    """The errors injected at each step, [C·B, H]; None where there are none."""

    where: Any
    direct: Readable | None
    indirect: Readable | None

    @classmethod
    def of(cls, injected, tiled):
        direct = None if injected.direct is None else tiled(injected.direct)
        indirect = injected.indirect
        if indirect is not None:
            indirect = readable(swap_batch_and_time(_fold(indirect)))
        return cls(injected.where, direct, indirect)

    def read(self, index):
        errors = [] if self.indirect is None else [self.indirect.read(index)]
        if self.direct is not None:
            direct = self.direct.read(index)
            copies = tf.shape(direct)[0] // tf.shape(self.where)[0]
            now = tf.repeat(self.where == index, copies)[:, None]
            errors.append(tf.where(over_map(now, direct), direct, tf.zeros_like(direct)))
        return tf.add_n(errors)
