"""A long phase of a command says on stderr what it does, so that it is never silent for long."""

import contextlib
import functools
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from .background import in_background
from .console import is_muted
from .stop_request import check

INTERVAL = 3.5  # seconds between two lines


@contextlib.contextmanager
def phase(text: str | Callable[[], str | None], after: float = 1.0) -> Iterator[None]:
    """Print what the block does if it takes longer than `after` seconds, then every few seconds.

    At its end, a command that is to stop does so.

    Args:
        text: what it does, such as "reading the data"; or a function that returns it at the time,
            None: nothing is printed.
        after: seconds until the first line; 0: print it at once.
    """
    with announced(text, after):
        yield
    check()


def announced(
    text: str | Callable[[], str | None], after: float = 1.0
) -> contextlib.AbstractContextManager[None]:
    """Print what the block does, as `phase`; a command that is to stop does not do so here."""
    return contextlib.nullcontext() if is_muted() else _reported(text, after)


@contextlib.contextmanager
def _reported(text: str | Callable[[], str | None], after: float) -> Iterator[None]:
    began, state = time.monotonic(), _state(text)
    with _true_stderr() as stream:
        if after == 0:
            _print(stream, state(), 0)
        report = functools.partial(_report, stream, state, began, after or INTERVAL)
        with in_background(report):
            yield


def _state(text: str | Callable[[], str | None]) -> Callable[[], str | None]:
    return text if callable(text) else lambda: text


def _report(
    stream: TextIO,
    state: Callable[[], str | None],
    began: float,
    wait: float,
    over: threading.Event,
) -> None:
    while not over.wait(wait):
        _print(stream, state(), time.monotonic() - began)
        wait = INTERVAL


def _print(stream: TextIO, text: str | None, seconds: float) -> None:
    if text is not None:
        with contextlib.suppress(OSError, ValueError):  # a closed stderr stops no training
            since = f" ({seconds:.0f} s)" if seconds >= INTERVAL else ""
            print(f"{text} …{since}", file=stream, flush=True)


@contextlib.contextmanager
def _true_stderr() -> Iterator[TextIO]:
    """Yield stderr as it is now, also if the block redirects file descriptor 2 for a while."""
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError, io.UnsupportedOperation):
        yield sys.stderr
        return
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
        yield stream
