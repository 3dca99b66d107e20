"""What the callbacks share: one row for each training step, read from the graph once in a while."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from .blocks import tag
from .event_log import EventLog
from .rows import Memory, Rows

GROWTH = 1.05  # of a run, after which there is a new picture
RING = 128  # training steps that wait in the graph before they are read


class StepRecorder(keras.callbacks.Callback):
    """A callback that reads what the training step itself wrote into a ring of rows.

    A subclass says how: `_attach` makes the ring ready before training, `_executed` says how many
    steps have run since the last reading, `_take` returns their rows. Reading costs little, but
    many times a little: so the ring is read only when the next execution might overwrite a row
    that is wanted.

    Training steps are numbered from 1; a model that was trained before counts on from its
    optimizer's `iterations`. `fit` called again goes on counting.
    """

    kind: str

    def __init__(self, log_dir=None, every=1):
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise ValueError(
                f"{type(self).__name__}: `every` must be a whole number from 1, not {every!r}"
            )
        self.every = every
        self.log_dir = None if log_dir is None else Path(log_dir)
        self.is_training = False
        self._watched = None
        self._begin_anew()

    def _begin_anew(self):
        self._memory = Memory(self.every)
        self._log = None
        if self.log_dir is not None:
            self._log = EventLog(self.log_dir / self.kind, self.every)
        self._step = 0  # the last training step that was read
        self._unread = 0  # at most so many have run since
        self._drawn = 0  # the training step of the latest pictures

    # What a subclass adds

    def _attach(self) -> None:
        raise NotImplementedError

    def _ring(self) -> int:
        """How many training steps the ring holds."""
        raise NotImplementedError

    def _executed(self) -> int:
        raise NotImplementedError

    def _take(self, steps: np.ndarray) -> Mapping[str, Rows]:
        """The rows of the training steps `steps`, the latest ones."""
        raise NotImplementedError

    def _content(self, rows: Rows) -> Mapping[str, Any]:
        """What the metadata of these rows say."""
        raise NotImplementedError

    def _scalars(self, new: Mapping[str, Rows]) -> Mapping[str, Mapping[str, float]]:
        """{name: {figure: value}} of the new rows."""
        raise NotImplementedError

    def _pictures(self) -> Iterator[tuple[str, np.ndarray, str]]:
        """(name, [height, width, 3] uint8, description)"""
        raise NotImplementedError

    # When Keras calls

    def on_train_begin(self, logs=None):
        self._catch_up()  # with a fit that was interrupted
        if self.model is not self._watched:
            self._begin_anew()
            self._watched = self.model
            self._step = iterations(self.model)
        self._pace = self.model.steps_per_execution
        self.is_training = True
        self._attach()
        self._set_due()

    def on_train_batch_end(self, batch, logs=None):
        self._unread += self._pace
        if self._unread >= self._due:
            self._catch_up()

    def on_epoch_end(self, epoch, logs=None):
        self._catch_up()
        if self._log is not None:
            self._log.flush()
            if self._step >= GROWTH * self._drawn:
                self._draw(self._log)

    def on_train_end(self, logs=None):
        self._catch_up()
        self.is_training = False
        if self._log is not None:
            if self._step > self._drawn:
                self._draw(self._log)
            self._log.close()

    # What it does then

    def _catch_up(self):
        if not self._unread:
            return
        executed = self._executed()
        steps = np.arange(self._step + 1, self._step + executed + 1)
        self._step += executed
        self._unread = 0
        new = {name: rows for name, rows in self._take(steps).items() if len(rows.steps)}
        self._memory.add(new)
        self._set_due()
        if self._log is not None and new:
            self._write(self._log, new)

    def _set_due(self):
        """Reading is due when the next execution might overwrite the next row that is wanted."""
        stride = self._memory.stride
        wanted = stride - self._step % stride  # in so many steps
        self._due = max(wanted, wanted + self._ring() - self._pace)

    def _write(self, log, new):
        contents = {name: self._content(rows) for name, rows in new.items()}
        scalars = {
            tag(self.kind, figure, name): value
            for name, figures in self._scalars(new).items()
            for figure, value in figures.items()
        }
        log.write(self.kind, new, contents, scalars, self._step)

    def _draw(self, log):
        self._drawn = self._step
        for name, picture, description in self._pictures():
            log.image(tag(self.kind, "heat_map", name), picture, description)


def iterations(model: keras.Model) -> int:
    """Training steps that the model's optimizer has made; it leaves out those it skipped."""
    with contextlib.suppress(AttributeError):  # no optimizer, or one of another make
        return int(model.optimizer.iterations.numpy())
    return 0
