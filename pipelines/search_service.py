"""A search over several machines, by keras-tuner's chief and workers.

The chief's process keeps the oracle; workers ask it for trials over gRPC. All of them see one
folder, DIRECTORY/PROJECT_NAME, where each trial is trained and recorded. The service has no
authentication.
"""

import contextlib
import dataclasses
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import keras_tuner
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_chief, oracle_client

from . import oracles
from .config import UserError
from .config_io import load_config
from .devices import load_tensorflow, note
from .durable import Durable
from .search_config import Search, host_and_port, read_search
from .task import Task
from .trial_runner import TrialRunner, run_all, shares

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
        self.last_call[response.trial.trial_id] = time.monotonic()
        return response

    def GetTrial(self, request, context):
        self.last_call[request.trial_id] = time.monotonic()
        self.oracle.keep_running(request.trial_id)  # as after a restart of this process
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


@contextlib.contextmanager
def serve(search: Search, oracle: Durable) -> Iterator[Service]:
    """Serves an oracle on --chief's address.

    Raises:
        UserError: the address cannot be had.
    """
    address = search.told.chief
    host, port = host_and_port(address, "chief")
    service = Service(oracle)
    alone = [("grpc.so_reuseport", 0)]  # with it, two chiefs would share the port
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=alone)
    protos.get_service_grpc().add_OracleServicer_to_server(service, server)
    try:
        with socket.create_server((host, port)):
            pass  # gRPC would say no more than that it failed
        server.add_insecure_port(address)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be opened"
        raise UserError(f"--chief {address}: {reason}; give another port") from None
    server.start()
    note(
        f"workers take part with: errorflow {search.task.name} tune --worker-of {address}"
        f" --directory {search.told.directory} --project-name {search.project.name}"
    )
    try:
        yield service
        time.sleep(2)  # those who wait for a trial are to hear that it is over
    finally:
        server.stop(grace=1)


# A worker


def work(task: Task, asked: Any) -> None:
    """Runs trials of a chief's search until there are no more.

    Raises:
        UserError: there is no search, or its chief is not reached.
    """
    project = asked.directory / (asked.project_name or task.name)
    if not (project / "tune.yaml").exists():
        raise UserError(f"{project} holds no search: give the chief's --directory, --project-name")
    own = ("directory", "project_name", "workers", "worker_of", "device")
    here = {key: getattr(asked, key) for key in own}
    told = load_config(type(asked), project / "tune.yaml")
    search = read_search(task, dataclasses.replace(told, **here, chief=None))
    load_tensorflow()
    host, port = _reach(asked.worker_of)
    os.environ |= {"KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": str(port)}
    oracle_client.TIMEOUT = PATIENCE
    stop, runners = threading.Event(), []
    for share in shares(asked.workers or 1):
        os.environ["KERASTUNER_TUNER_ID"] = f"{socket.gethostname()}-{os.getpid()}-{share.number}"
        runners.append(TrialRunner(search, _stand_in(), share, stop, BEAT))
    note(f"working for {asked.worker_of}, {len(runners)} trials at once")
    try:
        run_all(runners, stop)
    except grpc.RpcError:
        raise UserError(
            f"the chief at {asked.worker_of} has not answered for {PATIENCE} s; when it is back,"
            " the same command goes on"
        ) from None
    note("the search is over")


def _reach(address: str) -> tuple[str, int]:
    """Host and port of a chief that answers."""
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(PATIENCE)
        except grpc.FutureTimeoutError:
            raise UserError(
                f"--worker-of {address}: no chief has answered for {PATIENCE} s; start it first:"
                " --chief HOST:PORT"
            ) from None
    return host_and_port(address, "worker_of")


def _stand_in() -> Durable:
    """What keras-tuner wants to see until it puts the chief's oracle in its place."""
    objective = keras_tuner.Objective("score", "max")
    space = keras_tuner.HyperParameters()
    return oracles.Random(objective=objective, hyperparameters=space, seed=0, max_trials=None)
