"""The part that all oracles share: a search that ends, and that survives its process."""

import contextlib
import functools
import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import keras_tuner
from keras_tuner.src.engine.metrics_tracking import MetricsTracker
from keras_tuner.src.engine.oracle import LOCKS, THREADS
from keras_tuner.src.engine.trial import Trial

from ..core.errors import DamagedFile
from ..core.files import read_json, write_text
from .trial_folder import was_interrupted

T = TypeVar("T")
REASON = "tuner/reason"  # a value that carries the reason of a failure to the chief


def mark_failed(trial: Trial, reason: str) -> None:
    """Mark a trial as failed, before `end_trial` of an oracle in this process or of a chief."""
    trial.status, trial.message = "INVALID", reason
    trial.hyperparameters.values[REASON] = reason  # keras-tuner's gRPC loses the message


def synchronized(method: Callable[..., T]) -> Callable[..., T]:
    """Hold keras-tuner's lock of the oracle during a method, and release it after an exception.

    keras-tuner's own decorator keeps the lock for ever after an exception.
    """

    @functools.wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> T:
        thread = threading.current_thread().name
        if THREADS[self] == thread:
            return method(self, *args, **kwargs)
        with LOCKS[self]:
            THREADS[self] = thread
            try:
                return method(self, *args, **kwargs)
            finally:
                THREADS[self] = None

    return locked


