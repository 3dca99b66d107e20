"""The training steps of a model, numbered by the graph of the training step itself."""

import collections
import contextlib
import math
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...layers.rnn.error_record import ErrorRecord
from ...layers.rnn.replicas import copies, per_replica_variable
from .loss_reduction import sums_over_examples
from .optimizer_calls import observed_optimizers

RING = 128  # training steps that a ring in the graph holds before it is read
UNKNOWN_STEPS = 256  # time steps for which room is made if their number is unknown to the graph
SKIPPED = 256  # numbers of skipped training steps that are kept


class TrainingSteps:
    """Numbers the training steps of one model, and gives the recorded rows their room.

    A training step is one execution of `train_step`, whatever it applies. The number is a variable
    that the traced step itself increments, and not a count of anything afterwards. It starts where
    the optimizer's count is when training begins, so that a training that goes on from a backup
    goes on counting.
    """

    LIMIT = 16 * 2**20  # bytes of all error records together, in each replica

    def __init__(self, model: keras.Model):
        with tf.init_scope(), model.distribute_strategy.scope():
            self._number = per_replica_variable(np.int64(0))
            self._stride = per_replica_variable(np.int64(1))
            self._skipped = per_replica_variable(np.zeros(SKIPPED, np.int64))
            self._skips = per_replica_variable(np.int64(0))
        self._free = self.LIMIT
        self._rooms: dict[tuple[int, int], int] = {}
        self._strides: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._applied: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._known = 0  # the number when `_applied` was updated
        self._applies_once = True  # each training step increments the optimizer's count by one

    @property
    def count(self) -> int:
        """The number of training steps so far."""
        return int(copies(self._number)[0].numpy())

    def begin(self, model: keras.Model) -> int:
        """Return the number of training steps so far, when all callbacks have begun.

        A callback such as BackupAndRestore may have restored the optimizer, forward or back.
        """
        applied = applied_steps(model.optimizer)
        known = self._applied.get(model.optimizer, 0) if model.optimizer is not None else 0
        expected = max(self._known + applied - known, 0)
        if not self._applies_once and applied >= known:
            expected = max(expected, self.count)
        for copy in copies(self._number):
            copy.assign(expected)
        self._note(model, expected, applied)
        return expected

    def go_on(self, model: keras.Model, count: int | None) -> int:
        """Number the training steps of a model that an earlier process has trained.

        Args:
            model: the model, with its optimizer as the earlier process left it.
            count: the number of training steps then; None: that of the optimizer's.

        Returns:
            The number of training steps so far.
        """
        if count is not None:
            self._note(model, count, applied_steps(model.optimizer))
        return self.begin(model)

    def note(self, model: keras.Model, is_running: bool = True) -> int:
        """Return the number of training steps so far, and compare it with the optimizer's count.

        Args:
            model: the model.
            is_running: whether the optimizer is as the latest step left it. When training begins,
                it may have been restored.
        """
        count, optimizer = self.count, model.optimizer
        before = 0 if optimizer is None else self._applied.get(optimizer, 0)
        if is_running:
            applied = applied_steps(optimizer)
        else:
            applied = before + (count - self._known) * self._applies_once
        if is_running and count != self._known:  # otherwise another callback has noted this step
            self._applies_once = count - self._known == applied - before and not _skips(optimizer)
        self._note(model, count, applied)
        return count

    def _note(self, model, count, applied):
        self._known = count
        if model.optimizer is not None:
            self._applied[model.optimizer] = applied

    def record_every(self, callback: Any, stride: int | None) -> None:
        """Keep the error of every `stride`-th step for a callback; None: no longer."""
        if stride is None:
            self._strides.pop(callback, None)
        else:
            self._strides[callback] = stride
        for copy in copies(self._stride):
            copy.assign(math.gcd(*self._strides.values()) or 1)

    def skipped(self) -> np.ndarray:
        """Return the numbers of the latest training steps that the loss scale skipped."""
        return copies(self._skipped)[0].numpy()

    @contextlib.contextmanager
    def tracing(self, model: keras.Model, data: Any) -> Iterator["TracedStep"]:
        """Trace a training step on `data` inside this context."""
        tensors = [t for t in tf.nest.flatten(data, expand_composites=True) if tf.is_tensor(t)]
        # A step that fails, as the one after a dataset's last batch does, must not be counted.
        with tf.control_dependencies(tensors):
            number = self._number.read_value() + 1
            self._number.assign(number)
        is_recorded = number % self._stride.read_value() == 0
        step = TracedStep(self, model, data, number, is_recorded)
        with observed_optimizers(step):
            yield step

    def make_room(self, record: ErrorRecord, call: int, rows: int, row: int) -> None:
        """Make room for `rows` rows of a call, of `row` time steps each, as far as it is left."""
        granted = self._rooms.get((id(record), call))
        wanted = rows * row - (granted or 0)
        if wanted <= 0:
            return
        size = 8 * len(record.statistics)
        left = self._free // size
        more = min(wanted, max(left // 4, min(row, left)))
        self._free -= more * size
        self._rooms[id(record), call] = (granted or 0) + more
        have, steps = record.training.size
        record.training.resize(have + (rows if granted is None else 0), steps + more)

    def add_skipped(self, number: Any, skipped: Any) -> None:
        """Note in the graph whether a training step was skipped."""
        place = self._skips.read_value() % SKIPPED
        value = tf.where(skipped, number, tf.gather(self._skipped.read_value(), place))
        tf.raw_ops.ResourceScatterNdUpdate(
            ref=self._skipped.handle, indices=[[place]], updates=[value]
        )
        self._skips.assign_add(tf.cast(skipped, tf.int64))


class TracedStep:
    """A training step while it is traced; see `layers.rnn.training_step.TrainingStep`."""

    def __init__(
        self, steps: TrainingSteps, model: keras.Model, data: Any, number: Any, is_recorded: Any
    ):
        self.number, self.is_recorded = number, is_recorded
        has_own_loss = _overrides(model, "train_step") or _overrides(model, "compute_loss")
        self.examples = None if has_own_loss else _batch_size(data)
        self.is_sum = not has_own_loss and sums_over_examples(model)
        self.monitors: list[Any] = []
        self._steps = steps
        self._rows = max(RING, model.steps_per_execution)
        self._calls: collections.Counter[int] = collections.Counter()
        self._scaling: Any = None

    def loss_scale(self) -> Any:
        return None if self._scaling is None else self._scaling(tf.ones([]))

    def make_room(self, record: ErrorRecord, steps: int | None, alignments: int) -> None:
        row = alignments * (steps or UNKNOWN_STEPS)
        self._steps.make_room(record, self._calls[id(record)], self._rows, row)
        self._calls[id(record)] += 1

    # What `observed_optimizers` calls

    def loss_is_scaled(self, scale: Any) -> None:
        self._scaling = scale

    @contextlib.contextmanager
    def applying(self, optimizer: Any, grads: Any, variables: Any) -> Iterator[None]:
        for monitor in self.monitors:
            try:
                monitor.measure(self, grads, variables, getattr(optimizer, "sums_first", False))
            except Exception as error:  # what observes must not limit what is observed
                warnings.warn(
                    f"LayerGradients cannot measure these gradients: {error}", stacklevel=2
                )
        if not _skips(optimizer):
            yield
            return
        before = optimizer.scale_loss(tf.ones([]))
        yield
        self._steps.add_skipped(self.number, optimizer.scale_loss(tf.ones([])) < before)


def _overrides(model, method):
    return method in vars(model) or getattr(type(model), method) is not getattr(keras.Model, method)


def _skips(optimizer):
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def _batch_size(data):
    """Return B of the inputs; None if they have no batch axis."""
    x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
    for tensor in tf.nest.flatten(x):
        if isinstance(tensor, tf.RaggedTensor):
            return tensor.nrows()
        if tf.is_tensor(tensor) and tensor.shape.rank:
            return tf.shape(tensor)[0]
    return None


def applied_steps(optimizer: Any) -> int:
    """Return how often an optimizer was applied, each batch of an accumulation included."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    count = getattr(optimizer, "_iterations", None)  # `iterations` is divided by the accumulation
    return 0 if count is None else int(count.numpy())


_steps_of: weakref.WeakKeyDictionary[keras.Model, TrainingSteps] = weakref.WeakKeyDictionary()


def steps_so_far(model: keras.Model) -> int:
    """Return the number of training steps of a model, also of one that uses several optimizers."""
    steps = _steps_of.get(model)
    return max(applied_steps(model.optimizer), 0 if steps is None else steps.count)


def training_steps(model: keras.Model) -> TrainingSteps:
    """Return the training steps of a model: one object for all callbacks and calls of `fit`."""
    if model not in _steps_of:
        _steps_of[model] = TrainingSteps(model)
    return _steps_of[model]
