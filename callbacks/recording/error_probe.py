"""Decides when the errors of single predictions are measured, and keeps them."""

import functools
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...layers.workers import of_chief
from ..findings.decay import decay
from ..findings.finding import MIN_STEPS
from ..findings.probe import COMPILING, COST, Probe, probe_of
from .event_log import EventLog
from .event_reader import Recorded
from .memory import Memory
from .prediction_errors import prediction_errors
from .rows import Rows, join
from .tables import tables

EXAMPLES = 4
MAX_COST = 0.02  # of the time of training
_COMPILING = 1.5  # seconds that the first measurement is expected to take
KIND = "error_probe"  # of the rows in event files
MAX_ROWS = 64  # of each layer, the latest ones


class ErrorProbe:
    """Measures the error of one prediction alone, on a few examples, while a model trains.

    `ErrorFlow` measures after an epoch if all measurements together then take at most 2% of the
    time of training, and at the end of training if it has not measured yet. The first measurement
    takes longest, because TensorFlow traces the loops.

    Args:
        data: (x, y) or (x, y, sample_weight), of which the first `EXAMPLES` examples are taken; or
            a function that returns it, called when it is needed first; None: the first examples of
            the first batch of training, see `take`; False: never measure.

    Raises:
        ValueError: `data` has another form.
    """

    def __init__(self, data: Any):
        self._is_automatic = data is None
        self._data = None if data is None or data is False else data
        if self._data is not None and not callable(self._data):
            self._data = _few(self._data)
        self.start_over()

    def start_over(self) -> None:
        """Forget all measurements, and those that failed."""
        self.rows: dict[str, list[Rows]] = {}
        self._about: dict[str, Mapping[str, Any]] = {}
        self._failed = self._is_traced = False
        self._examples: Any = None
        self._trained = self._spent = self._epoch = 0.0  # seconds
        self._expected = _COMPILING
        self._began: float | None = None
        self._postponed: Callable[[], None] | None = None

    def state(self) -> dict[str, float]:
        """Return the times of training and measuring so far, for `resume` in another process."""
        return {"trained": self._trained, "spent": self._spent}

    def resume(self, state: Mapping[str, float], recorded: Mapping[str, Recorded]) -> None:
        """Go on after the measurements of an earlier process, by the name of the layer."""
        self._trained, self._spent = state.get("trained", 0.0), state.get("spent", 0.0)
        for name, (rows, about, _) in recorded.items():
            self.rows[name] = [rows.latest(MAX_ROWS)]
            self._about[name] = about

    @property
    def waits(self) -> bool:
        """Whether a batch of training is to be taken."""
        return self._is_automatic and self._examples is None and not self._failed

    def take(self, batch: Any) -> None:
        """Take the first examples of a batch of training, if it has targets."""
        self._failed = not (
            isinstance(batch, tuple)
            and 2 <= len(batch) <= 3
            and all(part.shape.rank for part in tf.nest.flatten(batch))
        )
        self._examples = None if self._failed else _few(batch)

    def epoch_begins(self) -> None:
        """Start the clock."""
        self._began, self._postponed = time.perf_counter(), None

    def epoch_ends(
        self, model: keras.Model, memory: Memory, step: int, log: EventLog | None
    ) -> None:
        """Measure if it is needed, and cheap enough; see `training_ends`."""
        if self._began is not None:
            self._epoch = time.perf_counter() - self._began
            self._trained += self._epoch
            self._began = None
        if not self._has_examples:
            return
        is_cheap = self._spent + self._expected <= MAX_COST * self._trained
        if any(of_chief(model.distribute_strategy, bytes([is_cheap]))):  # clocks differ
            self._measure_if_needed(model, memory, step, log)

    def training_ends(
        self, model: keras.Model, memory: Memory, step: int, log: EventLog | None
    ) -> None:
        """Measure if it is needed and was never done.

        What nobody has asked for, and no file is to hold, is measured by `of`: tracing takes longer
        than many a short training.

        Args:
            model: a compiled model.
            memory: the recorded rows, by the names in `ErrorFlow.history`.
            step: the training step after which it is measured.
            log: the event files, if there are any.
        """
        if self.rows:
            return
        measure = functools.partial(self._measure_if_needed, model, memory, step, log)
        if self._is_automatic and log is None:
            self._postponed = measure
        else:
            measure()

    def _measure_if_needed(self, model, memory, step, log):
        """Measure unless errors enter every layer at one step, where the rows show how far."""
        if not self._has_examples or self._failed:
            return
        recent = [tables(rows.latest(MIN_STEPS)) for rows in memory.all().values()]
        if any(len(t["step"]) == MIN_STEPS and decay(t).enters_everywhere for t in recent):
            self._measure(model, step, log)

    def _measure(self, model, step, log):
        try:
            measured, seconds, compiling = self._timed(model)
        except Exception as error:
            self._failed = True
            if self._is_automatic:  # nobody has asked for it
                return
            warnings.warn(
                f"ErrorFlow: the errors of single predictions could not be measured on `probe`: "
                f"{type(error).__name__}: {error}. The training goes on",
                stacklevel=2,
            )
            return
        self._expected = seconds
        self._spent += seconds + compiling
        cost = {COST: seconds / max(self._epoch, seconds / 1e3), COMPILING: compiling}
        for name, (measured_row, prediction) in measured.items():
            row = _with(measured_row, step, cost)
            self._about[name] = {"prediction": prediction, "examples": self._count}
            self.rows[name] = [*self.rows.get(name, []), row][-MAX_ROWS:]
            if log is not None:
                log.write(KIND, {name: row}, self._about[name], {}, step, every_row=True)

    def _timed(self, model):
        """Measure, for the first time twice: the time of the first pass is that of compiling."""
        data, compiling = self._few_examples(), 0.0
        if not self._is_traced:
            began = time.perf_counter()
            prediction_errors(model, *data)
            compiling, self._is_traced = time.perf_counter() - began, True
        began = time.perf_counter()
        measured = prediction_errors(model, *data)
        seconds = time.perf_counter() - began
        return measured, seconds, max(compiling - seconds, 0.0)

    @property
    def _has_examples(self):
        return self._data is not None or self._examples is not None

    def _few_examples(self):
        if self._examples is None:
            self._examples = _few(self._data()) if callable(self._data) else self._data
        return self._examples

    @property
    def _count(self) -> int:
        return len(tf.nest.flatten(self._examples)[0])

    def of(self, name: str) -> Probe | None:
        """Return the measurements of a layer; None if there are none."""
        measure, self._postponed = self._postponed, None
        if measure is not None:
            measure()
        if name not in self.rows:
            return None
        return probe_of(join(self.rows[name]), self._about[name])


def _few(data: Any) -> tuple[Any, ...]:
    """Return the first examples of (x, y) or (x, y, sample_weight)."""
    if not isinstance(data, tuple | list) or not 2 <= len(data) <= 3:
        raise ValueError("ErrorFlow: `probe` must be (x, y) or (x, y, sample_weight)")
    return tf.nest.map_structure(lambda p: None if p is None else p[:EXAMPLES], tuple(data))


def _with(row: Rows, step: int, numbers: Mapping[str, float]) -> Rows:
    """Return the row as that of a training step, with these numbers as further statistics."""
    count, width = len(row.statistics), row.values.shape[-1]
    halves = row.values.reshape(-1, count, 1, width)
    further = np.reshape([*numbers.values()], [1, -1, 1, 1]).astype(np.float32)
    further = np.broadcast_to(further, [len(halves), len(numbers), 1, width])
    values = np.concatenate([halves, further], axis=1).reshape(-1, 1, width)
    return Rows(np.array([step]), row.lengths, values, [*row.statistics, *numbers])
