"""A worker of the search of a chief (`service`) on another machine.

While the chief does not answer, nothing is trained here, since the chief gives the trials of a
silent worker to others. As soon as it answers again, the worker asks it for a trial.
"""

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import keras_tuner
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_client
from keras_tuner.src.engine.trial import Trial

from ..core.config import replace
from ..core.config_files import load_config
from ..core.console import note
from ..core.errors import UserError
from ..core.files import read_json
from ..training.data_report import read_data
from ..training.task import Task
from . import oracles, service
from .chief import Chief
from .config import TuneConfig
from .durable_oracle import DurableOracle
from .plan import FIXED, SearchPlan, project_folder, read_plan
from .processes import TrialProcess, open_processes
from .resources import divide_resources
from .worker import TrialWorker, run_workers

# Settings of this command, not of the chief.
OWN_SETTINGS = ("directory", "project_name", "workers", "worker_of")
SILENCE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def work(task: Task, config: TuneConfig) -> None:
    """Run trials of a chief's search until there are no more.

    Raises:
        UserError: the folder holds no search, the data differ, or no chief answers.
        WorkerLost: the chief has stopped answering.
        KeyboardInterrupt: Ctrl-C; the message says how to resume.
    """
    chief = Chief(str(config.search.worker_of))
    chief.wait_for_start()
    plan = _read_chiefs_plan(task, config)
    _check_data(plan)
    stop = threading.Event()
    resources = divide_resources(config.search.workers or 1)
    with (
        _calls_to(chief),
        service.quiet_conditions(),
        _explained(),
        open_processes(resources) as processes,
    ):
        workers = _make_workers(plan, processes, stop, chief)
        note(f"working for {chief.address}: {len(workers)} trials at the same time")
        run_workers(workers, stop)
    note("the search is over")


@contextlib.contextmanager
def _calls_to(chief: Chief) -> Iterator[None]:
    """Inside the block, keras-tuner's client calls this chief, and does not wait for an hour."""
    usual = oracle_client.TIMEOUT
    os.environ |= {"KERASTUNER_ORACLE_IP": chief.host, "KERASTUNER_ORACLE_PORT": str(chief.port)}
    oracle_client.TIMEOUT = service.PATIENCE
    try:
        yield
    finally:
        oracle_client.TIMEOUT = usual


class RemoteTrialWorker(TrialWorker):
    """A worker whose oracle is that of a chief; see `TrialWorker`."""

    patience = 5  # the chief may soon give the trial to another worker

    def __init__(
        self, plan: SearchPlan, process: TrialProcess, stop: threading.Event, chief: Chief
    ):
        super().__init__(plan, _placeholder_oracle(), process, stop)
        self.chief = chief

    def search(self, *args: Any, **kwargs: Any) -> None:
        """Run trials until the search is over; wait while the chief does not answer.

        The chief knows this worker by its name: it repeats an answer that was lost.
        """
        goes_on = True
        while goes_on:
            try:
                with self.chief.channel() as channel:
                    self.oracle.stub = protos.get_service_grpc().OracleStub(channel)
                    return super().search()
            except grpc.RpcError as error:
                if error.code() not in SILENCE:  # pyright: ignore[reportAttributeAccessIssue]
                    raise UserError(f"the chief at {self.chief.address} failed: {error}") from None
            goes_on = self.chief.wait_for_return(self._is_over)

    def _is_over(self) -> bool:
        self.pause()
        return read_json(self.plan.project / "oracle.json").get("done", False)

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Train a trial, which the chief must have recorded in the same folder."""
        if not (self.plan.trial_folder(trial.trial_id) / "trial.json").exists():
            raise UserError(f"{self.plan.project} is not the folder of the chief's search")
        return super().run_trial(trial)

    def watch(self, trial_id: str) -> Callable[[], None]:
        """Return a function that waits, and that calls the chief every `service.BEAT` seconds."""
        next_call = 0.0

        def wait() -> None:
            nonlocal next_call
            if time.monotonic() > next_call:
                self.oracle.get_trial(trial_id)
                next_call = time.monotonic() + service.BEAT
            self.pause()

        return wait


def _read_chiefs_plan(task: Task, config: TuneConfig) -> SearchPlan:
    project = project_folder(task, config.search)
    if not (project / "tune.yaml").exists():
        raise UserError(
            f"{project} holds no search: give --directory and --project-name of the chief's search"
        )
    chiefs = load_config(type(config), project / "tune.yaml")
    own = {name: getattr(config.search, name) for name in OWN_SETTINGS}
    own |= {"device": config.hardware.device, "chief": None}
    space = project / "space.yaml" if chiefs.search.space else None
    flags = read_json(project / "search.json").get(FIXED, ())
    return read_plan(task, replace(chiefs, **own, space=space), flags)


def _check_data(plan: SearchPlan) -> None:
    data = read_data(plan.task, plan.training)
    if data.content_hash != read_json(plan.project / "search.json").get("data_hash"):
        raise UserError(f"the data here ({data.source}) are not those of the chief's search")


def _make_workers(
    plan: SearchPlan, processes: Sequence[TrialProcess], stop: threading.Event, chief: Chief
) -> list[RemoteTrialWorker]:
    workers = []
    for process in processes:
        os.environ["KERASTUNER_TUNER_ID"] = f"worker-{uuid.uuid4().hex}"  # unlike "chief"
        workers.append(RemoteTrialWorker(plan, process, stop, chief))
    return workers


def _placeholder_oracle() -> DurableOracle:
    """Return the oracle that keras-tuner wants until it replaces it with the chief's."""
    objective = keras_tuner.Objective("score", "max")
    space = keras_tuner.HyperParameters()
    return oracles.Random(objective=objective, hyperparameters=space, seed=0, max_trials=None)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say what happens to the trials after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "interrupted; the chief gives the trials to other workers, or to this command again"
        ) from None
