"""Measures the error at the outputs of layers, in the backward pass of the training step."""

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ...layers.error_paths import observed_paths
from ...layers.rnn.replicas import copies, per_replica_variable
from ...layers.workers import exchange_arrays
from .depth_layers import DepthLayers
from .depth_taps import FIGURES, Column, is_reachable
from .depth_trace import DepthTrace
from .layer_calls import observed_layer_calls
from .trained_tensors import TrainedTensors
from .training_steps import TracedStep


class Merged(NamedTuple):
    """The figures of the whole batch, each [N, C] float64; NaN where nothing was recorded."""

    rms: np.ndarray
    max: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    dead: np.ndarray


class DepthMonitor:
    """A ring of rows in the graph: the figures of every layer and path in the latest steps.

    Args:
        model: a compiled model.
        layers: the layers whose outputs are recorded.
        rows: the number of rows to keep.
        every: one row for every `every`-th training step.

    Attributes:
        columns: what a row has figures of, in the order in which they were found.
        in_loops: the names of columns that cannot be recorded: a loop of the graph calls the layer.
        is_training: whether a callback records with it.
    """

    def __init__(self, model: keras.Model, layers: DepthLayers, rows: int, every: int):
        self._model, self._layers = model, layers
        self._row_count, self._every = rows, every
        self.is_training = True
        self.columns: list[Column] = []
        self.in_loops: set[str] = set()
        with tf.init_scope(), model.distribute_strategy.scope():
            # Column by column, because a new column must not move the others.
            start = np.zeros([1, len(FIGURES)])
            self._ring = per_replica_variable(start, shape=[None, len(FIGURES)])

    def fits(self, model: keras.Model, steps: int) -> bool:
        """Return whether it monitors this model, and keeps `steps` training steps."""
        return self._model is model and self.capacity >= steps

    @property
    def capacity(self) -> int:
        """The number of latest training steps whose rows are kept."""
        return self._row_count * self._every

    @contextlib.contextmanager
    def attached(self, step: TracedStep) -> Iterator[None]:
        """Measure in a training step that is traced inside this context."""
        trained = TrainedTensors(self._model)
        trace = DepthTrace(step, self._layers, trained, self._is_due(step))
        with observed_layer_calls(trace), observed_paths(trace):
            yield
        try:
            self._write(step, trace)
        except Exception as error:  # what observes must not limit what is observed
            warnings.warn(f"DepthFlow cannot record this training step: {error}", stacklevel=2)

    def _is_due(self, step):
        return True if self._every == 1 else step.number % self._every == 0

    def _write(self, step, trace):
        columns = trace.columns()
        places = self.add([column for column, _ in columns])
        found = [*zip(places, columns, strict=True)]
        reached = [(place, tap) for place, (_, tap) in found if is_reachable(tap)]
        self.in_loops |= {
            column.name for column, tap in columns if tap.row is not None and not is_reachable(tap)
        }
        if not reached:
            return
        places, taps = zip(*reached, strict=True)
        slot = (step.number // self._every) % self._row_count
        slots = tf.constant(places, tf.int64) * self._row_count + slot

        def write():
            tf.raw_ops.ResourceScatterNdUpdate(
                ref=self._ring.handle, indices=slots[:, None], updates=trace.rows(taps)
            )
            return tf.constant(True)

        if self._every == 1:
            write()
        else:
            tf.cond(self._is_due(step), write, lambda: tf.constant(False))

    def add(self, columns: Iterable[Column]) -> list[int]:
        """Return the places of columns in a row, new ones among them."""
        places = {column.name: place for place, column in enumerate(self.columns)}
        found = []
        for column in columns:
            if column.name not in places:
                places[column.name] = len(self.columns)
                self.columns.append(column)
            found.append(places[column.name])
        self._resize(len(self.columns) * self._row_count)
        return found

    def _resize(self, size):
        with tf.init_scope():
            for ring in copies(self._ring):
                before = ring.numpy()
                if len(before) < size:
                    missing = size - len(before)
                    ring.assign(np.pad(before, [(0, missing), (0, 0)]))

    def read(self, steps: np.ndarray) -> Merged:
        """Return the figures of some of the latest training steps.

        With several workers, each of them must call it.
        """
        slots = (steps // self._every) % self._row_count
        size = len(self.columns), self._row_count, len(FIGURES)
        own = []
        for ring in copies(self._ring):
            rows = ring.numpy()[: size[0] * size[1]].reshape(size)[:, slots]
            own.append(np.moveaxis(rows, 0, 1))  # [N, C, F]
        of_workers = exchange_arrays(self._model.distribute_strategy, own)
        return merge(np.array([part for of_worker in of_workers for part in of_worker]), steps)


def merge(parts: np.ndarray, steps: np.ndarray) -> Merged:
    """Return the figures of the whole batch from those of its parts.

    Args:
        parts: the rows of replicas, [R, N, C, F].
        steps: [N] training steps; rows of others are left out.
    """
    is_recorded = (parts[..., 0] == steps[:, None]).all(axis=0)  # [N, C]
    of = dict(zip(FIGURES, np.moveaxis(parts, -1, 0), strict=True))  # each [R, N, C]
    batch = np.where(of["is_sum"][0] == 1, 1.0, of["batch"].sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        examples = of["examples"].sum(axis=0)
        mean = of["total"].sum(axis=0) / of["values"].sum(axis=0)
        square = of["squares"].sum(axis=0) / of["values"].sum(axis=0)
        merged = Merged(
            _finite_or_infinite(batch * np.sqrt(of["sum"].sum(axis=0) / examples)),
            _finite_or_infinite(batch * np.sqrt(of["max"].max(axis=0))),
            mean,
            np.sqrt(np.maximum(square - mean**2, 0.0)),
            (of["dead"] * of["examples"]).sum(axis=0) / examples,
        )
    return Merged(*(np.where(is_recorded, table, np.nan) for table in merged))


def _finite_or_infinite(table):
    return np.where(np.isfinite(table), table, np.inf)
