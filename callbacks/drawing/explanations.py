"""Pictures of what a prediction depends on: maps on images, coloured texts, tags by words."""

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from .captioned_images import MARGIN, SMALL_SIDE, CaptionedImage, caption_sheet, wrapped
from .fonts import FAINT, INK, Font, printable, unicode_font

MAPS, TEXTS = matplotlib.colormaps["inferno"], matplotlib.colormaps["YlOrBr"]
OVERLAY = 0.75  # the largest opacity of a map on an image
WIDTH = 760  # pixels of a line of coloured symbols
MAX_LINES, MAX_WORDS = 60, 80  # of a coloured text; rows and columns of a table
_SIZE, _LINE, _PAD, _GAP = 17, 32, 6, 3  # pixels of letters, of a line, inside and between boxes
_CELL, _HEAD = 24, 20  # pixels of a cell of a table, and of a line above a picture
_SHOWN = 24  # characters of a word


def png(pixels: np.ndarray) -> bytes:
    """Return pixels uint8 [H, W, 3] as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


# Maps on images


def heat(values: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Return a map [h, w] ≥ 0 as colours, uint8 [h, w, 3], from black (0) to yellow.

    Args:
        values: the map.
        largest: what is yellow; None: its largest value.
    """
    return _bytes(MAPS(_relative(values, largest))[..., :3])


