"""Ctrl-C, SIGTERM and SIGHUP end a command at a safe moment.

The first of them becomes a KeyboardInterrupt: at once or, while a network trains, at the end of the
training step. Within a step it could get lost in TensorFlow, or leave a broken file. A second one
ends the process at once, also within TensorFlow; this does no more harm than a SIGKILL.

Commands listen to signals; functions of the Python API leave those of their program alone, and for
them all functions here do nothing.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

PARENT = "ERRORFLOW_PARENT"  # environment variable: the process with which this one ends
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GENERATED = "__autograph_generated_file"  # the beginning of the names of AutoGraph's modules
# `timeout`, systemd and a shell whose terminal closes send a signal twice; a person is slower.
TWICE = 0.25  # seconds
PATIENCE = 30  # seconds that a process has to stop after the one that it works for has ended


class StopRequest:
    """A request to stop this process.

    Attributes:
        signal: the first signal that was received; None: there was none.
        is_deferred: whether signals wait until `check` is called.
        handled: the signals that it handles.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.is_deferred = False
        self.handled: list[signal.Signals] = []

    def receive(self, number: int, frame: Any) -> None:
        """Handle a signal; only the first one interrupts."""
        if self.signal is None:
            self.signal = signal.Signals(number)
            if not self.is_deferred:
                raise KeyboardInterrupt

    @property
    def exit_code(self) -> int:
        """The exit code of a command that was stopped: 130, 143 or 129."""
        return 128 + (self.signal or signal.SIGINT)


_current: ContextVar[StopRequest | None] = ContextVar("stop_request", default=None)


# What commands call


@contextlib.contextmanager
def listening() -> Iterator[StopRequest]:
    """Handle signals during the block, but those that are ignored, as SIGHUP is under nohup."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # no other thread can handle signals
        return
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    request.handled = [n for n in SIGNALS if earlier[n] not in (signal.SIG_IGN, None)]
    token = _current.set(request)
    try:
        with _ending_at_once(request.handled):
            listen_again()
            yield request
    finally:
        for number in request.handled:
            signal.signal(number, earlier[number])
        _current.reset(token)


@contextlib.contextmanager
def _ending_at_once(handled: list[signal.Signals]) -> Iterator[None]:
    """End the process at the second signal during the block.

    Python's own handlers wait for the main thread, which may be within TensorFlow for minutes.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    earlier = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=_wait_for_second, args=(reader, handled), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(earlier)
        os.close(writer)
        thread.join()
        os.close(reader)


def _wait_for_second(reader: int, handled: list[signal.Signals]) -> None:
    first = None
    while number := os.read(reader, 1):
        if number[0] in handled:
            first = first or (signal.Signals(number[0]), time.monotonic())
            if time.monotonic() - first[1] > TWICE:
                end_at_once(first[0])


def end_at_once(received: signal.Signals) -> NoReturn:
    """End this process, whatever its threads do."""
    with contextlib.suppress(OSError):
        os.write(2, b"\nerrorflow: ended at once\n")
    os._exit(128 + received)


def end_with(code: int) -> NoReturn:
    """End this process after its work, without the end of TensorFlow, which waits for the lost."""
    _remove_generated_code()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _remove_generated_code() -> None:
    """Delete the modules that TensorFlow has written to temporary files, as it does at its end."""
    for name, module in [*sys.modules.items()]:  # a thread may import
        if name.startswith(GENERATED) and (spec := module.__spec__):
            with contextlib.suppress(OSError):
                Path(spec.origin or "").unlink()
            if spec.cached:
                with contextlib.suppress(OSError):
                    Path(spec.cached).unlink()
                    Path(spec.cached).parent.rmdir()  # fails if something else is in it


def leave(code: int) -> NoReturn:
    """End this process as usual, but free no memory: after a training that takes seconds.

    Threads are waited for and the functions of `atexit` run, as at any end of Python.
    """
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    end_with(code)


def stop_with_parent() -> None:
    """Stop when the process in PARENT has ended: if it was killed, it could not send a signal."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return
    import psutil

    def wait() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(int(parent)).wait()
        os.kill(os.getpid(), signal.SIGTERM)  # to the main thread, which handles signals
        time.sleep(PATIENCE)
        end_at_once(signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


# What their work calls


def listen_again() -> None:
    """Handle signals as before, after a library has taken them."""
    request = _current.get()
    if request is not None and threading.current_thread() is threading.main_thread():
        for number in request.handled:
            signal.signal(number, request.receive)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """During the block, the first signal waits until `check` is called."""
    request = _current.get()
    if request is None:
        yield
        return
    request.is_deferred = True
    try:
        yield
    finally:
        request.is_deferred = False
    check()


def check() -> None:
    """Raise KeyboardInterrupt if a signal was received; TensorFlow may have lost it."""
    request = _current.get()
    if request is not None and request.signal is not None:
        raise KeyboardInterrupt


@contextlib.contextmanager
def recovered() -> Iterator[None]:
    """Raise KeyboardInterrupt in place of any exception of the block after a signal.

    TensorFlow turns the interruption into errors of its own, and a closed terminal refuses output.
    """
    try:
        yield
    except Exception as error:
        request = _current.get()
        if request is None or request.signal is None:
            raise
        raise KeyboardInterrupt from error
