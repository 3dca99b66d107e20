"""A person's path to data, checked before anything is read."""

from pathlib import Path

from ..core.errors import UserError
from ..core.paths import usable_path
from .listing import printable


def data_path(where: str | Path, expected: str = "", flag: str = "--data-dir") -> Path:
    """Return the file or folder of a flag, with `~` expanded.

    Args:
        where: the path that was given.
        expected: what should be there, for the message about a missing path.
        flag: the flag, for messages.

    Raises:
        UserError: there is no such path, or no data could be read from it, see `usable_path`.
    """
    path = usable_path(where, flag)
    if not path.exists():
        remedy = f"; expected {expected}" if expected else ""
        raise UserError(f"{flag} {printable(where)}: no such file or folder{remedy}")
    return path
