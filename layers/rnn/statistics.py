"""The statistics of the error that a recurrent layer records at every time step.

With E the mean loss over the batch of B examples, δ_t(b) = d(B·E)/dh_t(b) is the error that arrives
at time step t of example b.
"""

import math
from typing import Any, Literal, NamedTuple

import tensorflow as tf

from .sums_of_squares import sum_of_squares


class Statistic(NamedTuple):
    """One number per time step.

    Attributes:
        name: its name in `ErrorRecord.latest`, `ErrorFlow.history`, event files, the
            TensorBoard tab and the report.
        merge: how it is recorded and how the values of several parts of a batch, or of several
            replicas, become one. "sum": squared norms, which are added; "max": squared norms, of
            which the largest is kept; "count": numbers of examples, which are added.
        unit: the unit of the reported value.
        description: its definition, for readers.
        needs_cell_state: only layers with a cell state (LSTM) have it.
    """

    name: str
    merge: Literal["sum", "max", "count"]
    unit: str
    description: str
    needs_cell_state: bool = False


# Event files store one table per statistic, in this order. A run that is resumed appends to event
# files that an older version began, and TensorBoard reads the names from the oldest of them. So new
# statistics go to the end, the order never changes, and a change raises the version.
VERSION = 3
STATISTICS = (
    Statistic(
        "hidden", "sum", "loss per unit of h_t", "root mean square over the examples of ‖δ_t(b)‖"
    ),
    Statistic("hidden_max", "max", "loss per unit of h_t", "largest ‖δ_t(b)‖ of any example"),
    Statistic(
        "carried",
        "sum",
        "loss per unit of h_t",
        "root mean square of δ_t(b) before the error injected at step t is added",
    ),
    Statistic("valid", "count", "examples", "number of examples whose step t is not masked"),
    Statistic(
        "cell",
        "sum",
        "loss per unit of c_t",
        "root mean square over the examples of ‖d(B·E)/dc_t(b)‖",
        needs_cell_state=True,
    ),
    Statistic(
        "cell_max",
        "max",
        "loss per unit of c_t",
        "largest ‖d(B·E)/dc_t(b)‖ of any example",
        needs_cell_state=True,
    ),
    Statistic(
        "injected",
        "sum",
        "loss per unit of h_t",
        "root mean square of the error injected at step t, by the layers above or the loss",
    ),
    Statistic(
        "hidden_next",
        "sum",
        "loss per unit of h_t",
        "root mean square, over the examples valid at t, of ‖δ(b)‖ at the next valid step",
    ),
    Statistic(
        "cell_next",
        "sum",
        "loss per unit of c_t",
        "root mean square, over the examples valid at t, of ‖d(B·E)/dc(b)‖ at the next valid step",
        needs_cell_state=True,
    ),
)


def statistics_of(has_cell: bool) -> tuple[Statistic, ...]:
    """Return the statistics of a layer with or without a cell state."""
    return tuple(s for s in STATISTICS if has_cell or not s.needs_cell_state)


def lanes(width: int) -> int:
    """Return the number of partial sums that `squares` returns for vectors of this width."""
    return math.gcd(width, 8)


def squares(error: Any) -> Any:
    """Return ‖error(b)‖² as partial sums in float64: [B, H] → [B, lanes].

    In float64, because the square of a vanishing error such as 1e-25 is too small for float32.
    As partial sums, because XLA compiles a sum along rows to a scalar loop, and a sum along columns
    to vector instructions.
    """
    batch, width = tf.shape(error)[0], error.shape[-1]
    return sum_of_squares(tf.reshape(error, [batch, -1, lanes(width)]), axis=1)


class SquaredNorms(NamedTuple):
    """The squared norms of the errors of each step and example, each [T, B] float64."""

    hidden: Any  # of δ_t
    carried: Any  # of δ_t before the error injected at t is added
    injected: Any  # of the error injected at t
    hidden_next: Any  # of δ at the next valid step; 0 at the last one
    cell: Any = None  # of dE/dc_t; None for a layer without a cell state
    cell_next: Any = None  # of dE/dc at the next valid step


def without_mask(hidden: Any, carried: Any, injected: Any = None, cell: Any = None) -> SquaredNorms:
    """Complete the norms [T, B] of a loop without a mask, where the step after t is t + 1.

    dE/d(last state) is injected at the last step, not carried to it.

    Args:
        injected: those of the errors from above; None if there are none.
    """
    zero = tf.zeros_like(hidden[-1:])
    injected = tf.zeros_like(hidden) if injected is None else injected

    def following(norm):
        return tf.concat([norm[1:], zero], axis=0)

    return SquaredNorms(
        hidden,
        tf.concat([carried[:-1], zero], axis=0),
        tf.concat([injected[:-1], hidden[-1:]], axis=0),
        following(hidden),
        cell,
        None if cell is None else following(cell),
    )


def summarise(norms: SquaredNorms, mask: Any) -> Any:
    """Reduce the squared norms of a batch to one row of the error record, [A, S, T].

    A = 1 alignment if no step is masked: step t of every example is in column t. With a mask A = 2:
    the other alignment has the last valid step of every example in column T-1. The S statistics are
    those of `statistics_of` the layer.

    Args:
        norms: arrays [T, B].
        mask: [T, B, 1] bool, or None; masked steps are left out.
    """
    arrays = {name: norm for name, norm in norms._asdict().items() if norm is not None}
    arrays["valid"] = tf.ones_like(norms.hidden)
    values = tf.stack([*arrays.values()])  # [N, T, B]
    if mask is None:
        return _reduce_examples(values, [*arrays])[None]
    valid = mask[:, :, 0]
    from_start = tf.where(valid, values, tf.zeros_like(values))
    both = from_start, _align_ends(from_start, valid)
    return tf.stack([_reduce_examples(aligned, [*arrays]) for aligned in both])


def _align_ends(values, valid):
    """Shift each example along time, [N, T, B], until its last valid step is step T-1."""
    steps = tf.shape(valid)[0]
    time = tf.range(steps)[:, None]  # [T, 1]
    last = tf.reduce_max(tf.where(valid, time, -1), axis=0)  # [B]
    source = time - (steps - 1 - last)  # [T, B]
    shifted = tf.gather(
        tf.transpose(values, [2, 1, 0]), tf.transpose(tf.maximum(source, 0)), batch_dims=1
    )
    return tf.where(source >= 0, tf.transpose(shifted, [2, 1, 0]), tf.zeros_like(values))


def _reduce_examples(values, names):
    """[N, T, B] → [S, T]"""
    totals = dict(zip(names, tf.unstack(tf.reduce_sum(values, axis=2), len(names)), strict=True))
    largest = tf.unstack(tf.reduce_max(values, axis=2), len(names))
    totals |= {f"{name}_max": norm for name, norm in zip(names, largest, strict=True)}
    statistics = statistics_of(has_cell="cell" in names)
    return tf.stack([totals[statistic.name] for statistic in statistics])
