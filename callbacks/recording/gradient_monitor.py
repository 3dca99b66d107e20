"""Measuring gradients where they are handed to the optimizer, inside the training step."""

import contextlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..findings.over_depth import QUIET
from .weight_paths import of_units


class Tap:
    """A ring of rows in the graph, for each training step, of every variable: ‖dE/dW‖², ‖W‖², and
    for those of `Dense` and `Conv` layers the share of the layer's units that are dead (NaN of
    others): that got no gradient in any of the last `QUIET` rows.

    While a step is traced inside `open()`, the optimizer's `apply` is led through here; afterwards
    it is what it was. Measured is what arrives there: dE/dW of the whole batch, summed over the
    replicas, before any clipping, weight decay or accumulation; the loss scale is divided out.
    """

    def __init__(self, model: keras.Model, rows: int, every: int):
        self._model = model
        self._optimizer: Any = model.optimizer
        self._rows_kept = rows
        self._every = every
        self._opened = 0
        with tf.init_scope(), model.distribute_strategy.scope():
            self._count = _per_replica_variable(np.int64(0))
        self.variables: Any = None  # until the first gradients arrive, if the model is not built
        if model.built:
            self._make_rows(model.trainable_variables)

    def _make_rows(self, variables):
        self.variables = list(variables)
        with tf.init_scope(), self._model.distribute_strategy.scope():
            self._rows = _per_replica_variable(np.zeros([self._rows_kept, len(self.variables), 3]))
            among = [[v for v in self.variables if id(v) in of] for of in of_units(self._model)]
            self._layers = [of for of in among if of]  # with units
            units = sum(of[0].shape[-1] for of in self._layers)
            self._quiet = _per_replica_variable(np.zeros(units, np.int32))  # rows, of each unit

    def fits(self, model: keras.Model, steps: int) -> bool:
        """Made for the weights and the optimizer of this model, and keeps so many steps?"""
        known = self.variables is None or same(model.trainable_variables, self.variables)
        return known and model.optimizer is self._optimizer and self.kept >= steps

    @property
    def kept(self) -> int:
        """Training steps."""
        return self._rows_kept * self._every

    @property
    def count(self) -> int:
        """Training steps until now."""
        return int(_replicas(self._count)[0].numpy())

    def start_at(self, step: int) -> None:
        """`step` training steps have been made."""
        with tf.init_scope():
            for variable in _replicas(self._count):
                variable.assign(step)

    def read(self, steps: np.ndarray) -> np.ndarray:
        """The rows of some of the latest training steps, [N, variables, 3]."""
        return _replicas(self._rows)[0].numpy()[(steps // self._every) % self._rows_kept]

    @contextlib.contextmanager
    def open(self):
        """Replicas are traced in turn, so that they may be in here at the same time."""
        if not self._opened:
            self._own = vars(self._optimizer).get("apply")
            self._plain_apply = self._optimizer.apply
            vars(self._optimizer)["apply"] = self._apply
        self._opened += 1
        try:
            yield
        finally:
            self._opened -= 1
            if not self._opened:
                del vars(self._optimizer)["apply"]
                if self._own is not None:
                    vars(self._optimizer)["apply"] = self._own

    def _apply(self, grads, trainable_variables=None):
        grads = list(grads)
        given = self._optimizer._trainable_variables
        given = given if trainable_variables is None else list(trainable_variables)
        if self.variables is None:
            self._make_rows(given)
        self._measure(grads, given)
        return self._plain_apply(grads, given)

    def _measure(self, grads, variables):
        replicas = tf.distribute.get_replica_context()
        several = replicas.num_replicas_in_sync > 1
        if several:
            grads = _summed(replicas, grads)
        step = self._count.read_value() + 1
        if several or self._every == 1:  # a sum over replicas cannot stand in a branch
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
        squares = [
            2.0 * tf.stack(gradients) / scale**2,
            2.0 * tf.cast(tf.stack(weights), tf.float64),
            self._dead(gradient_of),
        ]
        put = tf.raw_ops.ResourceScatterNdUpdate(
            ref=self._rows.handle,
            indices=[[tf.cast((step // self._every) % self._rows_kept, tf.int32)]],
            updates=tf.stack(squares, axis=1)[None],
        )
        with tf.control_dependencies([put]):
            return tf.constant(True)

    def _dead(self, gradient_of):
        """[variables]: the share of dead units."""
        unknown = tf.constant(np.nan, tf.float64)
        if not self._layers:
            return tf.fill([len(self.variables)], unknown)
        reached = tf.concat([_reached(of, gradient_of) for of in self._layers], axis=0)
        quiet = tf.where(reached, 0, self._quiet.read_value() + 1)
        with tf.control_dependencies([self._quiet.assign(quiet)]):
            dead = tf.cast(quiet >= QUIET, tf.float64)
        shares = map(tf.reduce_mean, tf.split(dead, [of[0].shape[-1] for of in self._layers]))
        share_of = {
            id(v): share for of, share in zip(self._layers, shares, strict=True) for v in of
        }
        return tf.stack([share_of.get(id(v), unknown) for v in self.variables])


def same(these, those) -> bool:
    """The very same objects in the same order?"""
    return [*map(id, these)] == [*map(id, those)]


def _reached(variables, gradient_of):
    """[units]: which get a gradient by any of these weights of their layer."""
    units = tf.zeros(variables[0].shape[-1:], tf.bool)
    for variable in variables:
        gradient = gradient_of.get(id(variable))
        if gradient is not None:
            gradient = tf.convert_to_tensor(gradient)  # sparse, where a kernel is a table too
            axes = [*range(len(variable.shape) - 1)]
            units |= tf.reduce_any(gradient != 0, axes)  # NaN is a gradient too
    return units


def _summed(replicas, grads):
    known = [g for g in grads if g is not None]
    total = iter(replicas.all_reduce(tf.distribute.ReduceOp.SUM, known))
    return [None if g is None else next(total) for g in grads]


def _half_square(tensor, dtype):
    """‖tensor‖²/2, taken in `dtype`: the square of a vanishing gradient is no float32."""
    if tensor is None:
        return tf.zeros([], dtype)
    if isinstance(tensor, tf.IndexedSlices):
        tensor = _summed_slices(tensor)
    return tf.nn.l2_loss(tf.cast(tensor, dtype))


def _summed_slices(gradient: tf.IndexedSlices):
    """[n, D]: the slices of a sparse gradient, those of the same index added up (by sorting)."""
    order = tf.argsort(gradient.indices)
    indices, values = tf.gather(gradient.indices, order), tf.gather(gradient.values, order)
    changes = tf.cast(indices[1:] != indices[:-1], tf.int32)
    segments = tf.concat([[0], tf.cumsum(changes)], axis=0)[: tf.shape(indices)[0]]
    return tf.math.unsorted_segment_sum(values, segments, tf.shape(indices)[0])


def _per_replica_variable(value):
    return tf.Variable(
        value,
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def _replicas(variable):
    return getattr(variable, "values", (variable,))
