"""A worker of the search of a chief (`service`) on another machine."""

import contextlib
import os
import threading
import uuid
from collections.abc import Iterator

import grpc
import keras_tuner
from keras_tuner.src.distribute import oracle_client

from ..core.config import replace
from ..core.config_files import load_config
from ..core.console import note
from ..core.errors import UserError
from ..core.files import read_json
from ..training.data_report import read_data
from ..training.task import Task
from . import oracles, service
from .config import TuneConfig, parse_address
from .durable_oracle import DurableOracle
from .plan import SearchPlan, project_folder, read_plan
from .resources import divide_resources
from .worker import TrialWorker, run_workers

OWN_SETTINGS = (
    "directory",
    "project_name",
    "workers",
    "worker_of",
)  # of this command, not of the chief


def work(task: Task, config: TuneConfig) -> None:
    """Run trials of a chief's search until there are no more.

    Raises:
        UserError: the folder holds no search, the data differ, or the chief cannot be reached.
        KeyboardInterrupt: Ctrl-C; the message says how to resume.
    """
    address = str(config.search.worker_of)
    plan = _read_chiefs_plan(task, config)
    _check_data(plan)
    host, port = _connect(address)
    os.environ |= {"KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": str(port)}
    oracle_client.TIMEOUT = service.PATIENCE
    stop = threading.Event()
    with service.quiet_conditions(), _explained(address):
        workers = _make_workers(plan, config.search.workers or 1, stop)
        note(f"working for {address}: {len(workers)} trials at the same time")
        run_workers(workers, stop)
    note("the search is over")


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
    return read_plan(task, replace(chiefs, **own, space=space))


def _check_data(plan: SearchPlan) -> None:
    data = read_data(plan.task, plan.training)
    if data.content_hash != read_json(plan.project / "search.json").get("data_hash"):
        raise UserError(f"the data here ({data.source}) are not those of the chief's search")


def _connect(address: str) -> tuple[str, int]:
    """Return host and port of a chief that answers."""
    host, port = parse_address(address, "--worker-of")
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(service.PATIENCE)
        except grpc.FutureTimeoutError:
            raise UserError(
                f"--worker-of {address}: no chief has answered for {service.PATIENCE} s; start it"
                " first: --chief HOST:PORT"
            ) from None
    return host, port


def _make_workers(plan: SearchPlan, count: int, stop: threading.Event) -> list[TrialWorker]:
    workers = []
    for resources in divide_resources(count):
        os.environ["KERASTUNER_TUNER_ID"] = f"worker-{uuid.uuid4().hex}"  # unlike "chief"
        workers.append(TrialWorker(plan, _placeholder_oracle(), resources, stop, service.BEAT))
    return workers


def _placeholder_oracle() -> DurableOracle:
    """Return the oracle that keras-tuner wants until it replaces it with the chief's."""
    objective = keras_tuner.Objective("score", "max")
    space = keras_tuner.HyperParameters()
    return oracles.Random(objective=objective, hyperparameters=space, seed=0, max_trials=None)


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    """Say what to do after Ctrl-C, or when the chief is lost."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "interrupted; the chief gives the trials to other workers, or to this command again"
        ) from None
    except grpc.RpcError as error:
        unreachable = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        is_silent = error.code() in unreachable  # pyright: ignore[reportAttributeAccessIssue]
        problem = f"has not answered for {service.PATIENCE} s" if is_silent else f"failed ({error})"
        raise UserError(
            f"the chief at {address} {problem}; once it runs, repeat this command"
        ) from None
