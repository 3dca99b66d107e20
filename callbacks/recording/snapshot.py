"""The base classes of callbacks that take a snapshot of the model after each epoch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from .event_log import EventLog
from .rows import single_row

Figures = Mapping[str, np.ndarray]  # by name, each [T]


class SnapshotCallback(keras.callbacks.Callback):
    """Takes a snapshot when training begins and after each epoch, and writes it.

    A subclass implements `_write`, which receives the snapshot and the number of epochs so far. It
    is not called for empty snapshots.

    Args:
        snapshot: a function without arguments that returns the snapshot.
        folder: the folder of the event files; None: no files, and no `_log`.
        every: take a snapshot after every `every`-th epoch.

    If `fit` is called again, epochs continue to be counted.
    """

    def __init__(self, snapshot: Callable[[], Any], folder: Path | None, every: int = 1):
        super().__init__()
        check_every(self, every)
        self.snapshot, self.every = snapshot, every
        self._log: Any = None if folder is None else EventLog(folder, every=1)
        self._last_step = -1  # of the latest snapshot
        self._offset: Any = None  # added to Keras' epochs: those of earlier calls of `fit`

    def _write(self, snapshot: Any, step: int) -> None:
        raise NotImplementedError

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._offset = None

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._offset is None:
            self._offset = max(self._last_step - epoch, 0)
            if epoch + self._offset != self._last_step:
                self._take_snapshot(epoch + self._offset)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._take_snapshot(epoch + 1 + self._offset)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._log is not None:
            self._log.close()

    def _take_snapshot(self, step):
        self._last_step = step
        if step % self.every == 0 and (snapshot := self.snapshot()):
            self._write(snapshot, step)
            if self._log is not None:
                self._log.flush()


class LayerSnapshotCallback(SnapshotCallback):
    """A `SnapshotCallback` that keeps the figures over time of each layer of a model.

    If it is used with another model, it starts over.

    Args:
        snapshot: see `SnapshotCallback`.
        log_dir: event files are written to its folder `kind`; None: no files.
        every: see `SnapshotCallback`.
    """

    kind: str

    def __init__(self, snapshot: Callable[[], Any], log_dir: str | Path | None, every: int = 1):
        super().__init__(snapshot, None if log_dir is None else Path(log_dir) / self.kind, every)
        self._recorded_model: Any = None
        self._snapshots: dict[int, Mapping[str, Figures]] = {}

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        if self.model is not self._recorded_model:
            self._recorded_model, self._snapshots, self._last_step = self.model, {}, -1

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


def check_every(callback: keras.callbacks.Callback, every: Any) -> None:
    """Raise a ValueError if the argument `every` of a callback is not a positive integer."""
    if not isinstance(every, int) or every < 1:
        raise ValueError(
            f"{type(callback).__name__}: `every` must be a whole number from 1, not {every!r}"
        )
