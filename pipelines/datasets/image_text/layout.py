"""The format of the user's file of image names and texts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .image_text_data import Images


class Line(NamedTuple):
    """One line of the file, parsed."""

    images: list[str]  # file names in the folder
    texts: list[str]
    split: str | None
    descriptions: list[str]  # one for each image; empty if there are none


class Layout(NamedTuple):
    """The format of the file of lines.

    Attributes:
        file: the name of the file.
        line: an example of a line, for messages.
        parse: parses the JSON object of a line; raises ValueError with the fault.
        load: (the paths of each item, channels) → images.
        item: the noun for the images of a line, "image" or "sequence".
        text: the noun for their text, "caption" or "story".
    """

    file: str
    line: str
    parse: Callable[[dict[str, Any]], Line]
    load: Callable[[Sequence[Sequence[Path]], int], Images]
    item: str
    text: str
