"""A person's paths, checked before anything is read or written there."""

import dataclasses
import stat
from pathlib import Path
from typing import Any, TypeVar

from ...callbacks.recording.printable import printable
from .config import Section
from .errors import UserError

S = TypeVar("S", bound=Section)
OPEN_PIPES = ("/dev/fd", "/proc/self/fd")  # folders of what the shell has opened for `<(...)`
READ_ONCE = ("config",)  # flags of files for which such a pipe, or /dev/stdin, serves as well
_SPECIAL = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def with_usable_paths(config: S) -> S:
    """Return a copy of a config with `usable_path` of each of its paths."""
    changes = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, Section):
            changes[field.name] = with_usable_paths(value)
        elif isinstance(value, Path):
            changes[field.name] = usable_path(value, _flag(field), field.name in READ_ONCE)
    return dataclasses.replace(config, **changes)


def _flag(field: Any) -> str:
    """Return the flag of a setting, which may have another name there (`tyro.conf.arg`)."""
    notes = getattr(field.type, "__metadata__", ())
    names = [note.name for note in notes if getattr(note, "name", None)]
    return f"--{(names or [field.name])[0].replace('_', '-')}"


def usable_path(where: str | Path, flag: str, or_pipe: bool = False) -> Path:
    """Return the path of a flag with `~` expanded; nothing needs to be there.

    Args:
        where: the path that was given.
        flag: the flag, for messages.
        or_pipe: whether a pipe that the shell has opened will do.

    Raises:
        UserError: it is empty, no valid path, cannot be looked at, or leads to a pipe, a socket or
            a device: to open one can wait forever, and to replace one breaks the system.
    """
    shown = f"{flag} {printable(where)}"
    if not str(where).strip():  # it would mean the current folder
        raise UserError(f"{flag}: an empty path; give one, or leave it out")
    try:
        path = Path(where).expanduser()
        kind = special_kind(path)
    except OSError as error:
        raise UserError(f"{shown}: cannot be read ({error.strerror})") from None
    except (RuntimeError, ValueError) as error:  # ~nobody, a zero byte
        raise UserError(f"{shown}: no valid path ({error})") from None
    if kind and not (or_pipe and is_open_pipe(path)):
        raise UserError(f"{shown}: is {kind}, neither a file nor a folder")
    return path


def special_kind(path: Path) -> str:
    """Return what is at a path if it is neither a file nor a folder, as "a pipe"; otherwise "".

    Raises:
        OSError: it cannot be looked at.
        ValueError: it is no valid path.
    """
    try:
        return _SPECIAL.get(stat.S_IFMT(path.stat().st_mode), "")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def is_open_pipe(path: Path) -> bool:
    """Whether a pipe was opened by the shell, as stdin or for `<(...)`: it can be read at once."""
    is_of_shell = str(path) == "/dev/stdin" or str(path.parent) in OPEN_PIPES
    return is_of_shell and special_kind(path) == "a pipe"
