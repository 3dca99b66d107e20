"""The path of a person's data, checked before anything is read."""

import stat
from pathlib import Path

from ..core.errors import UserError
from .listing import printable


def data_path(where: str | Path, expected: str = "") -> Path:
    """Return the file or folder of `--data-dir`, with `~` expanded.

    Args:
        where: the path that was given.
        expected: what should be there, for the message about a missing path.

    Raises:
        UserError: there is no such path, it cannot be looked at, or it is a pipe or a device.
    """
    shown = f"--data-dir {printable(where)}"
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
        raise UserError(f"{shown}: neither a file nor a folder; copy the data to a file")
    return path
