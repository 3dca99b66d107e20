"""A worker of a search: asks an oracle for trials, and runs each in a process of its own."""

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.src.engine.trial import Trial

from ..core.config import replace
from ..core.config_files import dump_config
from ..core.errors import UserError
from ..core.files import write_json, write_text
from ..core.run_folder import RunFolder
from .config import Search
from .durable_oracle import fail
from .trial import PARENT, TAKEN
from .trial_folder import Request, read_result

DEATHS = 2  # of a trial's process without a result, until the trial has failed
WAIT = 0.2  # seconds between two looks at a process, or two questions for a trial
LAST_WORDS = 60  # seconds that a process has to stop when told to
LAST_WORDS_AWAY = 5  # where its trial may soon be given to another worker


class Stopped(BaseException):
    """The search is to stop; the trial is gone on with another time."""


@dataclasses.dataclass(frozen=True)
class Share:
    """What a worker has of its machine.

    Attributes:
        number: of the worker, from 0.
        processors: that its trials run on; None: on all.
        gpus: for CUDA_VISIBLE_DEVICES; None: all.
    """

    number: int = 0
    processors: Sequence[int] | None = None
    gpus: str | None = None


def shares(workers: int) -> list[Share]:
    """Processors and GPUs divided among workers; where there are too few, some share one."""
    if workers < 2:
        return [Share()] * workers
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    gpus = _gpus()

    def part(number: int, things: Sequence[Any]) -> Sequence[Any]:
        return things[number::workers] or things[number % len(things) :][:1]

    return [
        Share(
            number,
            part(number, processors) if processors else None,
            ",".join(part(number, gpus)) if gpus else None,
        )
        for number in range(workers)
    ]


def _gpus() -> list[str]:
    """By the names that CUDA_VISIBLE_DEVICES knows them by."""
    import tensorflow as tf

    found = [str(number) for number, _ in enumerate(tf.config.list_physical_devices("GPU"))]
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[: len(found)] if named else found


