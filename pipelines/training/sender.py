"""Send parts of a run elsewhere from a thread, which the training never waits for.

What observes never limits what is observed: the first failure is one line on stderr, and the
training goes on. Each wake-up tries again whatever is missing. What could not be sent is said at
the end, which waits only while the present part has time left.
"""

import contextlib
import contextvars
import logging
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from ..core.console import is_muted, note
from ..core.phases import announced

PATIENCE = 20.0  # seconds that the end of a training waits for a part
BYTES_PER_SECOND = 1e6  # of a slow network, for files
INTERVAL = 0.05  # seconds between two looks at the thread


class Part(NamedTuple):
    """What is sent in one go.

    Attributes:
        name: in words, for the list of what was left out.
        send: function that sends it; it may raise any exception.
        seconds: how long the end of a training waits for it.
    """

    name: str
    send: Callable[[], object]
    seconds: float = PATIENCE


class Source(Protocol):
    """What there is to send.

    Attributes:
        receiver: what it is sent to, in one word.
        place: where that is; known once `parts` was called.
    """

    @property
    def receiver(self) -> str: ...
    @property
    def place(self) -> str: ...

    def parts(self, *, is_over: bool) -> Sequence[Part]:
        """Return what is still to be sent, in order; `is_over`: also the results of the run."""
        ...


class Sender:
    """Sends the parts of a source at each `wake`, and the last ones at `end`."""

    def __init__(self, source: Source):
        self._source = source
        self._awake, self._over = threading.Event(), threading.Event()
        self._is_last = self._has_warned = self._has_given_up = False
        self._present: tuple[Part, float] | None = None
        self._missing: list[str] | None = None  # of the last parts; None: not begun with them
        work = contextvars.copy_context().run  # with it, what is muted stays muted
        self._thread = threading.Thread(target=work, args=(self._work,), daemon=True)

    def wake(self) -> None:
        """Send what is new; returns at once."""
        if self._thread.ident is None:
            self._thread.start()
        self._awake.set()
        if self._is_late():
            self._warn(f"no answer from {self._source.place}")

    def end(self) -> None:
        """Send the rest, as long as there is an answer, and say what was left out."""
        if self._thread.ident is None:
            return
        self._is_last = True
        self._awake.set()
        try:
            with announced(f"sending the results to {self._source.receiver}"):
                while not self._over.wait(INTERVAL) and not self._is_late():
                    pass
        finally:
            self._has_given_up = True
            self._report()

    def _is_late(self) -> bool:
        """Whether the present part takes longer than anything waits for it."""
        present = self._present
        return present is not None and time.monotonic() - present[1] > present[0].seconds

    def _report(self) -> None:
        """Say what was left out or, after a warning, that nothing was."""
        missing = self._missing
        if missing is None:
            missing = [part.name for part in self._source.parts(is_over=True)]
        if missing:
            names = ", ".join(missing)
            _remark(f"{self._source.receiver}: left out: {names}; the folder has all of it")
        elif self._has_warned:
            note(f"{self._source.receiver}: nothing was left out after all")

    def _warn(self, reason: str) -> None:
        """Say what is wrong, the first time."""
        if not self._has_warned:
            self._has_warned = True
            _remark(
                f"{self._source.receiver}: {reason}; the training goes on, it is sent again later"
            )

    # In the thread

    def _work(self) -> None:
        is_last = False
        with _silent_retries():
            while not is_last and self._awake.wait():
                self._awake.clear()
                is_last = self._is_last
                try:
                    self._send_all(is_last)
                except Exception as error:  # of the source itself
                    self._warn(reason_of(error))
        self._over.set()

    def _send_all(self, is_last: bool) -> None:
        parts = self._source.parts(is_over=is_last)
        missing = [part.name for part in parts]
        if is_last:
            self._missing = missing
        for part in parts:
            if self._has_given_up:
                return
            self._present = part, time.monotonic()
            try:
                part.send()
                missing.remove(part.name)
            except Exception as error:
                self._warn(f"cannot take {part.name}: {reason_of(error)}")
            finally:
                self._present = None


@contextlib.contextmanager
def _silent_retries() -> Iterator[None]:
    """Let `requests` log none of its attempts in this thread: one warning is enough."""
    own, logger = threading.get_ident(), logging.getLogger("urllib3.connectionpool")

    def is_of_another_thread(record: logging.LogRecord) -> bool:
        return record.thread != own

    logger.addFilter(is_of_another_thread)
    try:
        yield
    finally:
        logger.removeFilter(is_of_another_thread)


def _remark(text: str) -> None:
    """Print what is wrong; where nothing is printed, as in the Python API, it is a warning."""
    if is_muted():
        warnings.warn(text, stacklevel=2)
    else:
        note(text)


def reason_of(error: Exception) -> str:
    """Return the first line of an exception, without the password of an address in it."""
    first, *_ = (str(error).strip() or type(error).__name__).splitlines()
    return without_password(first)[:200]


def without_password(text: str) -> str:
    """Return a text in which addresses have no user and password."""
    return re.sub(r"://[^/@\s]+@", "://", text)
