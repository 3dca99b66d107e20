"""Listing a person's folders, without the files that systems and programs leave there."""

import os
from collections.abc import Iterator
from pathlib import Path

from ...callbacks.recording.printable import printable
from ..core.errors import UserError

# What macOS, Windows, Synology and ext4 put into folders, letter case aside. Names that begin with
# a dot (.DS_Store, ._photo.jpg) are hidden as well.
SYSTEM_NAMES = frozenset(
    {
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "@eadir",
        "#recycle",
        "$recycle.bin",
        "system volume information",
        "lost+found",
    }
)


def is_visible(path: Path) -> bool:
    """Whether a path is a person's own, not hidden and not left there by a system."""
    return _is_visible(path.name)


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in SYSTEM_NAMES


def visible(folder: Path) -> list[Path]:
    """Return the visible files and folders of a folder, sorted.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        return sorted(filter(is_visible, folder.iterdir()))
    except OSError as error:
        raise UserError(f"{printable(folder)}: cannot be read ({error.strerror})") from None


def subfolders(folder: Path) -> list[Path]:
    """Return the visible folders of a folder, sorted."""
    return [path for path in visible(folder) if path.is_dir()]


def files_below(path: Path, *, skip_unreadable: bool = False) -> Iterator[Path]:
    """Yield the visible files of a folder and its visible sub-folders; for a file, the file itself.

    Links to folders are followed, but each folder is read once.

    Raises:
        UserError: a folder cannot be read, unless `skip_unreadable`.
    """
    if not path.is_dir():
        yield path
        return
    seen = set()
    on_error = None if skip_unreadable else _cannot_be_read
    for folder, folders, names in os.walk(path, onerror=on_error, followlinks=True):
        here = Path(folder)
        status = here.stat()
        if (status.st_dev, status.st_ino) in seen:  # by a link to a folder above
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(filter(_is_visible, folders))
        yield from (here / name for name in sorted(names) if _is_visible(name))


def _cannot_be_read(error: OSError) -> None:
    raise UserError(f"{printable(error.filename)}: cannot be read ({error.strerror})")