class TrialRunner(BaseTuner):
    """keras-tuner's Tuner, whose `run_trial` starts `python -m errorflow.pipelines.search.trial`.

    To the oracle a score is the higher the better: of an objective that is to be low, it is told
    the negative. Which figure that is may differ with the network, and is known after its training.

    Args:
        search: what is searched.
        oracle: of this process; keras-tuner puts that of a chief in its place where its environment
            variables name one.
        share: what of the machine the trials get.
        stop: set when the search is to stop.
        beat: seconds between two calls to the chief while a trial runs; None: there is no chief.
    """

    def __init__(
        self,
        search: Search,
        oracle: Any,
        share: Share,
        stop: threading.Event,
        beat: float | None = None,
    ):
        super().__init__(oracle, directory=search.project.parent, project_name=search.project.name)
        self.of, self.share, self.stop, self.beat = search, share, stop, beat
        self.tuner_id = os.environ.get("KERASTUNER_TUNER_ID", f"here-{share.number}")
        self.called = 0.0  # the chief, last
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._work, name=self.tuner_id, daemon=True)

    def _work(self) -> None:
        try:
            self.search()
        except Stopped:
            pass
        except BaseException as error:
            self.error = error

    # What keras-tuner's `search` calls

    def pre_create_trial(self) -> None:
        """Keras-tuner asks again at once when it is told to wait."""
        if self.stop.wait(WAIT):
            raise Stopped

    def _try_run_and_update_trial(self, trial: Trial) -> None:
        result = self.run_trial(trial)
        if result["score"] is None:
            fail(trial, result["reason"])
            return
        sign = 1 if result["objective"]["direction"] == "max" else -1
        self.oracle.update_trial(
            trial.trial_id, {"score": sign * result["score"]}, step=result["best_epoch"]
        )
        trial.status = "COMPLETED"

    def run_trial(self, trial: Trial) -> dict[str, Any]:
        """What its result.json holds."""
        folder = self.of.folder(trial.trial_id)
        if self.beat and not (folder / "trial.json").exists():
            raise UserError(f"{self.of.project} is not the folder that the chief's search is in")
        if not read_result(folder):
            self._prepare(folder, trial)
        _take_over(folder)
        code, deaths = 0, 0
        while not (result := read_result(folder)) and deaths < DEATHS:
            code = self._train(folder, trial.trial_id)
            if code == TAKEN:  # by a process that was told to stop, and has not yet
                if self.stop.wait(2):
                    raise Stopped
            else:
                deaths += 1
        if result:
            return result
        died = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return {"score": None, "reason": f"its process was {died}; its last words are in log.txt"}

    def save(self) -> None:
        """Nothing: the oracle keeps all there is to know."""

    # The trial's folder and process

    def _prepare(self, folder: Path, trial: Trial) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        values = trial.hyperparameters.values
        drawn = self.of.drawn(trial.hyperparameters)
        config = replace(self.of.config, **drawn)
        if "tuner/epochs" in values:
            config = replace(config, epochs=values["tuner/epochs"])
            if earlier := values.get("tuner/trial_id"):
                _go_on_from(self.of.folder(earlier), folder)
        told = self.of.told
        others = sorted(other.parent.name for other in self.of.project.glob("trial_*/result.json"))
        request = Request(
            task=self.of.task.name,
            objective=self.of.objective,
            executions=told.executions_per_trial,
            hyperparameters=drawn,
            median={} if told.prune else None,
            vanishing={} if told.prune_vanishing else None,
            finished=[f"../{name}" for name in others],
            most_parameters=told.max_model_size,
        )
        write_text(folder / "config.yaml", dump_config(config))
        write_json(folder / "trial_request.json", dataclasses.asdict(request))

    def _train(self, folder: Path, trial_id: str) -> int:
        """The exit code of the trial's process."""
        surroundings = os.environ | {PARENT: str(os.getpid())}
        if self.share.gpus is not None:
            surroundings["CUDA_VISIBLE_DEVICES"] = self.share.gpus
        with (folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "errorflow.pipelines.search.trial", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=surroundings,
                start_new_session=True,  # Ctrl-C is told to it by us, once
            )
            if self.share.processors:
                with contextlib.suppress(ProcessLookupError):  # it has ended already
                    os.sched_setaffinity(process.pid, self.share.processors)
            try:
                self._wait_for(process, trial_id)
            except BaseException:
                _end(process, LAST_WORDS if self.beat is None else LAST_WORDS_AWAY)
                raise
        return process.returncode

    def _wait_for(self, process: subprocess.Popen, trial_id: str) -> None:
        while process.poll() is None:
            if self.beat is not None and time.monotonic() - self.called > self.beat:
                self.oracle.get_trial(trial_id)
                self.called = time.monotonic()
            if self.stop.wait(WAIT):
                raise Stopped


def run_all(
    runners: Sequence[TrialRunner],
    stop: threading.Event,
    meanwhile: Callable[[], None] = lambda: None,
    done: Callable[[], bool] = lambda: True,
) -> None:
    """Lets runners work side by side until there are no more trials.

    Args:
        stop: of the runners; set when this is left, by Ctrl-C too.
        meanwhile: called now and then.
        done: whether there is nothing to wait for but the runners.

    Raises:
        whatever ends a runner.
    """
    try:
        for runner in runners:
            runner.thread.start()
        while not done() or any(runner.thread.is_alive() for runner in runners):
            _raise_errors(runners)
            meanwhile()
            time.sleep(WAIT)
    finally:
        stop.set()
        for runner in runners:
            runner.thread.join()
    _raise_errors(runners)


def _raise_errors(runners: Sequence[TrialRunner]) -> None:
    for runner in runners:
        if runner.error is not None:
            raise runner.error


def _take_over(folder: Path) -> None:
    """A run that another machine began is ours now: its worker is lost, or has stopped."""
    for path in folder.glob("run*"):
        results = RunFolder(path).results()
        if results.get("status") == "running" and results.get("host") != socket.gethostname():
            RunFolder(path).update(status="interrupted")


def _go_on_from(earlier: Path, folder: Path) -> None:
    """Takes over what a shorter trial of the same values has learned."""
    for run in earlier.glob("run*"):
        if not (folder / run.name).exists():
            unfinished = folder / f".copying-{run.name}"
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(run, unfinished)
            unfinished.rename(folder / run.name)


def _end(process: subprocess.Popen, patience: float) -> None:
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
