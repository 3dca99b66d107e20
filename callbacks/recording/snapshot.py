"""The base classes of callbacks that take a snapshot of the model after each epoch."""

import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ...layers.paths import walk
from .chief_log import event_log
from .guard import guarded
from .results import ResultsCallback
from .rows import single_row
from .run_places import TRAIN, end_training
from .training_steps import applied_steps

Figures = Mapping[str, np.ndarray]  # by name, each [T]


class SnapshotCallback(ResultsCallback):
    """Takes a snapshot when training begins and after each epoch, and writes it.

    A subclass implements `_write`, which receives the snapshot and the number of epochs so far. It
    is not called for empty snapshots. It may implement `_check`, which raises a ValueError if the
    callback is certainly of no use for the model; what goes wrong later becomes a warning.

    If `fit` is called again, epochs continue to be counted, including those of calls without the
    callback, which are known from the optimizer's training steps. With another model, the callback
    starts over.

    Args:
        snapshot: a function without arguments that returns the snapshot.
        log_dir: event files are written to its folder `part`, see `run_places`; None: no files, and
            no `_log`; then `_write` is called only if `keeps_figures`.
        kind: the kind of records: the first part of their tags.
        every: take a snapshot after every `every`-th epoch.
    """

    part = TRAIN  # "validation" if snapshots are predictions, "train" if not
    takes_first = True  # whether there is a snapshot when training begins
    keeps_figures = False  # whether snapshots are more than what is written to event files

    def __init__(
        self,
        snapshot: Callable[[], Any],
        log_dir: str | Path | None,
        kind: str,
        every: int = 1,
    ):
        super().__init__()
        check_every(self, every)
        self.snapshot, self.every, self.kind = snapshot, every, kind
        self.log_dir = None if log_dir is None else Path(log_dir)
        self._model_before: Any = None  # a weak reference, which copies of the callback share
        self._epochs_before = 0  # of an earlier process, which the next call of `fit` goes on from
        self._start_over()

    def _start_over(self) -> None:
        folder = None if self.log_dir is None else self.log_dir / self.part
        self._log: Any = event_log(folder, self.kind, self.model)
        self._epochs = _EpochCounter()
        self._latest: Any = ()  # the snapshot of the last epoch that has one
        self._latest_epoch = 0

    def _check(self) -> None:
        pass

    def _write(self, snapshot: Any, step: int) -> None:
        raise NotImplementedError

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._check()
        self.failure = None
        if self._model_before is None or self._model_before() is not self.model:
            self._model_before = weakref.ref(self.model)
            self._start_over()
        self._epochs.begin_fit()

    @guarded
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        # What restores a training does so when it begins, before or after this callback.
        if self._epochs.is_first:
            if self._log is not None:
                self._log.begin(self, epoch)
            if self._epochs.begin(self, epoch) and self.takes_first:
                self._take_snapshot()
        self._epochs.begin_epoch(self.model)

    @guarded
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epochs.end_epoch(self.model)
        self._take_snapshot()

    @guarded
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._epochs_before and self._epochs.is_first:  # there was no epoch left
            self._epochs.count = self._epochs_before
            self._take_snapshot()
        self._epochs_before = 0
        self.interrupt()
        end_training(self.model)

    def interrupt(self) -> None:
        """Write what was recorded: `fit` was interrupted, or has ended."""
        if self._log is not None:
            self._log.close()

    def state(self) -> dict[str, Any]:
        """Return what a training that goes on in another process needs; see `resume`."""
        return {"epochs": self._epochs.count}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Let the next call of `fit` go on with the training of an earlier process.

        If no epoch is left, the snapshot is taken when that call ends.

        Args:
            state: that of the earlier process when it saved the weights that the model now has;
                empty if it is unknown.
        """
        self._epochs_before = state.get("epochs", 0)

    def stop_recording(self) -> None:
        if self._log is not None:
            self._log.abandon()

    def _take_snapshot(self):
        is_other_worker = self._log is None and self.log_dir is not None
        if is_other_worker and not self.keeps_figures:
            return
        step = self._epochs.count
        if step % self.every == 0 and (snapshot := self.snapshot()):
            if self._log is not None or self.keeps_figures:
                self._write(snapshot, step)
            self._latest, self._latest_epoch = snapshot, step
            if self._log is not None:
                self._log.flush()


class _EpochCounter:
    """Counts a model's epochs over all calls of `fit`.

    Attributes:
        count: the number of epochs so far.
        is_first: whether the first epoch of a call of `fit` has yet to begin.
    """

    def __init__(self):
        self.count = -1  # unknown
        self.is_first = True
        self._steps = 0  # training steps of the optimizer, when `count` was set
        self._steps_in_epoch = 0  # unknown
        self._optimizer: Any = None  # a weak reference

    def begin_fit(self) -> None:
        self.is_first = True

    def begin(self, callback: keras.callbacks.Callback, epoch: int) -> bool:
        """Set the count before Keras' first epoch of a call; return whether it has changed."""
        self.is_first = False
        before, model = self.count, callback.model
        steps = self._read_steps(model)
        if before < 0:
            self._steps_in_epoch = (callback.params or {}).get("steps") or 0
            self.count = epoch or self._epochs_in(self._steps)
        elif epoch and steps < 0:
            self.count = epoch  # the weights of an earlier epoch were restored
        else:
            self.count = max(epoch, before + self._epochs_in(steps))
        return self.count != before

    def begin_epoch(self, model: Any) -> None:
        self._read_steps(model)

    def end_epoch(self, model: Any) -> None:
        self.count += 1
        self._steps_in_epoch = self._read_steps(model)

    def _epochs_in(self, steps):
        return max(round(steps / self._steps_in_epoch), 0) if self._steps_in_epoch else 0

    def _read_steps(self, model):
        """Read the number of training steps; return the difference from the last reading."""
        optimizer = getattr(model, "optimizer", None)
        is_same = self._optimizer is not None and self._optimizer() is optimizer
        before, self._steps = self._steps if is_same else 0, applied_steps(optimizer)
        self._optimizer = None if optimizer is None else weakref.ref(optimizer)
        return self._steps - before


