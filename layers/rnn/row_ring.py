"""A ring of rows of any length, in variables that a compiled graph can write."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from .replicas import copies, per_replica_variable

_PLACE = ("alignments", "steps", "start")  # in the index, after the labels


class Row(NamedTuple):
    """One row of a ring."""

    labels: Mapping[str, int]
    values: np.ndarray  # [A, S, T] float64; [A, S, 0] if it did not fit
    steps: int  # T

    @property
    def is_left_out(self) -> bool:
        """Whether the row was longer than the ring, so that its values are missing."""
        return self.values.shape[2] < self.steps


class RowRing(tf.Module):  # a module, so that a SavedModel tracks its variables
    """The newest rows, each [A, S, T] for A alignments, S statistics and T time steps.

    All sizes are fixed when the graph is compiled, except T: XLA cannot change the shape of a
    variable while it runs. So rows lie one behind the other along one long time axis, and wrap
    around at its end. A row that is longer than the whole axis leaves its labels only.

    Args:
        width: S.
        labels: the names of the integers that identify a row.

    Attributes:
        size: the number of rows, and of time steps, that fit.
    """

    def __init__(self, width: int, labels: Sequence[str]):
        super().__init__()
        self._labels = (*labels, *_PLACE)
        self._width = width
        self.size = 1, 1  # rows and time steps that fit
        with tf.init_scope():
            self._axis = per_replica_variable(np.zeros([1, width]), shape=[None, width])
            self._index = per_replica_variable(
                np.zeros([1, len(self._labels)], np.int64), shape=[None, len(self._labels)]
            )
            # The rows and time steps so far; then the same with the row behind them, which is not
            # kept, but has overwritten older ones.
            self._ends = per_replica_variable(np.zeros(4, np.int64))

    @property
    def count(self) -> int:
        """The number of rows that were written so far, kept or not."""
        return int(copies(self._ends)[0].numpy()[0])

    def resize(self, rows: int, steps: int) -> None:
        """Change the number of rows, and of time steps, that fit; the newest rows remain."""
        with tf.init_scope():
            for variables in self._copies():
                self._resize(rows, steps, *variables)
        self.size = rows, steps

    def _resize(self, rows, steps, index, axis, ends):
        kept = [r for r in _rows(index, axis, ends, self._labels) if not r.is_left_out]
        entries = np.zeros([rows, len(self._labels)], np.int64)
        along = np.zeros([steps, self._width])
        count, start = int(ends.numpy()[0]), 0
        for number, row in enumerate(kept, start=count - len(kept)):
            flat = row.values.swapaxes(1, 2).reshape(-1, self._width)
            place = len(row.values), row.steps, start
            entries[number % rows] = [*row.labels.values(), *place]
            along[np.arange(start, start + len(flat)) % steps] = flat
            start += len(flat)
        index.assign(entries)
        axis.assign(along)
        ends.assign([count, start, count, start])

    def _copies(self):
        """Return (index, axis, ends) of each replica."""
        return [*zip(*map(copies, (self._index, self._axis, self._ends)), strict=True)]

    def append(self, values: Any, labels: Sequence[Any], keep: Any = True) -> Any:
        """Write a row in the graph; the next row overwrites it unless `keep`.

        Args:
            values: [A, S, T] float64.
            labels: integers.
            keep: bool.

        Returns:
            An operation that is done when the row is written.
        """
        alignments, _, steps = tf.unstack(tf.shape(values))
        room = tf.raw_ops.VariableShape(input=self._axis.handle)[0]
        slots = tf.raw_ops.VariableShape(input=self._index.handle)[0]
        # The size is a constant to XLA, which knows all shapes when it compiles.
        size = tf.where(alignments * steps <= room, alignments * steps, 0)
        rows, start, *_ = tf.unstack(self._ends.read_value())
        places = (start + tf.range(tf.cast(size, tf.int64))) % tf.cast(
            tf.maximum(room, 1), tf.int64
        )
        flat = tf.reshape(tf.transpose(values, [0, 2, 1]), [-1, self._width])[:size]
        entry = [*labels, alignments, steps, start]
        put = [
            tf.raw_ops.ResourceScatterNdUpdate(
                ref=self._axis.handle, indices=places[:, None], updates=flat
            ),
            tf.raw_ops.ResourceScatterNdUpdate(
                ref=self._index.handle,
                indices=[[rows % tf.cast(slots, tf.int64)]],
                updates=[tf.stack([tf.cast(number, tf.int64) for number in entry])],
            ),
        ]
        # A step that fails, as the one after a dataset's last batch does, must not be counted.
        with tf.control_dependencies(put):
            before = tf.stack([rows, start])
            reached = before + tf.stack([tf.ones([], tf.int64), tf.cast(size, tf.int64)])
            kept = tf.where(keep, reached, before)
            return self._ends.assign(tf.concat([kept, reached], axis=0))

    def rows(self, since: int = 0) -> list[list[Row]]:
        """Return the rows from the `since`-th on that are still there, one list per replica."""
        return [
            [*_rows(index, axis, ends, self._labels, since)] for index, axis, ends in self._copies()
        ]


def _rows(index, axis, ends, names, since=0) -> Iterator[Row]:
    entries, axis, (count, _, reached, end) = index.numpy(), axis.numpy(), ends.numpy()
    for number in range(max(since, reached - len(entries)), count):
        *labels, alignments, steps, start = entries[number % len(entries)].tolist()
        fits = alignments * steps <= len(axis)
        if fits and end - start > len(axis):
            continue  # overwritten
        kept = steps if fits else 0
        flat = axis[np.arange(start, start + alignments * kept) % max(len(axis), 1)]
        values = flat.reshape(alignments, kept, axis.shape[1]).swapaxes(1, 2)
        yield Row(dict(zip(names, labels, strict=False)), values, steps)
