"""Measures gradients inside the training step, where they are handed to the optimizer."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...layers.rnn.replicas import copies, per_replica_variable
from .gradient_statistics import DEAD_AFTER
from .weight_owners import weights_by_units


class GradientMonitor:
    """A ring of rows in the graph: the figures of every variable in the latest training steps.

    The figures of a variable are ‖dE/dW‖², ‖W‖² and, if it belongs to a `Dense` or `Conv` layer,
    the share of the layer's units that are dead: that received no gradient in any of the last
    `DEAD_AFTER` rows. Of other variables this share is NaN.

    While a training step is traced inside `attached()`, the optimizer's `apply` measures the
    gradients first; afterwards the optimizer is as before. The gradients are dE/dW of the whole
    batch, summed over the replicas, before clipping, weight decay and accumulation; the loss scale
    is divided out.

    Args:
        model: a compiled model.
        rows: the number of rows to keep.
        every: one row for every `every`-th training step.

    Attributes:
        variables: the variables of a row, in their order; None until the model is built.
    """

    def __init__(self, model: keras.Model, rows: int, every: int):
        self._model = model
        self._optimizer: Any = model.optimizer
        self._row_count = rows
        self._every = every
        self._attached = 0
        with tf.init_scope(), model.distribute_strategy.scope():
            self._count = per_replica_variable(np.int64(0))
        self.variables: Any = None
        if model.built:
            self._make_rows(model.trainable_variables)

    def _make_rows(self, variables):
        self.variables = list(variables)
        with tf.init_scope(), self._model.distribute_strategy.scope():
            self._rows = per_replica_variable(np.zeros([self._row_count, len(self.variables), 3]))
            layers = [
                [v for v in self.variables if id(v) in weights]
                for weights in weights_by_units(self._model)
            ]
            self._layers = [variables for variables in layers if variables]
            units = sum(variables[0].shape[-1] for variables in self._layers)
            self._quiet_rows = per_replica_variable(np.zeros(units, np.int32))  # of each unit

    def fits(self, model: keras.Model, steps: int) -> bool:
        """Return whether it monitors this model and its optimizer, and keeps `steps` steps."""
        same = self.variables is None or (
            [*map(id, model.trainable_variables)] == [*map(id, self.variables)]
        )
        return same and model.optimizer is self._optimizer and self.capacity >= steps

    @property
    def capacity(self) -> int:
        """The number of latest training steps whose rows are kept."""
        return self._row_count * self._every

    @property
    def count(self) -> int:
        """The number of training steps so far."""
        return int(copies(self._count)[0].numpy())

    def start_at(self, step: int) -> None:
        """Set the number of training steps so far."""
        with tf.init_scope():
            for copy in copies(self._count):
                copy.assign(step)

    def read(self, steps: np.ndarray) -> np.ndarray:
        """Return the rows of some of the latest training steps, [N, variables, 3] float64."""
        return copies(self._rows)[0].numpy()[(steps // self._every) % self._row_count]

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """Measure in every training step that is traced inside this context.

        Replicas are traced by threads that take turns, so several may be inside at once.
        """
        if not self._attached:
            self._own_apply = vars(self._optimizer).get("apply")
            self._plain_apply = self._optimizer.apply
            vars(self._optimizer)["apply"] = self._apply
        self._attached += 1
        try:
            yield
        finally:
            self._attached -= 1
            if not self._attached:
                del vars(self._optimizer)["apply"]
                if self._own_apply is not None:
                    vars(self._optimizer)["apply"] = self._own_apply

    def _apply(self, grads, trainable_variables=None):
        grads = list(grads)
        variables = (
            self._optimizer._trainable_variables
            if trainable_variables is None
            else list(trainable_variables)
        )
        if self.variables is None:
            self._make_rows(variables)
        self._measure(grads, variables)
        return self._plain_apply(grads, variables)

    def _measure(self, grads, variables):
        replicas: Any = tf.distribute.get_replica_context()
        several = replicas.num_replicas_in_sync > 1
        if several:
            grads = _sum_over_replicas(replicas, grads)
        step = self._count.read_value() + 1
        if several or self._every == 1:  # a sum over replicas cannot be in a branch
            written = self._write(step, grads, variables)
        else:
            written = tf.cond(
                step % self._every == 0,
                lambda: self._write(step, grads, variables),
                lambda: tf.constant(False),
            )
        # A step that fails, as the one after a dataset's last batch does, must not be counted.
        with tf.control_dependencies([written]):
            self._count.assign_add(1)

    def _write(self, step, grads, variables):
        gradient_of = {id(v): g for g, v in zip(grads, variables, strict=True)}
        gradients = [_half_square(gradient_of.get(id(v)), tf.float64) for v in self.variables]
        weights = [_half_square(tf.convert_to_tensor(v), tf.float32) for v in self.variables]
        scale = tf.cast(self._optimizer.scale_loss(tf.ones([])), tf.float64)
        figures = [
            2.0 * tf.stack(gradients) / scale**2,
            2.0 * tf.cast(tf.stack(weights), tf.float64),
            self._dead_shares(gradient_of),
        ]
        put = tf.raw_ops.ResourceScatterNdUpdate(
            ref=self._rows.handle,
            indices=[[tf.cast((step // self._every) % self._row_count, tf.int32)]],
            updates=tf.stack(figures, axis=1)[None],
        )
        with tf.control_dependencies([put]):
            return tf.constant(True)

    def _dead_shares(self, gradient_of):
        """The share of dead units in the layer of each variable, [variables]."""
        unknown = tf.constant(np.nan, tf.float64)
        if not self._layers:
            return tf.fill([len(self.variables)], unknown)
        reached = tf.concat([_units_reached(layer, gradient_of) for layer in self._layers], axis=0)
        quiet = tf.where(reached, 0, self._quiet_rows.read_value() + 1)
        with tf.control_dependencies([self._quiet_rows.assign(quiet)]):
            dead = tf.cast(quiet >= DEAD_AFTER, tf.float64)
        shares = map(tf.reduce_mean, tf.split(dead, [vs[0].shape[-1] for vs in self._layers]))
        share_of = {
            id(v): share for vs, share in zip(self._layers, shares, strict=True) for v in vs
        }
        return tf.stack([share_of.get(id(v), unknown) for v in self.variables])


def _units_reached(variables: Sequence[Any], gradient_of):
    """Which units of a layer get a gradient by any of these weights, [units] bool."""
    units = tf.zeros(variables[0].shape[-1:], tf.bool)
    for variable in variables:
        gradient = gradient_of.get(id(variable))
        if gradient is not None:
            gradient = tf.convert_to_tensor(gradient)  # sparse if the kernel is also an embedding
            axes = [*range(len(variable.shape) - 1)]
            units |= tf.reduce_any(gradient != 0, axes)  # NaN counts as a gradient
    return units


def _sum_over_replicas(replicas, grads):
    present = [g for g in grads if g is not None]
    total = iter(replicas.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if g is None else next(total) for g in grads]


def _half_square(tensor, dtype):
    """‖tensor‖²/2 in `dtype`; the square of a vanishing gradient is too small for float32."""
    if tensor is None:
        return tf.zeros([], dtype)
    if isinstance(tensor, tf.IndexedSlices):
        tensor = _sum_slices(tensor)
    return tf.nn.l2_loss(tf.cast(tensor, dtype))


def _sum_slices(gradient: tf.IndexedSlices):
    """The slices of a sparse gradient [n, D]; slices of the same index are added (by sorting)."""
    order = tf.argsort(gradient.indices)
    indices, values = tf.gather(gradient.indices, order), tf.gather(gradient.values, order)
    changes = tf.cast(indices[1:] != indices[:-1], tf.int32)
    segments = tf.concat([[0], tf.cumsum(changes)], axis=0)[: tf.shape(indices)[0]]
    return tf.math.unsorted_segment_sum(values, segments, tf.shape(indices)[0])
