"""Event files under several workers: the chief alone writes them."""

import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from ...layers.workers import worker_count, worker_index
from .event_log import EventLog


def event_log(folder: Path | None, kind: str, model: keras.Model | None) -> EventLog | None:
    """Return the event files of a callback; None if this process writes none.

    Args:
        folder: see `EventLog`; None: there are none.
        kind: see `EventLog`.
        model: the model that is trained; None if it is not known yet.
    """
    if folder is None:
        return None
    strategy = None if model is None else model.distribute_strategy
    if worker_count(strategy) == 1:
        return EventLog(folder, kind)
    return ChiefLog(folder, kind) if worker_index(strategy) == 0 else None


def _contained(method: Callable[..., None]) -> Callable[..., None]:
    """Let a method do nothing after an exception, in it or another one."""

    @functools.wraps(method)
    def safe(self: "ChiefLog", *args: Any, **kwargs: Any) -> None:
        if self.has_failed:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.has_failed = True
            self.abandon()
            warnings.warn(
                f"{self.folder} gets no more event files, the training and its recording go on. "
                f"{type(error).__name__}: {error}",
                stacklevel=3,
            )

    return safe


class ChiefLog(EventLog):
    """An `EventLog` that ends with a warning in place of an exception.

    An exception would end the recording on the chief alone, and the other workers would wait for it
    where they exchange their records.
    """

    has_failed = False

    begin = _contained(EventLog.begin)
    write = _contained(EventLog.write)
    image = _contained(EventLog.image)
    images = _contained(EventLog.images)
    scalars = _contained(EventLog.scalars)
    text = _contained(EventLog.text)
    flush = _contained(EventLog.flush)
    close = _contained(EventLog.close)
