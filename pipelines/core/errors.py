"""Errors that the user can correct."""

import re
import reprlib
from pathlib import Path

WORKER_LOST = 75  # exit code, EX_TEMPFAIL: the same command, in `train` with --resume, goes on
LONGEST_NAME = 200  # bytes; most file systems allow 255, and a run adds a prefix


class UserError(Exception):
    """An error that the user can correct; the message says what is wrong and what to do."""


class OutOfMemory(UserError):
    """Memory ran out: the settings need more than there is."""


class LossNotFinite(UserError):
    """The loss of a training is no longer a finite number.

    Attributes:
        measured: what was measured, without what to do.
    """

    def __init__(self, measured: str):
        super().__init__(f"{measured}: lower --learning-rate or set --clip-norm")
        self.measured = measured


class UnfitFile(UserError):
    """A file does not fit the settings, or they do not fit the file.

    Attributes:
        fault: what is wrong, without the flags that help, which not every verb has.
    """

    def __init__(self, fault: str, remedy: str):
        super().__init__(f"{fault}; {remedy}")
        self.fault = fault


class WorkerLost(UserError):
    """Another process of the training or search has ended or cannot be reached."""


class DamagedFile(UserError):
    """A file of a run or a search cannot be used.

    Attributes:
        path: the file.
        reason: what is wrong with it, without its path.
    """

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path} is damaged ({reason}): repair it, or move its folder away")
        self.path, self.reason = path, reason


def require(condition: bool, key: str, expected: str, value: object) -> None:
    """Raise `UserError` naming the flag and the key unless the condition holds."""
    if not condition:
        raise UserError(
            f"--{key.replace('_', '-')} (key {key}) must be {expected}, got {brief(value)}"
        )


def brief(value: object, longest: int = 60) -> str:
    """Return the `repr` of a value, cut off if it is long; a whole one may not fit into memory."""
    if isinstance(value, int) and abs(value) >= 10**longest:  # str() refuses very long numbers
        return f"a number of more than {longest} digits"
    shortened = reprlib.Repr()
    shortened.maxlevel, shortened.maxstring = 2, longest
    text = shortened.repr(value) if isinstance(value, list | tuple | dict | set) else repr(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def require_name(name: str, flag: str = "--name") -> None:
    """Raise `UserError` unless a name is a plain folder name."""
    if not re.fullmatch(r"[\w][\w.+=-]*", name):
        raise UserError(
            f"{flag} {brief(name)} must be letters, digits and . _ - + = (no path; no space)"
        )
    if len(name.encode()) > LONGEST_NAME:
        raise UserError(f"{flag} {brief(name)} must have {LONGEST_NAME} bytes or fewer")