class LayerSnapshotCallback(SnapshotCallback):
    """A `SnapshotCallback` that keeps the figures over time of each layer of a model.

    Args:
        snapshot: see `SnapshotCallback`.
        log_dir: see `SnapshotCallback`.
        every: see `SnapshotCallback`.
    """

    kind: str
    keeps_figures = True

    def __init__(self, snapshot: Callable[[], Any], log_dir: str | Path | None, every: int = 1):
        super().__init__(snapshot, log_dir, self.kind, every)

    def _start_over(self) -> None:
        super()._start_over()
        self._snapshots: dict[int, Mapping[str, Figures]] = {}

    def _recorded(self) -> dict[str, dict[str, np.ndarray]]:
        """Return {layer: {"step": [N], figure: [N, T]}}."""
        snapshots = [*self._snapshots.values()]
        return {
            layer: {
                "step": np.array([*self._snapshots]),
                **{name: np.stack([s[layer][name] for s in snapshots]) for name in figures},
            }
            for layer, figures in (snapshots[-1] if snapshots else {}).items()
        }

    def _record(
        self, step: int, figures: Mapping[str, Figures], scalars: Mapping[str, float]
    ) -> None:
        """Keep the figures of each layer, and write them as rows if there are event files."""
        self._snapshots[step] = figures
        if self._log is not None:
            rows = {layer: single_row(step, of_layer) for layer, of_layer in figures.items()}
            self._log.write(self.kind, rows, {}, scalars, step)


def recurrent_paths(callback: keras.callbacks.Callback) -> list[str]:
    """Return the paths of the recurrent layers of a callback's model.

    Raises:
        ValueError: there is none.
    """
    model: Any = callback.model
    paths = [path for path, layer in walk(model) if isinstance(layer, keras.layers.RNN)]
    if not paths:
        name = type(callback).__name__
        raise ValueError(f"{name}: model {model.name!r} has no recurrent layer")
    return paths


def check_every(callback: keras.callbacks.Callback, every: Any) -> None:
    """Raise a ValueError if the argument `every` of a callback is not a positive integer."""
    if not isinstance(every, int) or every < 1:
        raise ValueError(
            f"{type(callback).__name__}: `every` must be a whole number from 1, not {every!r}"
        )
