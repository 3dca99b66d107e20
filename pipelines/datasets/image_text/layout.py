"""The format of the user's file of image names and texts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..images.image_index import ImageIndex
from ..left_out import LeftOut
from .image_text_data import Images


class Line(NamedTuple):
    """One line of the file, parsed."""

    images: list[str]  # file names in the folder
    texts: list[str]
    split: str | None
    descriptions: list[str]  # one for each image; empty if there are none


class Annotation(NamedTuple):
    """A line with its images.

    Attributes:
        place: the line, as `file:line`.
        paths: the images; in place of one that is not there, the reason.
    """

    place: str
    line: Line
    paths: list[Path | str]


class Annotations(NamedTuple):
    """The lines of one file."""

    entries: list[Annotation]
    remarks: Sequence[str] = ()
    left_out: Sequence[LeftOut] = ()


class Layout(NamedTuple):
    """The format of the file of lines.

    Attributes:
        file: the name of the file.
        line: an example of a line, for messages.
        parse: parses the JSON object of a line; raises ValueError with the fault.
        load: (the paths of each item, channels) → images.
        item: the noun for the images of a line, "image" or "sequence".
        text: the noun for their text, "caption" or "story".
        read_table: reads a table in place of the file: (table, images, the name of a folder that
            comes first if several images have the same name); None: there are no tables.
        encoding: the encoding of the file; None: UTF-8, or what its byte order mark says.
    """

    file: str
    line: str
    parse: Callable[[dict[str, Any]], Line]
    load: Callable[[Sequence[Sequence[Path]], int], Images]
    item: str
    text: str
    read_table: Callable[[Path, ImageIndex, str], Annotations] | None = None
    encoding: str | None = None

    @property
    def expected(self) -> str:
        """What a person's folder should hold, for messages."""
        table = ", or a table" if self.read_table else ""
        return f"expected a folder with images and {self.file}, lines {self.line}{table}"
