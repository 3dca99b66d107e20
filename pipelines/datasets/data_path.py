"""A person's path, checked before anything is read."""

import stat
from pathlib import Path

from ..core.errors import UserError
from .listing import printable


def data_path(where: str | Path, expected: str = "", flag: str = "--data-dir") -> Path:
    """Return the file or folder of a flag, with `~` expanded.

    Args:
        where: the path that was given.
        expected: what should be there, for the message about a missing path.
        flag: the flag, for messages.

    Raises:
        UserError: it is empty, there is no such path, it cannot be looked at, or it is a device.
    """
    if not str(where).strip():  # it would mean the current folder
        raise UserError(f"{flag}: an empty path; give one, or leave it out")
    shown = f"{flag} {printable(where)}"
    try:
        path = Path(where).expanduser()
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        remedy = f"; expected {expected}" if expected else ""
        raise UserError(f"{shown}: no such file or folder{remedy}") from None
    except OSError as error:
        raise UserError(f"{shown}: cannot be read ({error.strerror})") from None
    except (RuntimeError, ValueError) as error:  # ~nobody, a zero byte
        raise UserError(f"{shown}: no valid path ({error})") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UserError(f"{shown}: neither a file nor a folder; copy its content to a file")
    return path
