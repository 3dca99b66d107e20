"""Callbacks that never end a training: what goes wrong in them becomes one warning."""

import functools
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import keras

from .printable import printable

Method = TypeVar("Method", bound=Callable[..., Any])


class GuardedCallback(keras.callbacks.Callback):
    """A callback whose methods may be `guarded`.

    Attributes:
        failure: the traceback of the exception that ended recording in this call of `fit`; None:
            there was none.
    """

    failure: str | None = None

    def stop_recording(self) -> None:
        """Give up what the callback holds while it records; called once, after an exception."""


def guarded(method: Method) -> Method:
    """Let a method of a `GuardedCallback` do nothing after an exception, in it or another one.

    The first exception becomes a warning, which says what failed, where, and what can be done. The
    training goes on. `KeyboardInterrupt` and `SystemExit` are passed on.
    """

    @functools.wraps(method)
    def safe(self: GuardedCallback, *args: Any, **kwargs: Any) -> Any:
        if self.failure is not None:
            return None
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            give_up(self, method.__name__, error)
            return None

    return safe  # pyright: ignore[reportReturnType]


def give_up(callback: GuardedCallback, place: str, error: Exception) -> None:
    """Stop the recording of a callback because of this exception, with a warning.

    Args:
        callback: the callback.
        place: the name of its method, or of the part of it, that failed.
        error: the exception, with its traceback.
    """
    if callback.failure is not None:
        return
    callback.failure = "".join(traceback.format_exception(error))
    try:
        callback.stop_recording()
    except Exception as further:
        callback.failure += "".join(traceback.format_exception(further))
    warnings.warn(_message(callback, place, error), stacklevel=3)


def _message(callback, place, error):
    name = type(callback).__name__
    first, *_ = (str(error).strip() or "no message").splitlines()
    what = printable(f"{type(error).__name__}: {first}")
    where = traceback.extract_tb(error.__traceback__)[-1]
    remedy = (
        "Make sure that the folder exists, can be written and has room"
        if isinstance(error, OSError)
        else f"Check that the arguments of {name} suit the model"
    )
    return (
        f"{name} has stopped recording, the training goes on. {what} (in {place}, at "
        f"{Path(where.filename).name}:{where.lineno}). {remedy}; the next call of `fit` records "
        f"again. The attribute `failure` of the callback holds the traceback."
    )
