"""Fonts and text colours for images."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib
from PIL import ImageFont

INK, FAINT = (60, 60, 60), (120, 120, 120)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def font_for(names: Iterable[str], size: int) -> Font:
    """Return Pillow's narrow font, which has ASCII and "…" only, or else `unicode_font`."""
    if "".join(names).replace("…", "").isascii():
        return ImageFont.load_default(size)
    return unicode_font(size - 1)  # its letters are larger


def unicode_font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font that matplotlib contains; letters that it lacks are drawn as boxes."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)


def printable(text: str) -> str:
    """Escape characters that cannot be printed, such as line feed and tab: \\n, \\t."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
