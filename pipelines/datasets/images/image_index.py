"""Finding the image files that a table or a file of lines names."""

import functools
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ..listing import files_below, printable
from ..utf8 import collapse_whitespace
from .image_formats import is_image

NO_SUCH_IMAGE = "no such image"
AMBIGUOUS = "several images of this name"
_SHOWN = 100  # characters
_SAMPLE = 100  # names by which a column is judged


def shown_name(name: str) -> str:
    """Return the name of an image for a message; a table may hold whole images in its place."""
    return printable(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")


class ImageIndex:
    """The images of a folder by the names that people write in tables.

    Args:
        folder: the folder to which names are relative.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, table: Path) -> "ImageIndex":
        """Return the images in the folder of a table or, if it has none, in the folder above."""
        holds_image = any(map(is_image, files_below(table.parent, skip_unreadable=True)))
        return cls(table.parent if holds_image else table.absolute().parent.parent)

    @functools.cached_property
    def files(self) -> dict[Path, bool]:
        """All files of the folder and its sub-folders, each with whether it is an image."""
        return {path: is_image(path) for path in files_below(self.folder, skip_unreadable=True)}

    @property
    def paths(self) -> list[Path]:
        """All images of the folder and its sub-folders."""
        return [path for path, is_one in self.files.items() if is_one]

    @functools.cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        """The images by their names, with and without suffix, letter case aside."""
        found = defaultdict(list)
        for path in self.paths:
            for name in {path.name, path.stem}:
                found[_normalised(name).casefold()].append(path)
        return dict(found)

    def find(self, name: str, *near: str) -> Path | str:
        """Return the image of a name, or the reason why there is none.

        A name is a path relative to the folder, or an absolute one, or the end of a path in the
        folder, with or without the image's suffix, and with either kind of slash. It may end in the
        number of a caption, "a.jpg#0".

        Args:
            name: the name in a table.
            near: folders that the image may be in, if several have the same name.
        """
        name = name.strip().replace("\\", "/")
        found = self._find(name)
        if found == AMBIGUOUS:
            closer = (self._find(f"{folder}/{name}") for folder in near if folder)
            return next((path for path in closer if isinstance(path, Path)), found)
        if found == NO_SUCH_IMAGE and (plain := re.sub(r"#\d+$", "", name)) != name:
            return self.find(plain, *near)
        return found

    def has_most(self, names: Sequence[str], near: str = "") -> bool:
        """Whether most of the first names are those of images."""
        sample = [name for name in names if name][:_SAMPLE]
        return 2 * sum(isinstance(self.find(name, near), Path) for name in sample) > len(sample)

    def _find(self, name: str) -> Path | str:
        if not name or "\0" in name:
            return NO_SUCH_IMAGE
        direct = self.folder / name
        if _is_file(direct):
            return Path(os.path.normpath(direct))
        parts = PurePosixPath(_normalised(name)).parts
        named = self._by_name.get(parts[-1].casefold(), []) if parts else []
        close = _closest(named, parts[:-1])
        if len(close) > 1:  # a.png is not a.png.png, and a.jpg comes before a.jpg.json
            close = [path for path in close if path.name == parts[-1]] or close
        if not close:
            return NO_SUCH_IMAGE
        return close[0] if len(close) == 1 else AMBIGUOUS


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _normalised(name: str) -> str:
    return collapse_whitespace(printable(name))


def _closest(paths: Iterable[Path], folders: Sequence[str]) -> list[Path]:
    """Return the paths that agree with the most folders of a name, counted from its end."""
    agreeing = defaultdict(list)
    for path in paths:
        pairs = zip(reversed(folders), reversed(path.parent.parts), strict=False)
        count = 0
        for wanted, found in pairs:
            if wanted.casefold() != _normalised(found).casefold():
                break
            count += 1
        agreeing[count].append(path)
    return agreeing[max(agreeing)] if agreeing else []
