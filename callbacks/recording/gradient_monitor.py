"""Measures gradients inside the training step, where they are handed to the optimizer."""

import base64
import contextlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...layers.rnn.replicas import copies, per_replica_variable
from ...layers.rnn.sums_of_squares import total_square
from .gradient_statistics import DEAD_AFTER
from .training_steps import TracedStep
from .weight_owners import weights_by_units

ROUNDING = 1e-5  # relative, of a regularizer's gradient


class GradientMonitor:
    """A ring of rows in the graph: the figures of every variable in the latest training steps.

    The figures of a variable are ‖dE/dW‖², ‖W‖² and, if it belongs to a `Dense` or `Conv` layer,
    the share of the layer's units that are dead: that received no gradient in any of the last
    `DEAD_AFTER` rows. Of other variables this share is NaN.

    The gradients are measured where a training step hands them to an optimizer, whichever: they are
    dE/dW of the whole batch, summed over the replicas, before clipping, weight decay and
    accumulation; the loss scale is divided out. If a variable is handed over more than once in a
    training step, the last gradient counts.

    Args:
        model: a compiled model.
        rows: the number of rows to keep.
        every: one row for every `every`-th training step.

    Attributes:
        variables: the variables of a row, in their order; None until the model is built.
        is_training: whether a callback records with it.
    """

    def __init__(self, model: keras.Model, rows: int, every: int):
        self._model = model
        self._row_count = rows
        self._every = every
        self.is_training = True
        self.variables: Any = None
        if model.built:
            self._make_rows()

    def _make_rows(self):
        self.variables = list(self._model.trainable_variables)
        shape = [self._row_count, max(len(self.variables), 1)]
        with tf.init_scope(), self._model.distribute_strategy.scope():
            self._rows = per_replica_variable(np.zeros([*shape, 3]))
            # The training step in which each figure was measured.
            self._steps = per_replica_variable(np.zeros(shape, np.int64))
            layers = [
                [v for v in self.variables if id(v) in weights]
                for weights in weights_by_units(self._model)
            ]
            self._layers = [variables for variables in layers if variables]
            units = sum(variables[0].shape[-1] for variables in self._layers)
            # Of each unit. TensorFlow keeps variables of int32 off a GPU, where XLA needs them.
            self._quiet_rows = per_replica_variable(np.zeros(max(units, 1), np.int64))

    def fits(self, model: keras.Model, steps: int) -> bool:
        """Return whether it monitors the variables of this model, and keeps `steps` steps."""
        same = self.variables is None or (
            [*map(id, model.trainable_variables)] == [*map(id, self.variables)]
        )
        return same and self.capacity >= steps

    @property
    def capacity(self) -> int:
        """The number of latest training steps whose rows are kept."""
        return self._row_count * self._every

    def quiet_units(self) -> str:
        """Return for how many rows each unit has received no gradient, as a text for `go_on`."""
        rows = np.minimum(copies(self._quiet_rows)[0].numpy(), DEAD_AFTER).astype(np.uint8)
        return base64.b64encode(zlib.compress(rows.tobytes())).decode()

    def go_on(self, quiet_units: str) -> None:
        """Go on counting where the monitor of an earlier process has ended; "": from zero."""
        if quiet_units and self._layers:
            rows = np.frombuffer(zlib.decompress(base64.b64decode(quiet_units)), np.uint8)
            for copy in copies(self._quiet_rows):
                copy.assign(rows.astype(np.int64))

    def read(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of some of the latest training steps.

        Returns:
            The figures, [N, variables, 3] float64; and whether an optimizer was handed the gradient
            of the variable in that training step, [N, variables] bool.
        """
        slots = (steps // self._every) % self._row_count
        rows, measured_in = copies(self._rows)[0].numpy(), copies(self._steps)[0].numpy()
        return rows[slots], measured_in[slots] == steps[:, None]

    @contextlib.contextmanager
    def attached(self, step: TracedStep) -> Iterator[None]:
        """Measure in a training step that is traced inside this context."""
        step.monitors.append(self)
        yield

    def measure(
        self,
        step: TracedStep,
        grads: Sequence[Any],
        variables: Sequence[Any],
        are_summed: bool = False,
    ) -> None:
        """Measure the gradients that an optimizer is handed, in the graph.

        Args:
            step: the training step.
            grads, variables: what the optimizer is handed.
            are_summed: the gradients are sums over all replicas, not those of one.
        """
        if self.variables is None:
            self._make_rows()
        replicas: Any = tf.distribute.get_replica_context()
        several = replicas.num_replicas_in_sync > 1 and not are_summed
        if several:
            grads = _sum_over_replicas(replicas, grads)
        handed = {id(v): g for g, v in zip(grads, variables, strict=True)}
        if several or self._every == 1:  # a sum over replicas cannot be in a branch
            self._write(step, handed)
        else:
            tf.cond(
                step.number % self._every == 0,
                lambda: self._write(step, handed),
                lambda: tf.constant(False),
            )

    def _write(self, step, handed):
        columns = [place for place, v in enumerate(self.variables) if id(v) in handed]
        if not columns:
            return tf.constant(False)
        variables = [self.variables[place] for place in columns]
        gradients = [_square(handed[id(v)]) for v in variables]
        weights = [tf.nn.l2_loss(tf.cast(v, tf.float32)) for v in variables]  # ‖W‖²/2
        scale = step.loss_scale()
        scale = tf.ones([], tf.float64) if scale is None else tf.cast(scale, tf.float64)
        figures = [
            tf.stack(gradients) / scale**2,
            2.0 * tf.cast(tf.stack(weights), tf.float64),
            tf.gather(self._dead_shares(handed, scale), columns),
        ]
        slot = (step.number // self._every) % self._row_count
        places = tf.stack([tf.fill([len(columns)], slot), tf.constant(columns, tf.int64)], axis=1)
        numbers = tf.fill([len(columns)], step.number)
        for variable, updates in ((self._rows, tf.stack(figures, axis=1)), (self._steps, numbers)):
            tf.raw_ops.ResourceScatterNdUpdate(ref=variable.handle, indices=places, updates=updates)
        return tf.constant(True)

    def _dead_shares(self, handed, scale):
        """The share of dead units in the layer of each variable, [variables]."""
        unknown = tf.constant(np.nan, tf.float64)
        if not self._layers:
            return tf.fill([len(self.variables)], unknown)
        before = self._quiet_rows.read_value()
        before = tf.split(before, [variables[0].shape[-1] for variables in self._layers])
        quiet = tf.concat(
            [
                tf.where(_units_reached(variables, handed, scale), tf.zeros_like(rows), rows + 1)
                if any(id(v) in handed for v in variables)
                else rows
                for variables, rows in zip(self._layers, before, strict=True)
            ],
            axis=0,
        )
        with tf.control_dependencies([self._quiet_rows.assign(quiet)]):
            dead = tf.cast(quiet >= DEAD_AFTER, tf.float64)
        shares = map(tf.reduce_mean, tf.split(dead, [vs[0].shape[-1] for vs in self._layers]))
        share_of = {
            id(v): share for vs, share in zip(self._layers, shares, strict=True) for v in vs
        }
        return tf.stack([share_of.get(id(v), unknown) for v in self.variables])


def _units_reached(variables: Sequence[Any], handed, scale):
    """Which units of a layer the loss gives a gradient by any of these weights, [units] bool."""
    units = tf.zeros(variables[0].shape[-1:], tf.bool)
    for variable in variables:
        gradient = handed.get(id(variable))
        if gradient is not None:
            gradient = tf.convert_to_tensor(gradient)  # sparse if the kernel is also an embedding
            axes = [*range(len(variable.shape) - 1)]
            units |= tf.reduce_any(_comes_from_the_loss(gradient, variable, scale), axes)
    return units


def _comes_from_the_loss(gradient, variable, scale):
    """Where a gradient is more than that of the regularizer, bool. NaN counts as a gradient."""
    regularizer = getattr(variable, "regularizer", None)
    if regularizer is None:
        return gradient != 0
    value = tf.convert_to_tensor(variable)
    with tf.GradientTape() as tape:
        tape.watch(value)
        penalty = regularizer(value)
    of_penalty: Any = tape.gradient(penalty, value)
    decay = tf.cast(of_penalty, gradient.dtype) * tf.cast(scale, gradient.dtype)
    return ~(tf.abs(gradient - decay) <= ROUNDING * tf.abs(decay))


def _sum_over_replicas(replicas, grads):
    present = [g for g in grads if g is not None]
    total = iter(replicas.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if g is None else next(total) for g in grads]


def _square(gradient):
    """‖dE/dW‖² in float64; the square of a vanishing gradient is too small for float32."""
    if gradient is None:
        return tf.zeros([], tf.float64)
    if isinstance(gradient, tf.IndexedSlices):
        gradient = _sum_slices(gradient)
    return total_square(gradient)


def _sum_slices(gradient: tf.IndexedSlices):
    """The slices of a sparse gradient [n, D]; slices of the same index are added (by sorting)."""
    order = tf.argsort(gradient.indices)
    indices, values = tf.gather(gradient.indices, order), tf.gather(gradient.values, order)
    changes = tf.cast(indices[1:] != indices[:-1], tf.int32)
    segments = tf.concat([[0], tf.cumsum(changes)], axis=0)[: tf.shape(indices)[0]]
    return tf.math.unsorted_segment_sum(values, segments, tf.shape(indices)[0])
