"""The workers of a training wait for each other, before TensorFlow does.

TensorFlow 2.21 holds Python's lock while it waits for the other workers, so that neither Ctrl-C nor
SIGTERM ends it, and nothing can be said. Therefore the chief first listens at its own address until
every other worker has reported there, and then lets all go on.
"""

import contextlib
import socket
import time
from collections.abc import Iterator

from .cluster import Cluster
from .errors import UserError, WorkerLost

GREETING, GO = "errorflow worker", "go"
_RETRY = 0.3  # seconds until a worker tries to reach the chief again
_MARGIN = 10  # seconds that a worker which has reached the chief waits longer than the chief
_LINE = 1_000  # bytes of a message, which ends with a newline


def meet(cluster: Cluster, seconds: float) -> None:
    """Return when all workers have called this function.

    Raises:
        WorkerLost: not all of them have within these seconds.
        UserError: two processes are the same worker, or this one cannot listen.
    """
    deadline = time.monotonic() + seconds
    if cluster.is_chief:
        _wait_for_workers(cluster, deadline, seconds)
    else:
        _wait_for_chief(cluster, deadline, seconds)


def named(cluster: Cluster, numbers: set[int]) -> str:
    """Return workers with their addresses: "worker 1 (10.0.0.2:2222) and worker 2 (…)"."""
    return " and ".join(f"worker {n} ({cluster.workers[n]})" for n in sorted(numbers))


# The chief


def _wait_for_workers(cluster: Cluster, deadline: float, seconds: float) -> None:
    present: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as closing, closing.enter_context(_listening(cluster)) as server:
        try:
            while missing := {*range(1, cluster.size)} - {*present}:
                if time.monotonic() > deadline:
                    which = named(cluster, missing)
                    raise WorkerLost(f"{which} did not start or reach worker 0 in {seconds:.0f} s")
                with contextlib.suppress(TimeoutError):
                    connection = closing.enter_context(server.accept()[0])
                    _admit(connection, present, cluster)
        except UserError as error:
            _answer(present, str(error))
            raise
        _answer(present, GO)


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[socket.socket]:
    """Listen on all interfaces: the address of a worker may be that of a service before it."""
    port = _host_and_port(cluster.workers[0])[1]
    has_both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if has_both else socket.AF_INET
    try:
        server = socket.create_server(("", port), family=family, dualstack_ipv6=has_both)
    except OSError as error:
        raise UserError(f"worker 0 cannot listen on port {port}: {error.strerror}") from None
    with server:
        server.settimeout(_RETRY)
        yield server


def _admit(connection: socket.socket, present: dict[int, socket.socket], cluster: Cluster) -> None:
    """Note which worker has connected; another program is not answered."""
    connection.settimeout(1)
    with contextlib.suppress(OSError, ValueError):
        number = int(_read(connection).removeprefix(GREETING))
        if not 0 < number < cluster.size:
            return
        if number in present and _is_open(present[number]):
            reason = f"two processes are worker {number}: give each its own task.index in TF_CONFIG"
            _answer({number: connection}, reason)
            raise UserError(reason)
        present[number] = connection  # in place of one that was started again


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _answer(present: dict[int, socket.socket], text: str) -> None:
    for connection in present.values():
        with contextlib.suppress(OSError):  # it has ended, which TensorFlow finds out
            connection.sendall(text[: _LINE // 2].encode() + b"\n")


# The other workers


def _wait_for_chief(cluster: Cluster, deadline: float, seconds: float) -> None:
    reason = ""
    while time.monotonic() < deadline:
        try:
            address = _host_and_port(cluster.workers[0])
            with socket.create_connection(address, timeout=1) as connection:
                connection.sendall(f"{GREETING} {cluster.index}\n".encode())
                answer = _read(connection, deadline + _MARGIN)
        except OSError as error:
            reason = f" ({error.strerror or error})"
        else:
            if answer == GO:
                return
            if answer:
                raise WorkerLost(answer)
        time.sleep(_RETRY)
    which = named(cluster, {0})
    raise WorkerLost(f"{which} did not start or cannot be reached in {seconds:.0f} s{reason}")


def _read(connection: socket.socket, deadline: float = 0.0) -> str:
    """Return a line; "" if the connection ends before it, or there is none until the deadline."""
    line = b""
    while not line.endswith(b"\n") and len(line) < _LINE:
        try:
            part = connection.recv(_LINE)
        except TimeoutError:
            if time.monotonic() > deadline:
                return ""
        else:
            line += part
            if not part:
                return ""
    return line.decode(errors="replace").strip()


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
