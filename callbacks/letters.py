"""Letters in pictures."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib
from PIL import ImageFont

INK, FAINT = (60, 60, 60), (120, 120, 120)


def font_for(texts: Iterable[str], size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own has no more than ASCII and "…"; the one inside matplotlib has many scripts."""
    if "".join(texts).replace("…", "").isascii():
        return ImageFont.load_default(size)
    file = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
    return ImageFont.truetype(file, size - 1)  # its letters are larger


def printable(text: str) -> str:
    """A line feed, a tab and the like as \\n, \\t."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
