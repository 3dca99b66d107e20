"""The chief of a search, as the workers of another machine see it."""

import threading
import time
from collections.abc import Callable, Iterator

import grpc

from ..core.console import note
from ..core.errors import UserError, WorkerLost
from .config import parse_address

ATTEMPT = 5  # seconds for one attempt to connect
ABSENCE = 600  # seconds for which a worker waits for its chief, at the start and after a break


class Chief:
    """The address of a chief, and whether it answers.

    Args:
        address: HOST:PORT, as given to --worker-of.
    """

    def __init__(self, address: str):
        self.address = address
        self.host, self.port = parse_address(address, "--worker-of")
        self._lock, self._is_silent = threading.Lock(), False

    def channel(self) -> grpc.Channel:
        """Return a new connection.

        After a break, the one before may stay silent for as long again as the break was: TCP and
        gRPC double the time between two attempts.
        """
        options = [
            ("grpc.use_local_subchannel_pool", 1),  # shares no state with the one before
            ("grpc.enable_http_proxy", 0),  # a proxy leads out of the network of the chief
        ]
        return grpc.insecure_channel(f"{self.host}:{self.port}", options)

    def wait_for_start(self) -> None:
        """Wait until the chief answers.

        Raises:
            UserError: it has not answered for `ABSENCE` seconds.
        """
        attempts = self._attempts()
        if next(attempts):
            return
        note(f"waiting up to {ABSENCE} s for a chief at {self.address}")
        if not any(attempts):
            raise UserError(
                f"--worker-of {self.address}: no chief has answered for {ABSENCE} s; start it:"
                " --chief HOST:PORT"
            )

    def wait_for_return(self, is_over: Callable[[], bool]) -> bool:
        """Wait until a chief that was silent answers again.

        Args:
            is_over: function that is called between two attempts; returns whether the search is
                over.

        Returns:
            Whether the search goes on.

        Raises:
            WorkerLost: the chief has not answered for `ABSENCE` seconds.
        """
        self._report(
            True,
            f"the chief at {self.address} does not answer: its trials stop here, and may go on"
            f" elsewhere; waiting for it up to {ABSENCE} s",
        )
        for has_answered in self._attempts():
            if has_answered:
                self._report(False, f"the chief at {self.address} answers again")
                return True
            if is_over():
                return False
        raise WorkerLost(
            f"the chief at {self.address} has not answered for {ABSENCE} s; once it runs, repeat"
            " this command"
        )

    def _report(self, is_silent: bool, text: str) -> None:
        """Print a change once, although each worker of this machine sees it."""
        with self._lock:
            if self._is_silent != is_silent:
                self._is_silent = is_silent
                note(text)

    def _attempts(self) -> Iterator[bool]:
        """Try to connect until there is an answer or time is up; yield whether there was one."""
        end, has_answered = time.monotonic() + ABSENCE, False
        while not has_answered and (left := end - time.monotonic()) > 0:
            has_answered = self._answers(min(ATTEMPT, left))
            yield has_answered

    def _answers(self, seconds: float) -> bool:
        with self.channel() as channel:
            try:
                grpc.channel_ready_future(channel).result(seconds)
            except grpc.FutureTimeoutError:
                return False
        return True
