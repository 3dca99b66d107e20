"""Turn SIGTERM and Ctrl-C into a KeyboardInterrupt at a safe moment."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any


class StopRequest:
    """A request to stop this process, by SIGINT or SIGTERM.

    A signal becomes a KeyboardInterrupt: at once, or during a training at the end of the training
    step. Within a step it could get lost in TensorFlow, or leave a broken file. A second signal
    interrupts at once.

    Attributes:
        signal: the signal that was received; None: there was none.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._is_deferred = False

    def listen(self) -> None:
        """Handle SIGINT and SIGTERM from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: Any) -> None:
        is_second = self.signal is not None
        self.signal = signal.Signals(number)
        if is_second or not self._is_deferred:
            raise KeyboardInterrupt

    def stop_with(self, parent: int) -> None:
        """Stop when another process has ended: if it was killed, it could not send a signal."""
        import psutil

        def wait() -> None:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(parent).wait()
            os.kill(os.getpid(), signal.SIGTERM)  # to the main thread, which handles signals

        threading.Thread(target=wait, daemon=True).start()

    def defer(self) -> None:
        """From now on, signals wait until `check` is called."""
        self._is_deferred = True

    @contextlib.contextmanager
    def at_once_afterwards(self) -> Iterator[None]:
        """After the block, signals interrupt at once again."""
        try:
            yield
        finally:
            self._is_deferred = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal was received."""
        if self.signal is not None:
            raise KeyboardInterrupt
