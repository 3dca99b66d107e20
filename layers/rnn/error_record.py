"""The record of the error that a recurrent layer's backward pass meets at every time step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from .replicas import copies, per_replica_variable
from .statistics import STATISTICS

# A record of one backward pass is [ALIGNMENTS, S + 1, T] float64: the S statistics, then the number
# of examples. "": step t of every example is in column t. "_from_end": each example is shifted
# until its last valid step is in column T-1.
ALIGNMENTS = ("", "_from_end")
_BATCH = len(STATISTICS)
_VALID = next(i for i, statistic in enumerate(STATISTICS) if statistic.name == "valid")
_MERGES = np.array([*(statistic.merge for statistic in STATISTICS), "count"])[:, None]  # [S + 1, 1]
_IS_MAXIMUM, _IS_SQUARE = _MERGES == "max", _MERGES != "count"


class ErrorRecord(tf.Module):  # a module, so that a SavedModel tracks its variables
    """The errors of the latest backward passes through one recurrent layer.

    With E the mean loss over the batch of B examples, δ_t(b) = d(B·E)/dh_t(b) is the total error
    that arrives at step t of example b: injected from above plus carried back by the recurrence.

        hidden[t] = sqrt(mean over the examples valid at t of ‖δ_t(b)‖²)

    and hidden_max[t] is the largest ‖δ_t(b)‖. `carried` is the root mean square of δ_t(b) before
    the error injected at t is added; `cell` and `cell_max` are the same figures of dE/dc_t (LSTM
    only). Each is a float32 array [T], of the unscaled loss, before any clipping. Step t is the
    step that read x[:, t], also if the layer runs backwards. If the layer is called more than once
    in a training step, the attributes show its first call; `latest(n)` returns all calls. E must be
    a mean: for a summed loss the figures are B times too large.

    Attributes:
        loss_scale: the factor by which the loss is multiplied before the backward pass: a number, a
            tensor, a variable, or a function that returns one of these. It is read when the
            training step is traced, and the figures are divided by it.
    """

    ROWS = 16  # backward passes that are kept unless `reserve` is called
    UNKNOWN_STEPS = 256  # capacity if the sequence length is unknown when the step is traced

    def __init__(self, has_cell: bool):
        super().__init__()
        self.loss_scale: Any = 1.0
        self._has_cell = has_cell
        self._steps = 0
        with tf.init_scope():
            self._rows = per_replica_variable(_no_rows(self.ROWS, 0), shape=[None] * 4)
            self._count = per_replica_variable(np.int64(0))

    def make_room(self, steps: int | None) -> None:
        """Make room for sequences of `steps` time steps, while the forward pass is traced.

        XLA cannot change a variable's shape while it runs. Outside XLA, longer sequences fit too.
        """
        _ = self._rows.read_value(), self._count.read_value()  # so that an export tracks them
        steps = steps or self.UNKNOWN_STEPS
        if steps <= self._steps:
            return
        with tf.init_scope():
            for copy in copies(self._rows):
                copy.assign(_widen(copy.read_value(), steps))
        self._steps = steps

    def write(self, parts: Sequence[Any], backwards: bool) -> None:
        """Append one row, in the graph.

        Args:
            parts: what `summarise` returned for each part of the batch.
            backwards: the layer reads its input from the last time step to the first.
        """
        stack = tf.stack(parts)  # [parts, ALIGNMENTS, S + 1, T]
        row = tf.where(_IS_MAXIMUM, tf.reduce_max(stack, axis=0), tf.reduce_sum(stack, axis=0))
        scale: Any = self.loss_scale() if callable(self.loss_scale) else self.loss_scale
        unscale = tf.cast(tf.convert_to_tensor(scale), tf.float64) ** -2
        row *= tf.where(_IS_SQUARE, unscale, tf.ones([], tf.float64))
        if backwards:  # the step of the input, not the order in which the layer read it
            row = tf.stack([tf.reverse(row[0], [1]), row[1]])
        # A step that fails, as the one after a dataset's last batch does, must not be counted.
        with tf.control_dependencies([self._put(row)]):
            self._count.assign_add(1)

    def _put(self, row):
        """Write a row in place, so that the cost does not grow with the number of rows."""
        ring, width = self._rows.handle, tf.shape(row)[-1]
        if row.shape[-1] is None or row.shape[-1] > self._steps:
            room = tf.raw_ops.VariableShape(input=ring)[-1]
            tf.cond(width > room, lambda: self._widen_to(tf.maximum(width, room)), lambda: None)
        rows, *_, room = tf.unstack(tf.raw_ops.VariableShape(input=ring), num=4)
        slot = tf.cast(self._count.read_value(), tf.int32) % rows
        row = _widen(row, room)[None]
        return tf.raw_ops.ResourceScatterNdUpdate(ref=ring, indices=[[slot]], updates=row)

    def _widen_to(self, steps):
        self._rows.assign(_widen(self._rows.read_value(), steps))

    def reserve(self, rows: int) -> None:
        """Discard what was recorded, and keep the `rows` newest rows from now on."""
        for copy in copies(self._rows):
            copy.assign(_no_rows(rows, self._steps))
        for copy in copies(self._count):
            copy.assign(0)

    @property
    def count(self) -> int:
        """Number of backward passes through the layer since it was built, or since `reserve`."""
        return int(copies(self._count)[0].numpy())

    def latest(self, calls: int = 1) -> list[dict[str, np.ndarray]]:
        """Return the figures of the latest backward passes, oldest first.

        Args:
            calls: the number of backward passes; fewer are returned if fewer are kept. A layer that
                is called n times in a training step adds n of them, the last call first.

        Returns:
            A list of dicts of arrays [T], by the names in `statistics.STATISTICS`; and each of them
            once more with the suffix "_from_end", where the last valid step of every example is
            step T-1. For a layer that runs backwards, "_from_end" counts from the last step read.
        """
        rows = self.rows(calls)
        lengths = rows.pop("length")
        return [{name: v[i, :n] for name, v in rows.items()} for i, n in enumerate(lengths)]

    def rows(self, calls: int) -> dict[str, np.ndarray]:
        """Return the figures of `latest` as arrays [calls, T], and "length" [calls], the T of each.

        Rows of shorter sequences are padded with NaN at the right.
        """
        rings = [copy.numpy() for copy in copies(self._rows)]  # each [rows, 2, S + 1, W]
        width = max(ring.shape[-1] for ring in rings)
        rings = [np.pad(ring, [(0, 0)] * 3 + [(0, width - ring.shape[-1])]) for ring in rings]
        capacity, count = len(rings[0]), self.count
        newest = np.arange(max(count - min(calls, capacity), 0), count) % capacity
        stack = np.stack([ring[newest] for ring in rings])  # [replicas, calls, 2, S + 1, W]
        merged = np.where(_IS_MAXIMUM, stack.max(axis=0), stack.sum(axis=0))
        return _figures(merged, self._has_cell)

    def _newest(self, name) -> np.ndarray:
        rows = self.latest()
        if not rows:
            raise ValueError(f"error.{name}: no backward pass has run through this layer yet")
        if name not in rows[0]:
            raise ValueError(f"error.{name}: this layer has no cell state; only an LSTM has one")
        return rows[0][name]

    @property
    def hidden(self) -> np.ndarray:
        """Root mean square of ‖δ_t(b)‖ over the examples, [T]."""
        return self._newest("hidden")

    @property
    def hidden_max(self) -> np.ndarray:
        """Largest ‖δ_t(b)‖ of any example, [T]."""
        return self._newest("hidden_max")

    @property
    def carried(self) -> np.ndarray:
        """Root mean square of the error that the recurrence carried back to step t, [T]."""
        return self._newest("carried")

    @property
    def cell(self) -> np.ndarray:
        """Root mean square of the cell error dE/dc_t over the examples, [T] (LSTM only)."""
        return self._newest("cell")

    @property
    def cell_max(self) -> np.ndarray:
        """Largest cell error ‖dE/dc_t(b)‖ of any example, [T] (LSTM only)."""
        return self._newest("cell_max")


def _figures(rows: np.ndarray, has_cell: bool) -> dict[str, np.ndarray]:
    """Rows [N, ALIGNMENTS, S + 1, W] → arrays [N, T]; NaN where no example is valid."""
    length = np.sum(rows[:, 0, _BATCH] > 0, axis=-1)
    rows = rows[..., : length.max(initial=0)]
    figures = {}
    for alignment, suffix in enumerate(ALIGNMENTS):
        values = rows[:, alignment]
        valid, batch = values[:, _VALID], values[:, _BATCH]
        for column, statistic in enumerate(STATISTICS):
            if has_cell or not statistic.needs_cell_state:
                figure = _figure(statistic.merge, values[:, column], valid, batch)
                figures[statistic.name + suffix] = figure.astype(np.float32)
    return figures | {"length": length}


def _figure(merge, values, valid, batch):
    """Turn recorded squares of dE/dh_t(b) into norms of d(B·E)/dh_t(b), [N, T]."""
    if merge == "count":
        return values
    with np.errstate(invalid="ignore", divide="ignore"):
        if merge == "max":
            return np.where(valid > 0, batch * np.sqrt(values), np.nan)
        return batch * np.sqrt(values / valid)


def _widen(rows, width):
    """Pad the time axis, the last one, with zeros."""
    paddings = [[0, 0]] * (len(rows.shape) - 1) + [[0, width - tf.shape(rows)[-1]]]
    return tf.pad(rows, paddings)


def _no_rows(rows, steps):
    return np.zeros([rows, len(ALIGNMENTS), _BATCH + 1, steps])
