"""A search over several machines, by keras-tuner's chief and workers.

The chief's process keeps the oracle; workers ask it for trials over gRPC. All of them see one
folder, DIRECTORY/PROJECT_NAME, where each trial is trained and recorded. The service has no
authentication.
"""

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent import futures

import grpc
import keras_tuner
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_chief, oracle_client
from keras_tuner.src.engine import conditions

from ..core.config import replace
from ..core.config_files import load_config
from ..core.console import note
from ..core.errors import UserError
from ..core.files import read_json
from ..training.task import Task
from . import oracles
from .config import Search, TuneConfig, host_and_port, read_search
from .durable_oracle import Durable
from .worker import TrialRunner, run_all, shares

# keras-tuner 1.4.8 prints a value with every condition that it sends.
conditions.print = lambda *_: None  # pyright: ignore[reportAttributeAccessIssue]

BEAT = 10  # seconds between two calls of a worker to its chief
LOST = 45  # seconds without a call, until a trial is given to another worker
PATIENCE = 30  # seconds that a worker tries to reach its chief; then it stops: before it is LOST


# The chief


class Service(oracle_chief.OracleServicer):
    """keras-tuner's service, which also knows when each trial was last asked about."""

    def __init__(self, oracle: Durable):
        super().__init__(oracle)
        self.last_call: dict[str, float] = {}  # by trial

    def CreateTrial(self, request, context):
        response = super().CreateTrial(request, context)
        if request.tuner_id in self.oracle.ongoing_trials:  # neither to wait nor to stop
            self.last_call[response.trial.trial_id] = time.monotonic()
        return response

    def GetTrial(self, request, context):
        self.last_call[request.trial_id] = time.monotonic()
        return super().GetTrial(request, context)

    def EndTrial(self, request, context):
        self.last_call.pop(request.trial.trial_id, None)
        return super().EndTrial(request, context)

    def give_back_the_lost(self) -> None:
        """Puts trials of workers that have not called for long back into the queue."""
        for trial_id, at in list(self.last_call.items()):
            if time.monotonic() - at > LOST:
                del self.last_call[trial_id]
                if self.oracle.give_back(trial_id):
                    note(f"trial {trial_id}: its worker has not called for {LOST} s; given back")

    def wait_for_workers(self) -> None:
        """Takes what ran when this process was killed for running still, until it is lost."""
        for trial_id in self.oracle.waiting:
            self.oracle.keep_running(trial_id)
            self.last_call[trial_id] = time.monotonic()


def check_free(address: str) -> None:
    """Raises `UserError` where a chief could not listen: gRPC says no more than that it failed."""
    try:
        with socket.create_server(host_and_port(address, "chief")):
            pass
    except OSError as error:
        raise UserError(f"--chief {address}: {error.strerror}; give another port") from None


@contextlib.contextmanager
def serve(search: Search, oracle: Durable) -> Iterator[Service]:
    """Serves an oracle on --chief's address.

    Raises:
        UserError: the address cannot be had.
    """
    host, port = host_and_port(str(search.told.chief), "chief")
    service = Service(oracle)
    service.wait_for_workers()
    alone = [("grpc.so_reuseport", 0)]  # with it, two chiefs would share the port
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=alone)
    protos.get_service_grpc().add_OracleServicer_to_server(service, server)
    try:
        server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:
        raise UserError(f"--chief {host}:{port} cannot be opened; give another port") from None
    server.start()
    reached = socket.gethostname() if host in ("0.0.0.0", "[::]") else host
    note(
        f"workers take part with: errorflow {search.task.name} tune --worker-of {reached}:{port}"
        f" --directory {search.told.directory.resolve()} --project-name {search.project.name}"
    )
    try:
        yield service
        time.sleep(2)  # those who wait for a trial are to hear that it is over
    finally:
        server.stop(grace=1)


# A worker


def work(task: Task, asked: TuneConfig) -> None:
    """Runs trials of a chief's search until there are no more.

    Raises:
        UserError: there is no search, or its chief is not reached.
    """
    settings = asked.search
    project = settings.directory / (settings.project_name or task.name)
    if not (project / "tune.yaml").exists():
        raise UserError(f"{project} holds no search: give the chief's --directory, --project-name")
    own = ("directory", "project_name", "workers", "worker_of")
    here = {key: getattr(settings, key) for key in own} | {"device": asked.hardware.device}
    theirs = load_config(type(asked), project / "tune.yaml")
    space = project / "space.yaml" if theirs.search.space else None
    search = read_search(task, replace(theirs, **here, chief=None, space=space))
    found, known = task.read_data(search.config), read_json(project / "search.json")
    if found.content_hash != known["data_hash"]:
        raise UserError(f"the data here ({found.source}) are not those of the chief's search")
    host, port = _reach(str(settings.worker_of))
    os.environ |= {"KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": str(port)}
    oracle_client.TIMEOUT = PATIENCE
    stop, runners = threading.Event(), []
    for share in shares(settings.workers or 1):
        os.environ["KERASTUNER_TUNER_ID"] = f"worker-{uuid.uuid4().hex}"  # no "chief" in it
        runners.append(TrialRunner(search, _stand_in(), share, stop, BEAT))
    note(f"working for {settings.worker_of}, {len(runners)} trials at once")
    try:
        run_all(runners, stop)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "interrupted; the chief gives its trials to others, or to the same command again"
        ) from None
    except grpc.RpcError as error:
        lost = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        silent = error.code() in lost  # pyright: ignore[reportAttributeAccessIssue]
        problem = f"has not answered for {PATIENCE} s" if silent else f"cannot go on ({error})"
        raise UserError(
            f"the chief at {settings.worker_of} {problem};"
            " when it is back, the same command goes on"
        ) from None
    note("the search is over")


def _reach(address: str) -> tuple[str, int]:
    """Host and port of a chief that answers."""
    host, port = host_and_port(address, "worker_of")
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(PATIENCE)
        except grpc.FutureTimeoutError:
            raise UserError(
                f"--worker-of {address}: no chief has answered for {PATIENCE} s; start it first:"
                " --chief HOST:PORT"
            ) from None
    return host, port


def _stand_in() -> Durable:
    """What keras-tuner wants to see until it puts the chief's oracle in its place."""
    objective = keras_tuner.Objective("score", "max")
    space = keras_tuner.HyperParameters()
    return oracles.Random(objective=objective, hyperparameters=space, seed=0, max_trials=None)