class DurableOracle(keras_tuner.Oracle):
    """A mixin of all four oracles; it comes before keras-tuner's class among the bases.

    Attributes:
        arguments: names of the arguments that must not change when a search resumes.
    """

    arguments: tuple[str, ...] = ("allow_new_entries", "tune_new_entries")

    def __init__(
        self,
        *,
        seed: int,
        max_trials: int | None,
        max_consecutive_failed_trials: int | None = None,
        **arguments: Any,
    ):
        super().__init__(
            seed=seed, max_consecutive_failed_trials=max_consecutive_failed_trials, **arguments
        )
        self.seed = seed  # keras-tuner takes 0 for no seed
        self._seed_state = seed << 32  # a counter, which must not reach that of the next seed
        self.max_trials = max_trials
        self._max_collisions = 1000  # with its 20, a small space ends before all of it was tried
        self._nothing_left = self._changing = self._unsaved = False
        self.verbose = 0

    # What a worker needs

    @property
    @synchronized
    def done(self) -> bool:
        """Whether no trial is running or queued, and none is left to try."""
        return (self._is_full or self._nothing_left) and not (
            self.ongoing_trials or self._retry_queue
        )

    @property
    def ending(self) -> str | None:
        """Why the search is done; None: it is not."""
        if not self.done:
            return None
        count = len(self.trials)
        return f"all {count} trials done" if self._is_full else f"nothing left to try after {count}"

    def trials_in_total(self, combinations: float) -> float:
        """Return the number of trials that a space with this number of combinations allows."""
        return combinations

    @property
    def _is_full(self) -> bool:
        return self.max_trials is not None and len(self.trials) >= self.max_trials

    @synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """Return the next trial of a worker: from the queue, or with new values."""
        self._nothing_left = False
        if self._retry_queue and tuner_id not in self.ongoing_trials:
            self._prepare_queued_trial()
        with self._one_save():
            trial = super().create_trial(tuner_id)
            if trial.status == "STOPPED" and not self._is_full:
                self._nothing_left = True
                self.save()
        if trial.status == "STOPPED" and not self.done:
            trial.status = "IDLE"  # a running trial returns to the queue if its worker dies
        return trial

    def _prepare_queued_trial(self) -> None:
        """Make the earliest trial in the queue the next one, without the metrics of its last run.

        keras-tuner takes the latest trial, and would average the metrics of both runs.
        """
        self._retry_queue.sort(key=self.start_order.index, reverse=True)
        trial = self.trials[self._retry_queue[-1]]
        trial.status, trial.message = "RUNNING", None
        trial.metrics, trial.score, trial.best_step = MetricsTracker(), None, 0
        self._save_trial(trial)

    @synchronized
    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        """Record the finite metrics; a trial that ends without a finite objective has failed."""
        trial = self.trials[trial_id]
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        is_lost = self.objective.name in metrics and self.objective.name not in finite
        if is_lost or trial_id in self.end_order:
            return trial
        trial = super().update_trial(trial_id, finite, int(step))
        self.save()
        return trial

    @synchronized
    def end_trial(self, trial: Trial) -> None:
        """Record the end of a trial; if two workers have run it, that of the first one."""
        own = self.trials[trial.trial_id]
        if own.trial_id in self.end_order:
            return
        trial.message = trial.hyperparameters.values.pop(REASON, trial.message)
        trial.hyperparameters = _merged(own.hyperparameters, trial.hyperparameters)
        if trial.status == "COMPLETED" and not own.metrics.exists(self.objective.name):
            trial.status, trial.message = "INVALID", f"no finite {self.objective.name} was reported"
        if own.trial_id in self._retry_queue:
            self._retry_queue.remove(own.trial_id)
        with self._one_save():
            super().end_trial(trial)
        super()._check_consecutive_failures()

    def _check_consecutive_failures(self) -> None:
        """Do nothing: `end_trial` checks after the trial was saved."""

    @synchronized
    def requeue(self, trial_id: str) -> bool:
        """Put the trial of a dead worker into the queue; return False if it was not running."""
        for tuner_id, trial in self.ongoing_trials.items():
            if trial.trial_id == trial_id:
                del self.ongoing_trials[tuner_id]
                self.tuner_ids.discard(tuner_id)  # a chief waits for these to sign off
                self._retry_queue.append(trial_id)
                return True  # not saved: `reload` puts running trials into the queue, too
        return False

    @property
    @synchronized
    def queued_trials(self) -> list[str]:
        """The trials that run next, before new ones."""
        return [*self._retry_queue]

    @synchronized
    def keep_running(self, trial_id: str) -> None:
        """Take a trial out of the queue: its worker is alive and still runs it."""
        if trial_id in self._retry_queue:
            self._retry_queue.remove(trial_id)
            self.ongoing_trials[f"worker of {trial_id}"] = self.trials[trial_id]

    # What is saved

    @property
    def project(self) -> Path:
        """The folder of the search."""
        return Path(self._project_dir)

    def get_state(self) -> dict[str, Any]:
        """Return keras-tuner's state of the oracle, all trials, and whether it is done."""
        trials = [trial.get_state() for trial in self.trials.values()]
        own = {"trials": trials, "nothing_left": self._nothing_left, "done": self.done}
        return super().get_state() | own

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` has returned."""
        trials = [Trial.from_state(trial) for trial in state["trials"]]
        self.trials = {trial.trial_id: trial for trial in trials}
        super().set_state(state)
        self._nothing_left = state["nothing_left"]

    @synchronized
    def save(self) -> None:
        """Write oracle.json, at the end of a change."""
        self._unsaved = True
        if not self._changing:
            write_text(Path(self._get_oracle_fname()), json.dumps(self.get_state()))

    @contextlib.contextmanager
    def _one_save(self) -> Iterator[None]:
        """Save once after the block, instead of several times within it, as keras-tuner does."""
        self._changing, self._unsaved = True, False
        try:
            yield
        finally:
            self._changing = False
        if self._unsaved:
            self.save()

    def _save_trial(self, trial: Trial) -> None:
        path = Path(self._get_trial_dir(trial.trial_id), "trial.json")
        write_text(path, json.dumps(trial.get_state()))

    @synchronized
    def reload(self) -> None:
        """Restore the last saved state; trials that ran or were interrupted go to the queue.

        Raises:
            DamagedFile: the state cannot be read.
        """
        file = Path(self._get_oracle_fname())
        if not file.exists():
            return
        try:
            self.set_state(read_json(file))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise DamagedFile(file, "not the state of a search") from None
        self._retry_queue += [trial.trial_id for trial in self.ongoing_trials.values()]
        self.ongoing_trials = {}
        again = [id_ for id_ in self.end_order if was_interrupted(self.trials[id_].message)]
        self._retry_queue += again
        self.end_order = [id_ for id_ in self.end_order if id_ not in again]


def _merged(
    own: keras_tuner.HyperParameters, reported: keras_tuner.HyperParameters
) -> keras_tuner.HyperParameters:
    """Return a trial's own hyperparameters, in their order, and those that its training added."""
    merged = own.copy()
    merged.merge(reported.space, overwrite=False)
    merged.values = reported.values | own.values
    return merged
