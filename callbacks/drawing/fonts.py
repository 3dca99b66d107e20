"""Letters in pictures."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib
from PIL import ImageFont

INK, FAINT = (60, 60, 60), (120, 120, 120)


def font_for(names: Iterable[str], size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own, which is narrow and has no more than ASCII and "…"; else, `many_scripts`."""
    if "".join(names).replace("…", "").isascii():
        return ImageFont.load_default(size)
    return many_scripts(size - 1)  # its letters are larger


def many_scripts(size: int) -> ImageFont.FreeTypeFont:
    """The one inside matplotlib; where it lacks a letter, it draws a box."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)


def printable(text: str) -> str:
    """A line feed, a tab and the like as \\n, \\t."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
