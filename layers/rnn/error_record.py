"""Where a recurrent layer leaves the error that its backward pass met at every time step."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

# One row per backward pass through one call of a layer: [ALIGNMENTS, STATISTICS, T], float64.
# "start": step t of every example at t. "end": each example moved so that its last step is T-1.
ALIGNMENTS = ("start", "end")
STATISTICS = ("hidden", "carried", "cell", "hidden_max", "cell_max", "valid", "batch")
_SUMS, _MAXIMA = slice(0, 3), slice(3, 5)  # squares: summed over examples, largest among them
_SQUARES = slice(0, 5)


def lanes(width: int) -> int:
    """How many partial sums `squares` returns for rows of this width."""
    return math.gcd(width, 8)


def squares(error):
    """‖error(b)‖² as partial sums in float64: [B, H] → [B, lanes].

    float64, because a vanishing error is squared here: 1e-25 is a float32, its square is not.
    Partial sums, because XLA turns a sum along rows into a scalar loop, and one of columns not.
    """
    batch, width = tf.shape(error)[0], error.shape[-1]
    wide = tf.cast(tf.reshape(error, [batch, -1, lanes(width)]), tf.float64)
    return tf.reduce_sum(wide * wide, axis=1)


def summarise(hidden, carried, cell, mask):
    """‖δ_t(b)‖² of every example and step, each [T, B], to one row [ALIGNMENTS, STATISTICS, T].

    Args:
        cell: None for a layer without a cell state.
        mask: [T, B, 1] bool or None; masked steps count nowhere.
    """
    ones = tf.ones_like(hidden)
    cell = tf.zeros_like(hidden) if cell is None else cell
    figures = tf.stack([hidden, carried, cell, ones])  # [4, T, B]
    if mask is None:
        from_start = from_end = figures
    else:
        valid = mask[:, :, 0]
        from_start = tf.where(valid, figures, tf.zeros_like(figures))
        from_end = _align_ends(from_start, valid)
    return tf.stack([_over_examples(from_start), _over_examples(from_end)])


def _align_ends(figures, valid):
    """Move each example along time, [4, T, B], until its last valid step is step T-1."""
    steps = tf.shape(valid)[0]
    time = tf.range(steps)[:, None]  # [T, 1]
    last = tf.reduce_max(tf.where(valid, time, -1), axis=0)  # [B]
    source = time - (steps - 1 - last)  # [T, B]
    moved = tf.gather(
        tf.transpose(figures, [2, 1, 0]), tf.transpose(tf.maximum(source, 0)), batch_dims=1
    )
    return tf.where(source >= 0, tf.transpose(moved, [2, 1, 0]), tf.zeros_like(figures))


def _over_examples(figures):
    """[4, T, B] → [STATISTICS, T]"""
    sums, largest = tf.reduce_sum(figures, axis=2), tf.reduce_max(figures, axis=2)
    batch = tf.cast(tf.fill(tf.shape(sums)[1:], tf.shape(figures)[2]), figures.dtype)
    return tf.stack([*tf.unstack(sums[:3]), largest[0], largest[2], sums[3], batch])


class ErrorRecord(tf.Module):  # a module, so that a SavedModel finds its variables
    """The errors of the latest backward passes through one recurrent layer.

    With E the mean loss over the batch of B examples, δ_t(b) = d(B·E)/dh_t(b) is the whole error
    that arrives at step t of example b: injected from above plus carried back by the recurrence.

        hidden[t] = sqrt(mean over the examples valid at t of ‖δ_t(b)‖²)

    and hidden_max[t] is the largest ‖δ_t(b)‖. `carried` is the rms of δ_t(b) before the error
    injected at t is added; `cell` and `cell_max` are those of dE/dc_t (LSTM only). Each is a
    float32 array [T], of the unscaled loss, before any clipping; step t is the step that read
    x[:, t], whichever way the layer runs. If the layer is called more than once in a pass, these
    are of the first call; `latest(n)` has them all. E must be a mean: for a summed loss the figures
    are B times too large.

    Attributes:
        loss_scale: what the loss is multiplied with before the backward pass: a number, a tensor, a
            variable, or a function that returns one of these. Read when the step is traced.
    """

    ROWS = 16  # kept when nobody asks for more
    UNKNOWN_STEPS = 256  # room for sequences whose length is not known when the step is traced

    def __init__(self, has_cell: bool):
        super().__init__()
        self.loss_scale: Any = 1.0
        self._has_cell = has_cell
        self._steps = 0
        with tf.init_scope():
            self._rows = _per_replica_variable(_no_rows(self.ROWS, 0))
            self._count = _per_replica_variable(np.int64(0))

    def make_room(self, steps: int | None):
        """Rows for sequences of `steps`: XLA cannot change a variable's shape while it runs.

        Called while the forward pass is traced. Outside XLA, longer sequences than this still fit.
        """
        _ = self._rows.read_value(), self._count.read_value()  # so that an export finds them
        steps = steps or self.UNKNOWN_STEPS
        if steps <= self._steps:
            return
        with tf.init_scope():
            for variable in _replicas(self._rows):
                variable.assign(_widen(variable.read_value(), steps))
        self._steps = steps

    def write(self, parts, backwards):
        """Add a row, in the graph: the parts of a batch, each [ALIGNMENTS, STATISTICS, T]."""
        row = _merge(tf.stack(parts), tf.reduce_sum, tf.reduce_max)
        scale: Any = self.loss_scale() if callable(self.loss_scale) else self.loss_scale
        unscale = tf.cast(tf.convert_to_tensor(scale), tf.float64) ** -2
        row = tf.concat([row[:, _SQUARES] * unscale, row[:, _SQUARES.stop :]], axis=1)
        if backwards:  # from the start: by the position in the input that step t read
            row = tf.stack([tf.reverse(row[0], [1]), row[1]])
        # A step that fails, as the one after a dataset's last batch does, must not be counted.
        with tf.control_dependencies([self._put(row)]):
            self._count.assign_add(1)

    def _put(self, row):
        """Write a row in place: a ring of many rows then costs no more than one of a few."""
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

    def reserve(self, rows: int):
        """Forget what was recorded and keep the `rows` newest rows from now on."""
        for variable in _replicas(self._rows):
            variable.assign(_no_rows(rows, self._steps))
        for variable in _replicas(self._count):
            variable.assign(0)

    @property
    def count(self) -> int:
        """Backward passes through calls of the layer since it was built, or since `reserve`."""
        return int(_replicas(self._count)[0].numpy())

    def latest(self, calls: int = 1) -> list[dict[str, np.ndarray]]:
        """The figures of the latest backward passes, oldest first, at most as many as are kept.

        Each is a dict of [T] arrays: "hidden", "carried", "hidden_max", for an LSTM "cell" and
        "cell_max", and the same names with "_from_end": there every example's last valid step is
        T-1, however long it is. "valid" [T] counts the examples. A layer called n times in a pass
        adds n rows, the last call first. For a layer that runs backwards, "_from_end" counts from
        the last step it read.
        """
        rows = self.rows(calls)
        lengths = rows.pop("length")
        return [{name: v[i, :n] for name, v in rows.items()} for i, n in enumerate(lengths)]

    def rows(self, calls: int) -> dict[str, np.ndarray]:
        """`latest` in one piece: [calls, T] arrays and "length" [calls], the T of each row.

        Rows of shorter sequences are filled up with NaN at the right.
        """
        stacks = [v.numpy() for v in _replicas(self._rows)]  # each [rows, 2, S, W]
        width = max(s.shape[-1] for s in stacks)
        stacks = [np.pad(s, [(0, 0)] * 3 + [(0, width - s.shape[-1])]) for s in stacks]
        kept, count = len(stacks[0]), self.count
        newest = np.arange(max(count - min(calls, kept), 0), count) % kept
        merged: Any = _merge(np.stack([s[newest] for s in stacks], axis=1), np.sum, np.max)
        return _figures(merged, self._has_cell)

    def _newest(self, name):
        rows = self.latest()
        if not rows:
            raise ValueError(f"error.{name}: no backward pass has run through this layer yet")
        if name not in rows[0]:
            raise ValueError(f"error.{name}: this layer has no cell state; only an LSTM has one")
        return rows[0][name]

    hidden = property(lambda self: self._newest("hidden"), doc="rms of δ_t, [T]")
    hidden_max = property(lambda self: self._newest("hidden_max"), doc="largest ‖δ_t(b)‖, [T]")
    carried = property(
        lambda self: self._newest("carried"), doc="rms of what came through time, [T]"
    )
    cell = property(lambda self: self._newest("cell"), doc="rms of dE/dc_t, [T] (LSTM)")
    cell_max = property(lambda self: self._newest("cell_max"), doc="largest ‖dE/dc_t(b)‖, [T]")


def _figures(rows: np.ndarray, has_cell: bool) -> dict[str, np.ndarray]:
    """Merged rows [N, ALIGNMENTS, STATISTICS, W] to arrays [N, T]; where nothing is valid: NaN."""
    length = np.sum(rows[:, 0, STATISTICS.index("batch")] > 0, axis=-1)
    steps = length.max(initial=0)
    result = {}
    for alignment, values in zip(ALIGNMENTS, np.moveaxis(rows[..., :steps], 1, 0), strict=True):
        named = dict(zip(STATISTICS, np.moveaxis(values, 1, 0), strict=True))
        batch, valid = named["batch"], named["valid"]
        suffix = "" if alignment == "start" else "_from_end"
        with np.errstate(invalid="ignore", divide="ignore"):
            for name in STATISTICS[_SUMS]:
                result[name + suffix] = batch * np.sqrt(named[name] / valid)
            for name in STATISTICS[_MAXIMA]:
                result[name + suffix] = np.where(valid > 0, batch * np.sqrt(named[name]), np.nan)
        result["valid" + suffix] = valid
    shown = {name: v for name, v in result.items() if has_cell or not name.startswith("cell")}
    return {name: v.astype(np.float32) for name, v in shown.items()} | {"length": length}


def _merge(stack, add, largest):
    """Rows of several parts or replicas, [..., parts, ALIGNMENTS, STATISTICS, T], to one."""
    join = tf.concat if tf.is_tensor(stack) else np.concatenate
    axis = len(stack.shape) - 4
    sums, maxima, counts = (
        stack[..., _SUMS, :],
        stack[..., _MAXIMA, :],
        stack[..., _MAXIMA.stop :, :],
    )
    return join([add(sums, axis), largest(maxima, axis), add(counts, axis)], axis=-2)


def _widen(rows, width):
    """Pad the time axis, the last one, with zeros."""
    paddings = [[0, 0]] * (len(rows.shape) - 1) + [[0, width - tf.shape(rows)[-1]]]
    return tf.pad(rows, paddings)


def _no_rows(rows, steps):
    return np.zeros([rows, len(ALIGNMENTS), len(STATISTICS), steps])


def _per_replica_variable(value):
    """One copy per replica, never averaged: a mean of norms is not the norm."""
    shape = [None] * np.ndim(value)
    return tf.Variable(
        value,
        trainable=False,
        shape=shape,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )


def _replicas(variable):
    return getattr(variable, "values", (variable,))
