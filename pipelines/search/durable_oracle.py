"""What all of errorflow's oracles have in common: keras-tuner's, made to end and to last."""

import contextlib
import functools
import json
import math
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.src.engine.metrics_tracking import MetricsTracker
from keras_tuner.src.engine.oracle import LOCKS, THREADS
from keras_tuner.src.engine.trial import Trial

from ..core.files import read_json, write_text

REASON = "tuner/reason"


def fail(trial: Trial, reason: str) -> None:
    """Marks a trial as failed, to be given to `end_trial`, of an oracle here or of a chief."""
    trial.status, trial.message = "INVALID", reason
    trial.hyperparameters.values[REASON] = reason  # keras-tuner's gRPC leaves the message behind


def synchronized(method):
    """As keras-tuner's, whose lock it takes, but an exception does not leave that shut for ever."""

    @functools.wraps(method)
    def alone(self, *args, **kwargs):
        thread = threading.current_thread().name
        if THREADS[self] == thread:
            return method(self, *args, **kwargs)
        with LOCKS[self]:
            THREADS[self] = thread
            try:
                return method(self, *args, **kwargs)
            finally:
                THREADS[self] = None

    return alone


class Durable(keras_tuner.Oracle):
    """What all four have in common; stands before keras-tuner's class among the bases."""

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
        self.seed = seed  # keras-tuner takes 0 for none
        self._seed_state = seed << 32  # it counts on from here, and would run into the next seed's
        self.max_trials = max_trials
        self._max_collisions = 1000  # at its 20 a small space ends with some of it never tried
        self._nothing_left = self._changing = self._unsaved = False
        self.verbose = 0

    # What a worker loop asks for

    @property
    @synchronized
    def done(self) -> bool:
        """Whether nothing runs, waits, or is left to try."""
        return (self._full or self._nothing_left) and not (self.ongoing_trials or self._retry_queue)

    @property
    def ending(self) -> str | None:
        """Why the search is done; None until it is."""
        if not self.done:
            return None
        count = len(self.trials)
        return f"all {count} trials done" if self._full else f"nothing left to try after {count}"

    def of_all(self, combinations: float) -> float:
        """How many trials there are to run of so many combinations."""
        return combinations

    @property
    def _full(self) -> bool:
        return self.max_trials is not None and len(self.trials) >= self.max_trials

    @synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        self._nothing_left = False
        if self._retry_queue and tuner_id not in self.ongoing_trials:
            self._ready_again()
        with self._one_save():
            trial = super().create_trial(tuner_id)
            if trial.status == "STOPPED" and not self._full:
                self._nothing_left = True
                self.save()
        if trial.status == "STOPPED" and not self.done:
            trial.status = "IDLE"  # what still runs may come back, when its worker dies
        return trial

    def _ready_again(self) -> None:
        """Makes the earliest trial that waits the next to run, with nothing left of its last run.

        keras-tuner takes the latest, and would average the metrics of both runs.
        """
        self._retry_queue.sort(key=self.start_order.index, reverse=True)
        trial = self.trials[self._retry_queue[-1]]
        trial.status, trial.message = "RUNNING", None
        trial.metrics, trial.score, trial.best_step = MetricsTracker(), None, 0
        self._save_trial(trial)

    @synchronized
    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        """Records what is finite: a trial without a finite objective has failed when it ends."""
        trial = self.trials[trial_id]
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        lost = self.objective.name in metrics and self.objective.name not in finite
        if lost or trial_id in self.end_order:
            return trial
        trial = super().update_trial(trial_id, finite, int(step))
        self.save()
        return trial

    @synchronized
    def end_trial(self, trial: Trial) -> None:
        """Records a trial; of one that two workers have run, what the first of them says."""
        own = self.trials[trial.trial_id]
        if own.trial_id in self.end_order:
            return
        trial.message = trial.hyperparameters.values.pop(REASON, trial.message)
        trial.hyperparameters = _with_what_is_new(own.hyperparameters, trial.hyperparameters)
        if trial.status == "COMPLETED" and not own.metrics.exists(self.objective.name):
            trial.status, trial.message = "INVALID", f"no finite {self.objective.name} was reported"
        if own.trial_id in self._retry_queue:
            self._retry_queue.remove(own.trial_id)
        with self._one_save():
            super().end_trial(trial)
        super()._check_consecutive_failures()

    def _check_consecutive_failures(self) -> None:
        """Put off until the trial is saved; without a limit it never raises."""

    @synchronized
    def give_back(self, trial_id: str) -> bool:
        """Puts a trial whose worker died back, to be run next; False if it was not running."""
        for tuner_id, trial in self.ongoing_trials.items():
            if trial.trial_id == trial_id:
                del self.ongoing_trials[tuner_id]
                self.tuner_ids.discard(tuner_id)  # a chief waits for it to say goodbye
                self._retry_queue.append(trial_id)
                return True  # no save: the last one has it running, which is put back as well
        return False

    @property
    @synchronized
    def waiting(self) -> list[str]:
        """The trials in the queue."""
        return [*self._retry_queue]

    @synchronized
    def keep_running(self, trial_id: str) -> None:
        """Takes a trial that waits out of the queue again: its worker is alive and goes on."""
        if trial_id in self._retry_queue:
            self._retry_queue.remove(trial_id)
            self.ongoing_trials[f"worker of {trial_id}"] = self.trials[trial_id]

    # What is kept

    @property
    def project(self) -> Path:
        return Path(self._project_dir)

    def get_state(self) -> dict[str, Any]:
        trials = [trial.get_state() for trial in self.trials.values()]
        return super().get_state() | {"trials": trials, "nothing_left": self._nothing_left}

    def set_state(self, state: dict[str, Any]) -> None:
        self.trials = {kept["trial_id"]: Trial.from_state(kept) for kept in state["trials"]}
        super().set_state(state)
        self._nothing_left = state["nothing_left"]

    @synchronized
    def save(self) -> None:
        self._unsaved = True
        if not self._changing:
            write_text(Path(self._get_oracle_fname()), json.dumps(self.get_state()))

    @contextlib.contextmanager
    def _one_save(self) -> Iterator[None]:
        """Makes one save, at the end, of those that keras-tuner makes in the midst of a change."""
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
        """As it stood at the last save; what ran then waits to be run again."""
        state = read_json(Path(self._get_oracle_fname()))
        if state:
            self.set_state(state)
            self._retry_queue += [trial.trial_id for trial in self.ongoing_trials.values()]
            self.ongoing_trials = {}


def _with_what_is_new(
    own: keras_tuner.HyperParameters, told: keras_tuner.HyperParameters
) -> keras_tuner.HyperParameters:
    """The trial's own hyperparameters, and what it has met besides; gRPC sorts them anew."""
    both = own.copy()
    both.merge(told.space, overwrite=False)
    both.values = told.values | own.values
    return both