def overlaid(image: np.ndarray, values: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Return an image in grey with a map over it, more opaque where the map is larger.

    A small image is enlarged as in `caption_sheet`, so that the map can be smooth.

    Args:
        image: uint8 [H, W, 1 or 3].
        values: a map [h, w] ≥ 0, which is enlarged smoothly.
        largest: as in `heat`.
    """
    factor = max(round(SMALL_SIDE / max(image.shape[:2])), 1)
    image = image.repeat(factor, axis=0).repeat(factor, axis=1)
    height, width = image.shape[:2]
    relative = Image.fromarray(_relative(values, largest).astype(np.float32))
    larger = np.asarray(relative.resize((width, height), Image.Resampling.BILINEAR))
    opacity = OVERLAY * np.clip(larger, 0, 1)[..., None]
    grey = image.mean(axis=-1, keepdims=True) / 255
    return _bytes((1 - opacity) * grey + opacity * MAPS(np.clip(larger, 0, 1))[..., :3])


def image_sheet(
    title: str, blocks: Sequence[Sequence[tuple[np.ndarray, str]]], note: str = ""
) -> np.ndarray:
    """Return images with captions as one image, uint8 [H, W, 3].

    Args:
        title: the line above them.
        blocks: (image uint8 [H, W, 1 or 3], caption), of blocks from top to bottom.
        note: a paler line below the title.
    """
    examples = [
        CaptionedImage([image for image, _ in block], [caption for _, caption in block])
        for block in blocks
    ]
    return _headed(Image.fromarray(caption_sheet(examples)), title, note)


def _relative(values, largest=None):
    """Values from 0 to 1: a part of the largest."""
    finite = np.nan_to_num(np.maximum(values, 0), posinf=0)
    return finite / (largest or finite.max(initial=0) or 1)


def _bytes(colours):
    return np.round(colours * 255).astype(np.uint8)


# Texts


def coloured_text(
    title: str, rows: Sequence[tuple[str, np.ndarray]], symbols: Sequence[str]
) -> np.ndarray:
    """Return a text whose symbols are coloured by values, uint8 [H, W, 3].

    Args:
        title: the line above it.
        rows: (what the values are, values ≥ 0 [T]); the text is repeated for each.
        symbols: T characters or words.
    """
    font = unicode_font(_SIZE)
    parts = [_part(name, values, symbols, font) for name, values in rows]
    sheet = Image.new("RGB", (WIDTH + 2 * MARGIN, sum(p.height for p in parts)), "white")
    y = 0
    for part in parts:
        sheet.paste(part, (MARGIN, y))
        y += part.height
    return _headed(sheet, title)


def _part(name, values, symbols, font):
    """The text once, with a line on what the colours mean."""
    lines = _lines([_visible(symbol) for symbol in symbols], font)
    hidden = sum(len(line) for line in lines[MAX_LINES:])
    shown = lines[:MAX_LINES]
    image = Image.new("RGB", (WIDTH, 2 * _HEAD + _LINE * len(shown) + MARGIN), "white")
    draw = ImageDraw.Draw(image)
    relative, small = _relative(values), unicode_font(13)
    more = f"; {hidden:,} more are not shown" if hidden else ""
    draw.text((0, _HEAD), f"{name}, largest {values.max(initial=0):.2g}{more}", FAINT, small, "ls")
    _scale(draw, WIDTH - 160, _HEAD - 12, small)
    place = 0
    for number, line in enumerate(shown):
        for x, width, text in line:
            top = int(1.5 * _HEAD) + number * _LINE
            background = TEXTS(float(relative[place]))[:3]
            box = (x, top, x + width, top + _LINE - _GAP)
            draw.rectangle(box, tuple(map(int, _bytes(np.array(background)))))
            centre = (x + width / 2, top + _LINE * 0.68)
            draw.text(centre, text, _ink(background), font, "ms")
            place += 1
    return image


def _lines(texts, font):
    """The boxes of each line: [(x, width, text)]"""
    lines, x = [[]], 0
    for text in texts:
        width = max(int(font.getlength(text)), _PAD) + 2 * _PAD
        if x and x + width > WIDTH:
            lines.append([])
            x = 0
        lines[-1].append((x, width, text))
        x += width + _GAP
    return lines


def _scale(draw, x, y, font):
    """The colours from 0 to the largest value."""
    for step in range(100):
        colour = tuple(map(int, _bytes(np.array(TEXTS(step / 99)[:3]))))
        draw.line((x + 12 + step, y, x + 12 + step, y + 12), colour)
    draw.text((x, y + 11), "0", FAINT, font, "ls")
    draw.text((x + 116, y + 11), "largest", FAINT, font, "ls")


def _visible(symbol):
    symbol = printable(symbol).replace(" ", "␣")
    return symbol if len(symbol) <= _SHOWN else f"{symbol[: _SHOWN - 1]}…"


def _ink(background):
    """Black or white, whichever has more contrast (WCAG's relative luminance)."""
    linear = [c / 12.92 if c <= 0.04 else ((c + 0.055) / 1.055) ** 2.4 for c in background]
    luminance = float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
    return "black" if luminance > 0.179 else "white"


# Tags by words


def tag_table(
    title: str, values: np.ndarray, tags: Sequence[str], words: Sequence[str], note: str
) -> np.ndarray:
    """Return a table tag × word, each row coloured relative to its largest value.

    Args:
        title: the line above it.
        values: ≥ 0, [T, T].
        tags: the names of the rows.
        words: the names of the columns.
        note: a paler line below the title.
    """
    if len(words) > MAX_WORDS:
        note += f"; the first {MAX_WORDS} of {len(words):,} words"
    shown = [_visible(word) for word in words[:MAX_WORDS]]
    names = [f"{word}  {tag}" for word, tag in zip(shown, tags, strict=False)]
    font = unicode_font(13)
    left, top = (max(int(font.getlength(text)) for text in t) + 8 for t in (names, shown))
    size = _CELL * len(shown)
    sheet = Image.new("RGB", (left + size + 2 * MARGIN, top + size + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for row, name in enumerate(names):
        y = top + row * _CELL
        draw.text((MARGIN + left - 6, y + _CELL * 0.7), name, INK, font, "rs")
        for column, value in enumerate(_relative(values[row, : len(shown)])):
            x = MARGIN + left + column * _CELL
            colour = tuple(map(int, _bytes(np.array(TEXTS(float(value))[:3]))))
            draw.rectangle((x, y, x + _CELL - 2, y + _CELL - 2), colour)
    for column, word in enumerate(shown):
        label = Image.new("RGB", (top, _CELL), "white")
        ImageDraw.Draw(label).text((4, _CELL * 0.7), word, INK, font, "ls")
        sheet.paste(label.rotate(90, expand=True), (MARGIN + left + column * _CELL, 0))
    return _headed(sheet, title, note)


def _headed(sheet: Image.Image, title: str, note: str = "") -> np.ndarray:
    """An image with lines above it, wrapped to its width but at least to that of a text."""
    large, small = unicode_font(15), unicode_font(13)
    width = max(sheet.width, 420)
    lines: list[tuple[str, Font, tuple[int, int, int]]] = []
    for text, font, colour in ((title, large, INK), (note, small, FAINT)):
        lines += [(line, font, colour) for line in wrapped(text, width - 2 * MARGIN, font)]
    height = MARGIN + _HEAD * len(lines)
    whole = Image.new("RGB", (width, height + sheet.height), "white")
    draw = ImageDraw.Draw(whole)
    for place, (line, font, colour) in enumerate(lines):
        draw.text((MARGIN, MARGIN + _HEAD * place + 14), line, colour, font, "ls")
    whole.paste(sheet, (0, height))
    return np.asarray(whole)
