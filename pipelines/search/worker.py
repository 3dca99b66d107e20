"""A worker of a search: asks an oracle for trials, and lets a process train them."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.src.engine.trial import Trial

from .durable_oracle import mark_failed
from .plan import SearchPlan
from .processes import PATIENCE, TrialProcess
from .trial_folder import read_result
from .trial_process import prepare, run_to_result

if TYPE_CHECKING:
    from .durable_oracle import DurableOracle

WAIT = 0.2  # seconds between two checks of a process, or two requests for a trial


class SearchStopped(BaseException):
    """The search stops; the trial will be resumed."""


class TrialWorker(BaseTuner):
    """keras-tuner's `Tuner` in a thread; it lets another process train its trials.

    The oracle maximizes the score; an objective to minimize is reported with the opposite sign. The
    metric may depend on the network, so its direction is known only after the training.

    Args:
        plan: the plan of the search.
        oracle: the oracle in this process. If keras-tuner's environment variables name a chief, its
            oracle is used instead.
        process: the process, with the CPU cores and GPUs that the trials use.
        stop: set when the search is to stop.

    Attributes:
        thread: the thread in which `search` runs; the caller starts it.
        error: the exception that has ended the thread; None: there was none.
        patience: seconds that a trial's process has to stop by itself.
    """

    patience: float = PATIENCE

    def __init__(
        self,
        plan: SearchPlan,
        oracle: "DurableOracle",
        process: TrialProcess,
        stop: threading.Event,
    ):
        super().__init__(oracle, directory=plan.project.parent, project_name=plan.project.name)
        self.plan, self.process, self.stop = plan, process, stop
        self.tuner_id = os.environ.get("KERASTUNER_TUNER_ID", f"here-{process.resources.number}")
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._work, name=self.tuner_id, daemon=True)

    def _work(self) -> None:
        try:
            self.search()
        except SearchStopped:
            pass
        except BaseException as error:
            self.error = error

    # What keras-tuner's `search` calls

    def pre_create_trial(self) -> None:
        """Wait before each request: keras-tuner repeats one at once if there is no trial yet."""
        self.pause()

    def _try_run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        result = self.run_trial(trial)
        if result["score"] is None:
            mark_failed(trial, result["reason"])
            return
        sign = 1 if result["objective"]["direction"] == "max" else -1
        metrics = {"score": sign * result["score"]}
        self.oracle.update_trial(trial.trial_id, metrics, step=result["best_epoch"])
        trial.status = "COMPLETED"

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Train a trial, unless it has a result; return the content of result.json."""
        folder = self.plan.trial_folder(trial.trial_id)
        if not read_result(folder):
            prepare(self.plan, trial.trial_id, trial.hyperparameters)
        watch = self.watch(trial.trial_id)
        return run_to_result(folder, self.process, watch, self.pause, self.patience)

    def save(self) -> None:
        """Save nothing: the oracle saves everything."""

    # What a worker of another machine extends

    def watch(self, trial_id: str) -> Callable[[], None]:
        """Return the function that `run_process` calls while the process of a trial runs."""
        return self.pause

    def pause(self, seconds: float | None = None) -> None:
        """Wait.

        Args:
            seconds: None: `WAIT`.

        Raises:
            SearchStopped: the search is to stop.
        """
        if self.stop.wait(WAIT if seconds is None else seconds):
            raise SearchStopped


def run_workers(
    workers: Sequence[TrialWorker],
    stop: threading.Event,
    meanwhile: Callable[[], None] = lambda: None,
    is_done: Callable[[], bool] = lambda: True,
) -> None:
    """Let workers run trials in parallel until there are no more.

    Args:
        stop: the workers' event; set when this function ends, also by Ctrl-C.
        meanwhile: function to call regularly.
        is_done: returns whether there is nothing to wait for but these workers.

    Raises:
        Exception: whatever has ended a worker.
    """
    try:
        for worker in workers:
            worker.thread.start()
        while not is_done() or any(worker.thread.is_alive() for worker in workers):
            _raise_errors(workers)
            meanwhile()
            time.sleep(WAIT)
    finally:
        stop.set()
        for worker in workers:
            worker.thread.join()
    _raise_errors(workers)


def _raise_errors(workers: Sequence[TrialWorker]) -> None:
    for worker in workers:
        if worker.error is not None:
            raise worker.error
