"""The chief of a search over several machines: it serves the oracle over gRPC.

Workers (`remote_worker`) ask it for trials. All machines share the folder of the search, where each
trial is trained and recorded. The service has no authentication.
"""

import contextlib
import ipaddress
import socket
import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_chief
from keras_tuner.src.engine import conditions

from ..core.console import note
from ..core.errors import UserError
from ..core.shell import shell_flag
from .config import parse_address
from .durable_oracle import DurableOracle
from .plan import SearchPlan

BEAT = 10  # seconds between two calls of a worker to its chief
LOST = 45  # seconds without a call, after which a trial is given to another worker
PATIENCE = 30  # seconds without an answer, after which a worker stops its trial, before LOST

FAREWELL = 2  # seconds in which waiting workers learn that the search is over


class Service(oracle_chief.OracleServicer):
    """keras-tuner's service, which also records the time of each worker's last call."""

    def __init__(self, oracle: DurableOracle):
        super().__init__(oracle)
        self.last_call: dict[str, float] = {}  # by trial

    # What gRPC calls

    def CreateTrial(self, request: Any, context: Any) -> Any:
        response = super().CreateTrial(request, context)
        if request.tuner_id in self.oracle.ongoing_trials:  # it got a trial
            self.last_call[response.trial.trial_id] = time.monotonic()
        return response

    def GetTrial(self, request: Any, context: Any) -> Any:
        self.last_call[request.trial_id] = time.monotonic()
        return super().GetTrial(request, context)

    def EndTrial(self, request: Any, context: Any) -> Any:
        self.last_call.pop(request.trial.trial_id, None)
        return super().EndTrial(request, context)

    # What we call

    def return_lost_trials(self) -> None:
        """Queue the trials of workers that have not called for `LOST` seconds."""
        for trial_id, last in list(self.last_call.items()):
            if time.monotonic() - last > LOST:
                del self.last_call[trial_id]
                if self.oracle.requeue(trial_id):
                    note(f"trial {trial_id}: no call from its worker for {LOST} s; queued again")

    def wait_for_workers(self) -> None:
        """After a restart, treat the trials that were running as still running, until lost."""
        for trial_id in self.oracle.queued_trials:
            self.oracle.keep_running(trial_id)
            self.last_call[trial_id] = time.monotonic()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_free(address: str) -> None:
    """Raise `UserError` if a chief cannot listen there: gRPC does not report the reason."""
    try:
        with socket.create_server(parse_address(address, "--chief")):
            pass
    except OSError as error:
        raise UserError(f"--chief {address}: {error.strerror}; choose another port") from None


@contextlib.contextmanager
def serve(plan: SearchPlan, oracle: DurableOracle) -> Iterator[Service]:
    """Serve an oracle on the address of --chief during the block.

    Raises:
        UserError: the address is not available.
    """
    host, port = parse_address(str(plan.settings.chief), "--chief")
    service = Service(oracle)
    service.wait_for_workers()
    with quiet_conditions():
        server = _start(service, host, port)
        if not is_loopback(host):
            note(
                f"the chief listens on {host}, not on this machine alone: whoever reaches port"
                f" {port} can change the search, without a password"
            )
        reachable = socket.gethostname() if host in ("0.0.0.0", "[::]") else host
        note(
            f"to take part: errorflow {plan.task.name} tune --worker-of {reachable}:{port}"
            f" {shell_flag('--directory', plan.settings.directory.resolve())}"
            f" --project-name {plan.project.name}"
        )
        try:
            yield service
            time.sleep(FAREWELL)
        finally:
            server.stop(grace=1).wait()


def _start(service: Service, host: str, port: int) -> grpc.Server:
    options = [("grpc.so_reuseport", 0)]  # with it, two chiefs would share the port
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=options)
    protos.get_service_grpc().add_OracleServicer_to_server(service, server)
    try:
        server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:
        raise UserError(f"--chief {host}:{port} is not available; choose another port") from None
    server.start()
    return server


@contextlib.contextmanager
def quiet_conditions() -> Iterator[None]:
    """Silence a left-over `print` in keras-tuner 1.4.8 during the block.

    `conditions.Parent.to_proto` prints a value of each condition of each hyperparameter that is
    sent. There is no switch for it, and `contextlib.redirect_stdout` would swallow the output of
    all threads, while gRPC's threads send in parallel. So the name `print` is hidden from this one
    module, where nothing else prints, and only while there is a connection. Of several blocks at
    the same time, the first one hides it.
    """
    names = vars(conditions)
    if "print" in names:
        yield
        return
    names["print"] = lambda *_: None
    try:
        yield
    finally:
        del names["print"]
