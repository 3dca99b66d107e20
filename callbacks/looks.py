"""What the callbacks share that look at something once an epoch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from .events import EventLog


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
        self._latest = -1  # the step of the last look
        self._ahead: Any = None  # of Keras' epochs, by those of an earlier `fit`

    def _write(self, seen: Any, step: int) -> None:
        raise NotImplementedError

    def on_train_begin(self, logs=None):
        self._ahead = None

    def on_epoch_begin(self, epoch, logs=None):
        if self._ahead is None:
            self._ahead = max(self._latest - epoch, 0)
            if epoch + self._ahead != self._latest:
                self._look(epoch + self._ahead)

    def on_epoch_end(self, epoch, logs=None):
        self._look(epoch + 1 + self._ahead)

    def on_train_end(self, logs=None):
        if self._log is not None:
            self._log.close()

    def _look(self, step):
        self._latest = step
        if step % self.every == 0 and (seen := self.look()):
            self._write(seen, step)
            if self._log is not None:
                self._log.flush()
