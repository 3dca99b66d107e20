"""What `ErrorFlow(live=True)` shows while `fit` runs: a picture in a notebook, a line elsewhere."""

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TextIO, runtime_checkable

import keras
import numpy as np

from ...layers.workers import worker_index
from ..drawing.html_view import live_html
from ..findings.finding import Finding
from .printable import printable

BETWEEN = 2.0  # seconds between two pictures, at least
ROWS = 500  # the latest ones, on which the findings are
SHARE = 0.02  # of the time from one picture to the next that reading and drawing take, at most


class Progress(NamedTuple):
    """The state of a training.

    Attributes:
        step: the last training step that was read.
        findings: those on the latest training steps, one for each layer.
        images: a function that returns an image [height, width, 3] uint8 for each layer.
    """

    step: int
    findings: Sequence[Finding]
    images: Callable[[], Mapping[str, np.ndarray]]


@runtime_checkable
class Handle(Protocol):
    """A place of the screen, as `IPython.display.display(display_id=True)` returns it."""

    def update(self, obj: Any) -> None:
        """Show an object in place of the last one."""


class Screen(Protocol):
    """Where a training is shown.

    Attributes:
        once_an_epoch: whether `show` is called at the end of epochs only.
    """

    once_an_epoch: bool

    def show(self, progress: Progress) -> None:
        """Show the training."""

    def begin_epoch(self) -> None:
        """Note that an epoch begins, after Keras has ended the line of the last one."""

    def end(self, progress: Callable[[], Progress], html: Callable[[], str]) -> None:
        """Show what remains to be seen: the training has ended.

        Args:
            progress: a function that returns its state.
            html: a function that returns what a notebook shows of the whole training.
        """


class View:
    """What a notebook shows."""

    def __init__(self, html: str):
        self._html = html

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return "the error over time, as a notebook shows it"


class NotebookScreen:
    """A picture that is updated in place in the output of a cell."""

    once_an_epoch = False

    def __init__(self, handle: Handle):
        self._handle = handle

    def show(self, progress: Progress) -> None:
        step, findings, images = progress
        self._handle.update(View(live_html(step, findings, images())))

    def begin_epoch(self) -> None:
        pass

    def end(self, progress: Callable[[], Progress], html: Callable[[], str]) -> None:
        self._handle.update(View(html()))


class LineScreen:
    """A line of text.

    Args:
        stream: where it is written to.
        in_place: write each line over the last one, instead of one line after each epoch.
    """

    def __init__(self, stream: TextIO, in_place: bool):
        self._stream = stream
        self._in_place = in_place
        self.once_an_epoch = not in_place
        self._line = ""

    def show(self, progress: Progress) -> None:
        troubles_first = sorted(progress.findings, key=lambda f: f.severity != "trouble")
        findings = [f"{finding.layer} {finding.headline}" for finding in troubles_first]
        line = printable(f"step {progress.step:,}: {'; '.join(findings) or 'no error recorded'}")
        if self._in_place:
            columns = os.get_terminal_size(self._stream.fileno()).columns or 80
            line = line[: columns - 1]
            self._stream.write(f"\r{line.ljust(len(self._line))}")
            self._stream.flush()
        self._line = line

    def begin_epoch(self) -> None:
        if not self._in_place and self._line:
            self._stream.write(f"{self._line}\n")
            self._stream.flush()
            self._line = ""

    def end(self, progress: Callable[[], Progress], html: Callable[[], str]) -> None:
        if self._in_place:
            self.show(progress())
            self._stream.write("\n")
            self._stream.flush()
        self.begin_epoch()


class LiveView:
    """Shows a training in place, at most every 2 s and in about 2% of its time at most.

    An exception becomes one warning, and nothing more is drawn; the recording goes on.

    Args:
        live: see `ErrorFlow`.

    Attributes:
        seconds: the time that reading and drawing between steps has taken in this call of `fit`.

    Raises:
        TypeError: `live` is none of these.
    """

    def __init__(self, live: bool | TextIO | Handle):
        if not isinstance(live, bool | Handle) and not hasattr(live, "isatty"):
            raise TypeError(
                "ErrorFlow: live must be True, False, a text stream or a display handle of IPython,"
                f" got {live!r}"
            )
        self._live = live
        self._screen: Screen | None = None
        self._due = 0.0
        self.seconds = 0.0

    def begin(self, callback: keras.callbacks.Callback) -> None:
        """Choose the screen: the training of a callback's model begins."""
        self._screen, self._due, self.seconds = None, 0.0, 0.0
        model: Any = callback.model
        if self._live is not False and worker_index(model.distribute_strategy) == 0:
            with self._contained():
                self._screen = _screen(self._live, (callback.params or {}).get("verbose"))

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next picture."""
        screen = self._screen
        if screen is None or screen.once_an_epoch:
            return False
        return time.monotonic() >= self._due

    def show(self, progress: Callable[[], Progress]) -> None:
        """Show the training."""
        started = time.monotonic()
        if self._screen is not None:
            with self._contained():
                self._screen.show(progress())
        took = time.monotonic() - started
        self.seconds += took
        self._due = started + max(BETWEEN, took / SHARE)

    def begin_epoch(self) -> None:
        """Note that an epoch begins."""
        if self._screen is not None:
            with self._contained():
                self._screen.begin_epoch()

    def end_epoch(self, progress: Callable[[], Progress]) -> None:
        """Note that an epoch has ended."""
        if self._screen is not None and self._screen.once_an_epoch:
            self.show(progress)

    def end(self, progress: Callable[[], Progress], html: Callable[[], str]) -> None:
        """Show what remains to be seen, see `Screen.end`."""
        if self._screen is not None:
            with self._contained():
                self._screen.end(progress, html)
            self._screen = None

    @contextlib.contextmanager
    def _contained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._screen = None
            text = f"nothing more is drawn while the model trains. {type(error).__name__}: {error}"
            warnings.warn(text, stacklevel=3)


def _screen(live: bool | TextIO | Handle, verbose: Any) -> Screen:
    if isinstance(live, Handle):
        return NotebookScreen(live)
    if live is True and _in_notebook():
        from IPython.display import display  # noqa: PLC0415 — where there is a notebook

        handle: Any = display(View(live_html(0, (), {})), display_id=True)
        return NotebookScreen(handle)
    stream: Any = sys.stdout if live is True else live
    return LineScreen(stream, in_place=verbose == 0 and stream.isatty())


def _in_notebook() -> bool:
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None
