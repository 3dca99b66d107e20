"""The base class of callbacks that record one row per training step."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...layers.workers import worker_count
from ..findings.training_warning import Scope, TrainingWarning
from .blocks import tag
from .chief_log import event_log
from .guard import guarded
from .memory import Memory
from .resumable import ResumableRecorder
from .rows import Rows
from .run_places import TRAIN, end_training
from .snapshot import check_every
from .training_steps import training_steps

IMAGE_GROWTH = 1.05  # a new image is drawn when the number of training steps grew by this factor


class StepRecorder(ResumableRecorder):
    """A callback that reads rows which the training step itself writes into a ring.

    A subclass implements: `_attach` prepares the ring before training, `_read_rows` returns the new
    rows, each with the number of its training step. Each reading has a fixed cost, so the ring is
    read only if the next training step might overwrite a row that is to be recorded. What goes
    wrong becomes a warning, except in `_check`.

    Training steps are numbered from 1, by the training step itself (`TrainingSteps`). If the model
    was trained before, numbering continues from its optimizer's count; if `fit` is called again, it
    continues too.

    Args:
        log_dir: event files are written to its folder `train`, see `run_places`; None: no files.
        every: record every `every`-th training step.

    Attributes:
        reads_together: whether a reading needs what other workers have recorded.
    """

    recorded = "training step"
    reads_together = False

    def __init__(self, log_dir: str | Path | None = None, every: int = 1):
        super().__init__()
        check_every(self, every)
        self.every = every
        self.log_dir = None if log_dir is None else Path(log_dir)
        self.is_training = False
        self._recorded_model: Any = None
        self._start_over()

    def _start_over(self):
        self._memory = Memory(self.every)
        folder = None if self.log_dir is None else self.log_dir / TRAIN
        self._log = event_log(folder, self.kind, self.model)
        self._step = 0  # the last training step that was read
        self._unread = 0  # upper bound of the training steps since then
        self._drawn = 0  # the training step of the latest images
        self._has_begun = False  # the number of the first training step is known

    @property
    def last_step(self) -> int:
        """The last training step that was read from the graph."""
        return self._step

    # Hooks that a subclass implements

    def warnings(self, scope: Scope) -> list[TrainingWarning]:
        """Return what is wrong in the training steps read so far; see `EarlyWarning`."""
        raise NotImplementedError

    def _check(self) -> None:
        """Raise a ValueError if the callback is certainly of no use for the model."""

    def _attach(self) -> None:
        raise NotImplementedError

    def _detach(self) -> None:
        """Leave the model alone: training, or recording, has ended."""

    def _capacity(self) -> int:
        """Return the number of training steps that the ring holds."""
        raise NotImplementedError

    def _discard_rows(self) -> None:
        """Forget the rows that are in the ring: they belong to no training step to come."""
        raise NotImplementedError

    def _read_rows(self, steps: np.ndarray) -> Mapping[str, Rows]:
        """Return the rows of these training steps, the latest ones, that have any."""
        raise NotImplementedError

    def _about(self) -> Mapping[str, Any]:
        """Return the metadata of the rows for this kind; see `blocks`."""
        raise NotImplementedError

    def _scalars(self, new: Mapping[str, Rows]) -> Mapping[str, Mapping[str, float]]:
        """Return {name: {figure: value}} of the new rows."""
        raise NotImplementedError

    def _images(self) -> Iterator[tuple[str, np.ndarray, str]]:
        """Yield (name, [height, width, 3] uint8, description)."""
        raise NotImplementedError

    # Hooks that Keras calls

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._has_begun = False
        self.catch_up()  # with a call of `fit` that was interrupted
        self.failure = None
        if self.model is not self._recorded_model:
            self._start_over()
            self._recorded_model = self.model
        self._check()
        self._start()

    @guarded
    def _start(self):
        self._steps = training_steps(self.model)
        self._steps_per_execution: int = self.model.steps_per_execution
        self.is_training = True
        self._attach()
        self._go_on()

    @guarded
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        is_first = not self._has_begun
        self._begin()
        if is_first and self._log is not None:
            self._log.begin(self, epoch)

    @guarded
    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._begin()

    def _begin(self):
        """Read the number of the first training step, after the other callbacks have begun.

        BackupAndRestore, for one, restores it when training begins.
        """
        if self._has_begun:
            return
        self._has_begun, self._unread = True, 0
        step = self._steps.begin(self.model)
        if step < self._step:  # restored from before
            self._memory.drop_after(step)
        self._step = step
        self._discard_rows()
        self._schedule()

    @guarded
    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._unread += self._steps_per_execution
        if self._unread >= self._due:
            self._catch_up()

    @guarded
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._catch_up()
        if self._log is not None:
            self._log.flush()
            if self._step >= IMAGE_GROWTH * self._drawn:
                self._draw(self._log)

    @guarded
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._catch_up()
        self.interrupt()
        end_training(self.model)
        self.is_training = False
        self._detach()

    def interrupt(self) -> None:
        """Write what was recorded: `fit` was interrupted, or has ended."""
        self.catch_up()
        if self._log is not None:
            if self._step > self._drawn:
                self._draw(self._log)
            self._log.close()

    def stop_recording(self) -> None:
        self.is_training = False
        self._unread = 0
        if self._log is not None:
            self._log.abandon()
        self._detach()

    # Reading and writing

    @guarded
    def catch_up(self) -> None:
        """Read the rows of all training steps since the last reading.

        If workers read together, they do so only at certain points of `fit`, which all of them
        reach: otherwise one of them might wait for the others without end.
        """
        if self._unread and not (self.reads_together and self._is_one_of_several()):
            self._catch_up()

    def _is_one_of_several(self):
        return worker_count(self._recorded_model.distribute_strategy) > 1

    def _catch_up(self):
        if not self._unread:
            return
        self._unread = 0
        before, self._step = self._step, self._steps.note(self._recorded_model, self._has_begun)
        rows = self._read_rows(np.arange(before + 1, self._step + 1))
        new = {name: r.mark(self._steps.skipped()) for name, r in rows.items() if len(r.steps)}
        kept = self._memory.add(new)
        self._schedule()
        if self._log is not None and new:
            self._write(self._log, new, kept)

    def _schedule(self):
        """Read before the next execution might overwrite the next row that is to be recorded."""
        stride = self._memory.stride
        until_next = stride - self._step % stride  # training steps until that row
        self._due = max(until_next, until_next + self._capacity() - self._steps_per_execution)

    def _write(self, log, new, kept):
        scalars = {
            tag(self.kind, figure, name): value
            for name, figures in self._scalars(new).items()
            for figure, value in figures.items()
        }
        about = {**self._about(), "steps_per_epoch": (self.params or {}).get("steps")}
        log.write(self.kind, kept, about, scalars, self._step, every_row=True)

    def _draw(self, log):
        self._drawn = self._step
        log.images(self.kind, self._images())
