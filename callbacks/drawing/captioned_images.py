"""What a model says of pictures, below them."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, groupby, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from .drawing.fonts import FAINT, INK, many_scripts, printable
from .recording.snapshot import Onlooker

MOST = 12  # tiles shown
COLUMNS, ACROSS = 4, 5  # at most: tiles of one picture side by side; pictures of one tile
SIDE, SMALL = 320, 240  # pixels of a picture's longer side: at most; of a small one, about
NARROW = 160  # pixels of a line of text at most, even if the picture is narrower
LINES = 24  # of one text; the rest of a longer one is left out
MARGIN, BETWEEN, NEAR = 20, 32, 16  # around all; between tiles; between the pictures of a tile
_SIZE, _LINE, _ABOVE = 14, 20, 8  # of letters, of a line of them, and above the first
_FRAME = "#e0e0e0"  # else, one could not see where a white picture ends


class Told(NamedTuple):
    """Pictures and what is said of them."""

    pictures: Sequence[np.ndarray]  # one, or several side by side; uint8 [H, W, C], C is 1 or 3
    said: Sequence[str]  # by the model: one text for all pictures, or one for each of them
    right: Sequence[str] = ()  # what would be right, in the same way; may be left out


class TellPictures(Onlooker):
    """Writes a picture for TensorBoard's Images tab: pictures, and below them what a model says.

        def look():
            return [Told([picture], [say(model, picture)], [label]) for picture, label in some]

        model.fit(x, y, epochs=3, callbacks=[TellPictures(look, "logs")])

    It looks when training begins and after each epoch.

    Args:
        look: a function without arguments that returns the pictures and what is said of them, the
            first 12 of which are shown; where it returns none, nothing is written.
        log_dir: event files go to `log_dir`/`title`.
        title: of the picture.

    `fit` called again goes on counting epochs.

    Raises:
        ValueError: when it looks; see `sheet`.
    """

    def __init__(
        self, look: Callable[[], Sequence[Told]], log_dir: str | Path, title: str = "pictures"
    ):
        super().__init__(look, Path(log_dir) / title)
        self.title = title

    def _write(self, seen, step):
        self._log.write(self.title, {}, {}, {}, step)  # only the step, for the image
        self._log.image(self.title, sheet(seen[:MOST]), _DESCRIPTION)


_DESCRIPTION = "What the model says of each picture and, in a fainter ink, what would be right."


def sheet(told: Sequence[Told]) -> np.ndarray:
    """All of them as one picture [height, width, 3] uint8, in their order.

    Single pictures stand in a grid of at most 4 columns. Several that belong together stand side
    by side, in rows of at most 5, with a text for each below it or one for all below all of them.
    Small pictures are enlarged by a whole number, to about 240 pixels; large ones are reduced to
    320 on the longer side.

    Raises:
        ValueError: nothing is told, or no picture; a picture is not uint8 [H, W, 1 or 3]; the
            number of texts is neither 1 nor the number of pictures.
    """
    if not told:
        raise ValueError("sheet: nothing is told")
    for one in told:
        _check(one)
    font = many_scripts(_SIZE)  # also for English: Pillow's own joins some words
    blocks = [
        _table([_tile(one, font) for one in group], COLUMNS if are_single else 1, BETWEEN)
        for are_single, group in groupby(told, lambda one: len(one.pictures) == 1)
    ]
    whole = _table([_Tile(block, 0) for block in blocks], 1, BETWEEN)
    return np.asarray(ImageOps.expand(whole, MARGIN, "white"))


def wrapped(text: str, width: int, font) -> Iterator[str]:
    """Its lines, none of them wider than `width` pixels; a word that is gets broken."""
    for paragraph in text.splitlines():
        line = ""
        for word in map(printable, paragraph.split()):
            longer = f"{line} {word}" if line else word
            if _extent(longer, font)[1] <= width:
                line = longer
                continue
            if line:
                yield line
            *parts, line = _broken(word, width, font)
            yield from parts
        if line:
            yield line


def _broken(word, width, font):
    """Into parts as long as fit."""
    while word:
        lengths = range(1, min(len(word), width) + 1)
        fit = bisect_right(lengths, width, key=lambda n: _extent(word[:n], font)[1])
        yield word[: max(fit, 1)]
        word = word[max(fit, 1) :]


def _extent(line, font):
    """(where to begin, so that no letter reaches out to the left; pixels from there to its end)."""
    left, _, right, _ = font.getbbox(line)
    begin = math.ceil(max(-left, 0))
    return begin, begin + math.ceil(right)


class _Tile(NamedTuple):
    """Pictures with texts below them."""

    image: Image.Image
    foot: int  # where the pictures end


def _tile(told, font):
    each, common = _texts(told)
    pictures = map(_sized, told.pictures)
    tiles = [
        _Tile(_captioned(picture, texts, font), picture.height)
        for picture, texts in zip(pictures, each, strict=True)
    ]
    strip = _table(tiles, ACROSS, NEAR)
    return _Tile(_captioned(strip, common, font), strip.height)


def _texts(told):
    """→ what stands below each picture, and what stands below all of them: [(text, ink)]."""
    each, common = [[] for _ in told.pictures], []
    for texts, before, ink in ((told.said, "", INK), (told.right, "right: ", FAINT)):
        places = each if len(texts) > 1 else [common]
        for place, text in zip(places, texts, strict=False):
            if text.strip():
                place.append((before + text, ink))
    return each, common


def _sized(picture):
    """[H, W, 1 or 3] → an image, enlarged or reduced, in a thin frame."""
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).convert("RGB")
    if max(image.size) > SIDE:
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        return ImageOps.expand(image, 1, _FRAME)
    times = max(round(SMALL / max(image.size)), 1)
    size = image.width * times, image.height * times
    return ImageOps.expand(image.resize(size, Image.Resampling.NEAREST), 1, _FRAME)


def _captioned(image, texts, font):
    """With texts below, wrapped to its width."""
    most = max(image.width, NARROW)
    lines = [(line, ink) for text, ink in texts for line in _first(wrapped(text, most, font))]
    if not lines:
        return image
    extents = [_extent(line, font) for line, _ in lines]
    width = max(image.width, *(end for _, end in extents))
    size = width, image.height + _ABOVE + _LINE * len(lines)
    whole = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(whole)
    for place, ((line, ink), (begin, _)) in enumerate(zip(lines, extents, strict=True)):
        y = image.height + _ABOVE + _LINE * place + _SIZE
        draw.text((begin, y), line, ink, font, "ls")
    whole.paste(image)
    return whole


def _first(lines):
    """No more than are shown; an ellipsis stands for the others."""
    some = [*islice(lines, LINES + 1)]
    return some if len(some) <= LINES else [*some[: LINES - 1], "…"]


def _table(tiles, most, gap):
    """In rows as equally long as can be, of at most `most`; in a row, all pictures end together."""
    columns = math.ceil(len(tiles) / math.ceil(len(tiles) / most))
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    feet = [max(tile.foot for tile in row) for row in rows]
    heights = [
        foot + max(tile.image.height - tile.foot for tile in row)
        for row, foot in zip(rows, feet, strict=True)
    ]
    widths = [max(tile.image.width for tile in tiles[i::columns]) for i in range(columns)]
    *xs, right = accumulate(widths, lambda x, w: x + w + gap, initial=0)
    *ys, bottom = accumulate(heights, lambda y, h: y + h + gap, initial=0)
    whole = Image.new("RGB", (right - gap, bottom - gap), "white")
    for row, foot, y in zip(rows, feet, ys, strict=True):
        for x, tile in zip(xs, row, strict=False):
            whole.paste(tile.image, (x, y + foot - tile.foot))
    return whole


def _check(told):
    pictures, said, right = told
    if not len(pictures):  # also of an array of pictures
        raise ValueError("Told: there must be a picture")
    for one in pictures:
        if one.dtype != np.uint8 or one.ndim != 3 or one.shape[-1] not in (1, 3) or not one.size:
            raise ValueError(
                f"Told: a picture must be uint8 [H, W, 1 or 3], not {one.dtype} {[*one.shape]}"
            )
    for name, texts in (("said", said), ("right", right or [""])):
        if len(texts) not in (1, len(pictures)):
            raise ValueError(
                f"Told: {len(texts)} texts in `{name}` for {len(pictures)} pictures; there must "
                "be one for all of them, or one for each"
            )
