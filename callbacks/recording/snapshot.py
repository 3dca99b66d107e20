"""What the callbacks share that look at something once an epoch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from .event_log import EventLog
from .rows import one_row

Figures = Mapping[str, np.ndarray]  # by name, each [T]


class Onlooker(keras.callbacks.Callback):
    """Looks when training begins and after each epoch, and writes what it sees.

    A subclass says how: `_write` takes what was seen and the number of epochs until then. Where
    there was nothing to see, it is not called.

    Args:
        look: a function without arguments that returns what there is to see.
        folder: of the event files; None: there are none, and no `_log`.
        every: look after each `every`-th epoch.

    `fit` called again goes on counting epochs.
    """

    def __init__(self, look: Callable[[], Any], folder: Path | None, every: int = 1):
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise ValueError(
                f"{type(self).__name__}: `every` must be a whole number from 1, not {every!r}"
            )
        self.look, self.every = look, every
        self._log: Any = None if folder is None else EventLog(folder, every=1)
        self._last = -1  # the step of the last look
        self._ahead: Any = None  # of Keras' epochs, by those of an earlier `fit`

    def _write(self, seen: Any, step: int) -> None:
        raise NotImplementedError

    def on_train_begin(self, logs=None):
        self._ahead = None

    def on_epoch_begin(self, epoch, logs=None):
        if self._ahead is None:
            self._ahead = max(self._last - epoch, 0)
            if epoch + self._ahead != self._last:
                self._look(epoch + self._ahead)

    def on_epoch_end(self, epoch, logs=None):
        self._look(epoch + 1 + self._ahead)

    def on_train_end(self, logs=None):
        if self._log is not None:
            self._log.close()

    def _look(self, step):
        self._last = step
        if step % self.every == 0 and (seen := self.look()):
            self._write(seen, step)
            if self._log is not None:
                self._log.flush()


class LayerOnlooker(Onlooker):
    """One that remembers what it saw of each layer of a model, figures over time.

    With another model it begins anew.

    Args:
        look: as for `Onlooker`.
        log_dir: event files go to its folder `kind`; None: nowhere.
        every: as for `Onlooker`.
    """

    kind: str

    def __init__(self, look: Callable[[], Any], log_dir: str | Path | None, every: int = 1):
        super().__init__(look, None if log_dir is None else Path(log_dir) / self.kind, every)
        self._watched: Any = None
        self._looks: dict[int, Mapping[str, Figures]] = {}

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        if self.model is not self._watched:
            self._watched, self._looks, self._last = self.model, {}, -1

    def _recorded(self) -> dict[str, dict[str, np.ndarray]]:
        """{layer: {"step": [N], figure: [N, T]}}"""
        looks = [*self._looks.values()]
        return {
            name: {
                "step": np.array([*self._looks]),
                **{part: np.stack([look[name][part] for look in looks]) for part in parts},
            }
            for name, parts in (looks[-1] if looks else {}).items()
        }

    def _remember(
        self, step: int, looks: Mapping[str, Figures], scalars: Mapping[str, float]
    ) -> None:
        """Keeps figures of each layer, and writes them as rows if anything is written."""
        self._looks[step] = looks
        if self._log is not None:
            rows = {name: one_row(step, figures) for name, figures in looks.items()}
            contents = {name: {"statistics": [*figures]} for name, figures in looks.items()}
            self._log.write(self.kind, rows, contents, scalars, step)
