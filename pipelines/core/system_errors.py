"""What the system refuses, such as a write to a full disk, as one line for the user."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import UserError

# What HDF5 and TensorFlow say in the text of their errors; the second kind also if a file cannot be
# read, so that the text must name the place that is written.
_OF_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_OF_PATHS = (errno.EACCES, errno.ENOENT, errno.ENOTDIR, errno.EIO, errno.ENAMETOOLONG, errno.ESTALE)
_ROOM = 2**20  # bytes that must stay free beside a file


def reason_of(error: BaseException | None, place: Path | None = None) -> str | None:
    """Return what the system has refused, such as "No space left on device".

    Args:
        error: the error, or the one that arose from that of the system.
        place: the file or folder that is written; None: none.

    Returns:
        None if the system has refused nothing.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            is_short = error.strerror and len(error.strerror.splitlines()) == 1  # unlike HDF5's
            return error.strerror if is_short else os.strerror(error.errno)
        text = str(error)
        codes = _OF_WRITES + (_OF_PATHS if place is not None and str(place) in text else ())
        if said := next((r for r in map(os.strerror, codes) if r in text), None):
            return said
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def path_of(error: BaseException) -> Path | None:
    """Return the file that an error is about: of a temporary file, the one it was to become."""
    name = getattr(error, "filename", None)
    if not isinstance(name, str | bytes):
        return None
    path = Path(os.fsdecode(name))
    return path.with_name(re.sub(r"^\.writing-", "", path.name)) if path.name else path


@contextlib.contextmanager
def writing(place: Path, usable: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Raise what the system refuses inside the block as a `UserError` in one line.

    Args:
        place: the file or folder that is written.
        usable: returns what stays usable, and what to do.
    """
    try:
        yield
    except (UserError, BrokenPipeError):  # the second: of stdout, not of a file
        raise
    except Exception as error:
        if (reason := reason_of(error, place)) is None:
            raise
        raise UserError(_in_one_line(path_of(error) or place, place, reason, usable())) from None


def _in_one_line(path: Path, place: Path, reason: str, usable: str) -> str:
    path_, place_ = path.absolute(), place.absolute()
    is_written = path_.is_relative_to(place_) or place_.is_relative_to(path_)  # or a folder of it
    verb = "write" if is_written else "use"
    return f"cannot {verb} {path}: {reason}{'; ' * bool(usable)}{usable}"


def require_space(file: Path, size: int, usable: str = "") -> None:
    """Raise `UserError` if the disk has no room for a file of `size` bytes.

    Args:
        file: the file to write; its folder exists.
        size: the number of bytes.
        usable: what stays usable, and what to do.
    """
    free = shutil.disk_usage(file.parent).free
    if size + _ROOM > free:
        raise UserError(
            f"cannot write {file}: it takes {size / 1e6:,.1f} MB, and the disk has"
            f" {free / 1e6:,.1f} MB left{'; ' * bool(usable)}{usable}"
        )
