"""The kinds of items that the folder of a class holds: images, videos, documents."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from .left_out import LeftOut
from .listing import printable


class Kind(NamedTuple):
    """What the folder of a class holds.

    Attributes:
        noun: the name of an item, such as "image".
        other: the reason for leaving out another file, such as "not an image".
        foreign: the reason for a file of the right kind in a format that is not read, else None.
        layout: the expected layout of the folder, for messages.
        files: yields the files below a path, each with whether it is an item.
    """

    noun: str
    other: str
    layout: str
    files: Callable[[Path], Iterator[tuple[Path, bool]]]
    foreign: Callable[[Path], str | None] = lambda path: None

    def leave_out(self, file: Path) -> LeftOut:
        """Return the record of a file that is no item."""
        return LeftOut(printable(file), self.foreign(file) or self.other)

    def is_in(self, folder: Path) -> bool:
        """Whether there is an item in a folder or its sub-folders."""
        return any(is_item for _, is_item in self.files(folder))
