"""The record of the error that a recurrent layer's backward pass meets at every time step."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from . import training_step
from .replicas import copies, per_replica_variable, strategy_of
from .row_merging import Shares, merge_shares
from .row_ring import Row, RowRing
from .statistics import statistics_of
from .training_step import TrainingStep

# ALIGNMENTS of a row. "": step t of every example is in column t. "_from_end": each example is
# shifted until its last valid step is in column T-1; the same if no step is masked.
ALIGNMENTS = ("", "_from_end")
_LABELS = ("order", "step", "call", "examples", "is_sum")


class Call(NamedTuple):
    """A call of the layer whose backward pass is still to come."""

    step: TrainingStep | None
    number: Any  # of the call in the training step, from 0
    examples: Any  # B


class ErrorRecord(tf.Module):  # a module, so that a SavedModel tracks its variables
    """The errors of the latest backward passes through one recurrent layer.

    With E the mean loss over the batch of B examples, δ_t(b) = d(B·E)/dh_t(b) is the total error
    that arrives at step t of example b: injected from above plus carried back by the recurrence.

        hidden[t] = sqrt(mean over the examples valid at t of ‖δ_t(b)‖²)

    and hidden_max[t] is the largest ‖δ_t(b)‖. `carried` is the root mean square of δ_t(b) before
    the error injected at t is added; `cell` and `cell_max` are the same figures of dE/dc_t (LSTM
    only). Each is a float32 array [T], of the unscaled loss, before any clipping. Step t is the
    step that read x[:, t], also if the layer runs backwards. If the layer is called more than once
    in a training step, the attributes show its first call; `latest(n)` returns all calls. While
    `ErrorFlow` records, they show the newest training step that it records.

    Where a callback records the training step of `fit`, B is the batch of the loss, also if the
    model folds time steps into the batch, and the sum of a loss with the reduction "sum" or "none"
    is divided by B. In a training step or a loop of your own, B is the batch of the layer's call,
    and E must be a mean: the figures of a summed loss are B times too large. With
    several replicas, E is the loss of Keras: the mean over the replicas of the mean of each, in
    which an example of a replica with fewer examples counts for more; B is that of all replicas.
    Each of several workers holds the errors of its own examples, and reading the figures puts them
    together: all workers must read them, and in the same order.

    Attributes:
        loss_scale: the factor by which a training loop of your own multiplies the loss before the
            backward pass: a number, a tensor, a variable, or a function that returns one of these.
            The figures are divided by it. Where a callback records, the loss scale of the training
            step itself is used.
    """

    ROWS = 16  # backward passes that are kept, if they fit
    LIMIT = 2**20  # bytes that they take

    def __init__(self, has_cell: bool):
        super().__init__()
        self.loss_scale: Any = 1.0
        self.statistics = [statistic.name for statistic in statistics_of(has_cell)]
        self._merges = np.array([s.merge for s in statistics_of(has_cell)])[:, None]  # [S, 1]
        width = len(self.statistics)
        self._latest = RowRing(width, _LABELS)
        self.training = RowRing(width, _LABELS)  # rows of recorded training steps
        with tf.init_scope():
            self._count = per_replica_variable(np.int64(0))
            self._last_call = per_replica_variable(np.array([-1, 0]))  # step, call

    def begin_call(self, examples: Any, steps: int | None, alignments: int) -> Call:
        """Prepare for the backward pass of a call, in its forward pass.

        Args:
            examples: the batch size of the call.
            steps: T if it is known.
            alignments: 2 if the layer runs backwards or steps are masked, otherwise 1.
        """
        self._make_room(steps, alignments)
        step = training_step.current()
        if step is None:
            return Call(None, 0, examples)
        step.make_room(self, steps, alignments)
        last_step, last_number = tf.unstack(self._last_call.read_value())
        number = tf.where(last_step == step.number, last_number + 1, tf.zeros_like(last_number))
        self._last_call.assign(tf.stack([step.number, number]))
        return Call(step, number, examples if step.examples is None else step.examples)

    def forget_calls(self) -> None:
        """Number calls from 0 even if the next training step repeats the number of the latest."""
        for copy in copies(self._last_call):
            copy.assign([-1, 0])

    def _make_room(self, steps, alignments):
        if not tf.executing_eagerly():
            for variable in self.variables:
                _ = variable.read_value()  # so that an export tracks them
        limit = self.LIMIT // (8 * len(self.statistics))
        row = alignments * steps if steps else limit
        needed = max(min(self.ROWS * row, limit), row)
        if needed > self._latest.size[1]:
            self._latest.resize(self.ROWS, needed)

    def write(self, parts: Sequence[Any], call: Call, backwards: bool) -> None:
        """Append one row, in the graph.

        Args:
            parts: what `summarise` returned for each part of the batch.
            call: the call whose backward pass it is.
            backwards: the layer reads its input from the last time step to the first.
        """
        stack = tf.stack(parts)  # [parts, A, S, T]
        largest, total = tf.reduce_max(stack, axis=0), tf.reduce_sum(stack, axis=0)
        row = tf.where(self._merges == "max", largest, total)
        row *= tf.where(self._merges == "count", tf.ones([], tf.float64), self._unscale(call.step))
        if backwards:  # the step of the input, not the order in which the layer read it
            row = tf.stack([tf.reverse(row[0], [1]), row[-1]])
        order = self._count.read_value()
        is_sum = call.step is not None and call.step.is_sum
        number = 0 if call.step is None else call.step.number
        labels = [order, number, call.number, call.examples, int(is_sum)]
        if call.step is None:
            self._latest.append(row, labels)
        else:
            self.training.append(row, labels, call.step.is_recorded)
        # A step that fails, as the one after a dataset's last batch does, must not be counted.
        with tf.control_dependencies([row]):
            self._count.assign_add(1)

    def _unscale(self, step):
        scale: Any = None if step is None else step.loss_scale()
        if scale is None:
            scale = self.loss_scale() if callable(self.loss_scale) else self.loss_scale
        return tf.cast(tf.convert_to_tensor(scale), tf.float64) ** -2

    @property
    def count(self) -> int:
        """Number of backward passes through the layer since it was built."""
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
        rings = [self._shares(self._latest), self.training_shares()]
        merged = merge_shares(strategy_of(self._count), rings)
        rows = itertools.chain(*(of_ring.rows for of_ring in merged))
        rows = sorted(rows, key=lambda row: row.labels["order"])[-calls:]
        return [self._named(self.tables([row])) for row in rows if not row.is_left_out]

    def _named(self, tables):
        """[A, S, 1, T] → {name: [T]}"""
        suffixed = zip(ALIGNMENTS, (tables[0], tables[-1]), strict=True)
        return {
            name + suffix: table[0]
            for suffix, alignment in suffixed
            for name, table in zip(self.statistics, alignment, strict=True)
        }

    def training_shares(self, since: int = 0) -> Shares:
        """Return what this worker holds of recorded training steps, from the `since`-th row on.

        A row's labels hold its training "step" and the number of its "call" in that step.
        """
        return self._shares(self.training, since)

    def _shares(self, ring, since=0):
        return Shares(ring.rows(since), ring.size, _LABELS, self._merges)

    def tables(self, rows: Sequence[Row]) -> np.ndarray:
        """Return the figures of rows as tables [A, S, N, T] float32; see `ALIGNMENTS` for A.

        NaN where no example is valid, and beyond the length of shorter rows.
        """
        alignments = max((len(row.values) for row in rows), default=1)
        width = max((row.steps for row in rows), default=0)
        tables = np.full([alignments, len(self.statistics), len(rows), width], np.nan, np.float32)
        valid = self.statistics.index("valid")
        for n, row in enumerate(rows):
            batch = 1 if row.labels["is_sum"] else row.labels["examples"]
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = row.values / np.where(self._merges == "sum", row.values[:, [valid]], 1.0)
                norms = np.where(row.values[:, [valid]] > 0, batch * np.sqrt(mean), np.nan)
            figures = np.where(self._merges == "count", row.values, norms)
            tables[:, :, n, : row.steps] = figures  # broadcasts one alignment to both
        return tables

    def _newest(self, name) -> np.ndarray:
        rows = self.latest()
        if not rows:
            raise ValueError(
                f"error.{name}: no backward pass has run through this layer yet"
                if not self.count
                else f"error.{name}: the last backward pass had more time steps than there is room "
                "for; give the model a fixed number of time steps"
            )
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
