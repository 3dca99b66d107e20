"""Warnings while a model trains: what the findings know is said as soon as it is true."""

import dataclasses
import math
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from ..layers.workers import worker_index
from .drawing.notebook_figure import NothingRecorded
from .drawing.plain_figures import time_line
from .findings.finding import MIN_STEPS, Finding
from .findings.training_warning import READINGS, Scope, TrainingWarning, loss_warnings
from .findings.warning_kinds import KINDS
from .recording import frames
from .recording.chief_log import event_log
from .recording.guard import guarded
from .recording.loss_meter import LossMeter
from .recording.printable import literal, printable
from .recording.results import ResultsCallback
from .recording.run_places import TRAIN
from .recording.step_recorder import StepRecorder
from .recording.training_steps import steps_so_far

if TYPE_CHECKING:
    import pandas as pd

BETWEEN = 20  # training steps between two readings
SHARE = 5  # in a short training, the window is this part of its training steps
SHORTEST = 2 * MIN_STEPS  # window


class EarlyWarning(ResultsCallback):
    """Warns on stderr when something goes wrong with a training, once, when it becomes true.

        gradients, flow = LayerGradients(), ErrorFlow()
        warning = EarlyWarning(gradients, flow, stop_when=("stuck", "diverged"))
        model.fit(x, y, callbacks=[gradients, flow, warning])

    prints, for example, "warning, step 240: conv1 and conv2 have received no gradient for 100
    steps", followed by what may help. There are these kinds of warnings:

        stuck      layers receive no gradient (nine in ten recorded steps of the window, or all)
        dead       more than half of a layer's units received no gradient in the 100 recorded steps
                   before each step of the window
        vanishing  the first time step that a recurrent layer reads receives less than 1/1,000 of
                   the error at the last one; or the relative gradient of the first layers is less
                   than 1/1,000 of that of the last ones: in each recorded step of the window
        exploding  the same, more than 1,000 times
        diverged   loss or gradient are not finite, or the mean loss was more than ten times that of
                   the first training step in three successive readings (60 training steps)

    Frozen layers, and layers that lead only to outputs with the loss weight 0, are not judged; nor
    is an error that enters a recurrent layer at many time steps. The window is the last `window`
    training steps; in a training of fewer than five windows a fifth of all steps, but at least 20.
    "vanishing" and "exploding" are given after two windows at the earliest, because at the
    beginning a vanishing error is natural.

    It reads what the other callbacks have already read. If a training step takes 50 ms, this costs
    about 0.1% of the time, and less than 1% if it takes 6 ms.

    Args:
        *recorders: the callbacks whose records are judged, `LayerGradients` and `ErrorFlow`; those
            of the same call of `fit`, before this one in the list. Without any, only the loss is
            judged.
        stop_when: kinds of warnings that end the training, after the step in which they are given.
        window: number of training steps in which a fault must show.
        log_dir: warnings are also written to `log_dir`/train, for TensorBoard's Text tab; None: no
            files.
        report: function that is called with each `TrainingWarning` in place of printing it; of
            several workers, the chief calls it.

    Attributes:
        warnings: all warnings of the training, in their order; they have `step`, `kind`, `layers`,
            `text`, `evidence` and `remedies`.
        stopped: the warning that has ended the training; None: it was not ended.

    Raises:
        ValueError: a kind in `stop_when` is unknown, or no recorder can notice it; `window` is
            below 20.
    """

    recorded = "training step"
    without_findings = "no warning was given"

    def __init__(
        self,
        *recorders: StepRecorder,
        stop_when: Collection[str] = (),
        window: int = 100,
        log_dir: str | Path | None = None,
        report: Callable[[TrainingWarning], None] | None = None,
    ):
        super().__init__()
        self.stop_when = (stop_when,) if isinstance(stop_when, str) else tuple(stop_when)
        _check(self.stop_when, recorders, window)
        self.recorders, self.window = recorders, window
        self._earlier: Mapping[str, Any] | None = None  # the state to go on from
        self._report = report or _print
        self._folder = None if log_dir is None else Path(log_dir) / TRAIN
        self._start_over()

    def _start_over(self):
        self.warnings: list[TrainingWarning] = []
        self.stopped: TrainingWarning | None = None
        self._log = event_log(self._folder, "warnings", self.model)
        self._losses: list[float] = []
        self._first: float | None = None  # the loss of the first training step
        self._model_before: Any = None

    def findings(self) -> list[Finding]:
        """Return the warnings as findings, in their order."""
        return [warning.as_finding() for warning in self.warnings]

    def plot(self) -> Figure:
        """Return the first 20 warnings on the time axis of the training.

        Raises:
            ValueError: no training step has been made.
        """
        steps = 0 if self.model is None else steps_so_far(self.model)
        if not steps and not self.warnings:
            raise NothingRecorded
        events = [(warning.step, warning.text) for warning in self.warnings]
        return time_line(events, steps, f"no warning in {steps:,} training steps")

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each warning.

        step     int   the training step at which it was given
        kind     str   stuck, dead, vanishing, exploding or diverged
        layers   str   the paths of the layers, separated by ", "; "": the whole network
        text     str   the sentence
        remedy   str   the first of its remedies; "": none
        stopped  bool  whether it has ended the training
        """
        return frames.of_warnings(self.warnings, self.stopped)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self.failure = None
        if self._model_before is not self.model:
            self._start_over()
            self._model_before = self.model
        self.stopped, self._meter = None, LossMeter()
        self._due = 1  # the first training step is read alone
        self._has_begun = False
        self._read = [0 for _ in self.recorders]  # the last training step that was judged
        self._go_on()

    def state(self) -> dict[str, Any]:
        """Return what a training that goes on in another process needs; see `resume`."""
        return {
            "warnings": [dataclasses.asdict(warning) for warning in self.warnings],
            "stopped": None if self.stopped is None else self.warnings.index(self.stopped),
            "losses": self._losses,
            "first": self._first,
            "due": self._due,
            "read": self._read,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Let the next call of `fit` go on with the training of an earlier process.

        What was said is not said again, and a training that was stopped is `stopped`.

        Args:
            state: that of the earlier process when it saved the weights that the model now has;
                empty if it is unknown.
        """
        self._earlier = state
        self._take_back_warnings(state)

    def go_on_after_stop(self) -> None:
        """Let a training that was stopped go on: the warning may be given once more."""
        if self._earlier and (place := self._earlier["stopped"]) is not None:
            warnings = [w for i, w in enumerate(self._earlier["warnings"]) if i != place]
            self.resume({**self._earlier, "warnings": warnings, "stopped": None})

    def _take_back_warnings(self, state):
        self.warnings = [TrainingWarning(**fields) for fields in state.get("warnings", [])]
        place = state.get("stopped")
        stopped = None if place is None else self.warnings[place]
        self.stopped = stopped if stopped and stopped.kind in self.stop_when else None

    def _go_on(self):
        state, self._earlier = self._earlier, None
        if not state:
            return
        self._take_back_warnings(state)
        self._losses = [math.nan if loss is None else loss for loss in state["losses"]]
        self._first = math.nan if state["first"] is None else state["first"]
        self._due, self._read = state["due"], state["read"]

    @guarded
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._meter.begin_epoch()
        if self._log is not None and not self._has_begun:
            self._log.begin(self, epoch)
        self._has_begun = True

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._due -= self.model.steps_per_execution
        if self._due <= 0:
            self._due = BETWEEN
            # Also after a failure: workers read the loss together.
            self._judge_reading(self._meter.read(self.model))

    @guarded
    def _judge_reading(self, loss: float | None) -> None:
        if loss is not None:
            self._note_loss(loss)
        self._judge()

    def _note_loss(self, loss):
        self._losses = [*self._losses[1 - READINGS :], loss]
        if self._first is None:  # a training that goes on has no first step
            is_first = steps_so_far(self.model) <= self.model.steps_per_execution
            self._first = loss if is_first else math.nan

    @guarded
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        for recorder in self.recorders:
            recorder.catch_up()
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            self._losses = [*self._losses, float(loss)]
        is_last = epoch + 1 == self.params.get("epochs")
        self._judge(may_stop=not is_last or self.model.stop_training)
        if self._log is not None:
            self._log.flush()

    @guarded
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._log is not None:
            self._log.close()

    def stop_recording(self) -> None:
        if self._log is not None:
            self._log.abandon()

    def _judge(self, may_stop=True):
        """Judge the loss, and what the other callbacks have read since the last time."""
        first = math.nan if self._first is None else self._first
        new = loss_warnings(first, self._losses, self._known())
        for recorder, read in zip(self.recorders, self._read, strict=True):
            if recorder.last_step != read:
                known = self._known() | {key for warning in new for key in warning.keys}
                new += recorder.warnings(self._scope(known))
        self._read = [recorder.last_step for recorder in self.recorders]
        for warning in new:
            self._give(warning, may_stop)

    def _known(self):
        return {key for warning in self.warnings for key in warning.keys}

    def _scope(self, known):
        steps, epochs = self.params.get("steps"), self.params.get("epochs")
        window = self.window
        if steps and epochs:  # a short training ends before a long window is full
            window = min(window, max(SHORTEST, steps * epochs // SHARE))
        loss = self._losses[-1] if self._losses else None
        return Scope(window, 2 * self.window, known, loss)

    def _give(self, warning, may_stop):
        warning = dataclasses.replace(warning, step=steps_so_far(self.model))
        self.warnings.append(warning)
        if self._log is not None:
            self._log.step = warning.step
            self._log.text("warnings", literal(warning.sentence))
        if worker_index(self.model.distribute_strategy) == 0:
            self._report(warning)
        if may_stop and self.stopped is None and warning.kind in self.stop_when:
            self.stopped = warning
            self.model.stop_training = True


def _print(warning: TrainingWarning) -> None:
    remedies = f"; may help: {warning.remedies[0]}" if warning.remedies else ""
    print(f"\n{printable(warning.sentence + remedies)}", file=sys.stderr, flush=True)


def _check(stop_when, recorders, window):
    """Raise a ValueError for arguments that cannot be right."""
    for kind in stop_when:
        if kind not in KINDS:
            raise ValueError(f"EarlyWarning: stop_when has no {kind!r}, only {', '.join(KINDS)}")
    unseen = {*stop_when} - {"diverged"}
    if unseen and not recorders:
        raise ValueError(
            f"EarlyWarning: {', '.join(sorted(unseen))} cannot be noticed without records; give it "
            "LayerGradients or ErrorFlow, as EarlyWarning(gradients, flow, stop_when=…)"
        )
    if window < SHORTEST:
        raise ValueError(f"EarlyWarning: window must be at least {SHORTEST}, got {window}")
