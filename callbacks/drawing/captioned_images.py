"""Images with captions below them, as one image."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby, islice
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from .fonts import FAINT, INK, Font, printable, unicode_font

COLUMNS, IMAGES_PER_ROW = 4, 5  # at most: examples side by side; images of one example
MAX_SIDE, SMALL_SIDE = 320, 240  # pixels of an image's longer side: at most; of a small one, about
MIN_TEXT_WIDTH = 160  # pixels that a line of text may have even if the image is narrower
MAX_LINES = 24  # of one caption; the rest of a longer one is left out
MARGIN, EXAMPLE_GAP, IMAGE_GAP = 20, 32, 16  # pixels: at the edges; between examples and images
_FONT_SIZE, _LINE, _ABOVE = 14, 20, 8  # pixels of letters, of a line, and above the first line
_FRAME = "#e0e0e0"  # around each image, so that the edge of a white one is visible


class CaptionedImage(NamedTuple):
    """An image, or several that belong together, with captions.

    Attributes:
        images: one or more, uint8 [H, W, C], C is 1 or 3.
        predicted: the model's captions: one for all images, or one for each.
        reference: the reference captions, in the same form; may be left out.
    """

    images: Sequence[np.ndarray]
    predicted: Sequence[str]
    reference: Sequence[str] = ()


def caption_sheet(examples: Sequence[CaptionedImage]) -> np.ndarray:
    """Return all examples as one image [height, width, 3] uint8, in their order.

    Single images are placed in a grid of at most 4 columns. Images that belong together are placed
    side by side, at most 5 in a row, with a caption below each or one below all of them. Small
    images are enlarged by a whole number to about 240 pixels; large ones are reduced to 320 pixels
    on the longer side.

    Raises:
        ValueError: there is no example, or one without an image; an image is not uint8
            [H, W, 1 or 3]; the number of captions is neither 1 nor the number of images.
    """
    if not examples:
        raise ValueError("caption_sheet: there are no images to draw")
    for example in examples:
        _check(example)
    font = unicode_font(_FONT_SIZE)  # Pillow's own font draws some words without spaces
    blocks = [
        _table([_tile(e, font) for e in group], COLUMNS if is_single else 1, EXAMPLE_GAP)
        for is_single, group in groupby(examples, lambda example: len(example.images) == 1)
    ]
    sheet = _table([_Tile(block, 0) for block in blocks], 1, EXAMPLE_GAP)
    return np.asarray(ImageOps.expand(sheet, MARGIN, "white"))


class _Tile(NamedTuple):
    """Images with captions below them."""

    image: Image.Image
    foot: int  # y of the lower edge of the images


def _tile(example, font):
    each, common = _captions(example)
    images = map(_resized, example.images)
    tiles = [
        _Tile(_with_captions(image, captions, font), image.height)
        for image, captions in zip(images, each, strict=True)
    ]
    strip = _table(tiles, IMAGES_PER_ROW, IMAGE_GAP)
    return _Tile(_with_captions(strip, common, font), strip.height)


def _captions(example):
    """→ the captions below each image, and those below all of them: [(text, colour)]"""
    each, common = [[] for _ in example.images], []
    kinds = (example.predicted, "", INK), (example.reference, "reference: ", FAINT)
    for texts, prefix, colour in kinds:
        places = each if len(texts) > 1 else [common]
        for place, text in zip(places, texts, strict=False):
            if text.strip():
                place.append((prefix + text, colour))
    return each, common


def _resized(array):
    """[H, W, 1 or 3] → an image in a thin frame"""
    image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).convert("RGB")
    if max(image.size) > MAX_SIDE:
        image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
        return ImageOps.expand(image, 1, _FRAME)
    factor = max(round(SMALL_SIDE / max(image.size)), 1)
    size = image.width * factor, image.height * factor
    return ImageOps.expand(image.resize(size, Image.Resampling.NEAREST), 1, _FRAME)


def _with_captions(image, captions, font):
    """The image with captions below it, wrapped to its width."""
    width = max(image.width, MIN_TEXT_WIDTH)
    lines = [
        (line, colour) for text, colour in captions for line in _cut(wrapped(text, width, font))
    ]
    if not lines:
        return image
    extents = [_extent(line, font) for line, _ in lines]
    size = (
        max(image.width, *(end for _, end in extents)),
        image.height + _ABOVE + _LINE * len(lines),
    )
    whole = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(whole)
    for place, ((line, colour), (x, _)) in enumerate(zip(lines, extents, strict=True)):
        y = image.height + _ABOVE + _LINE * place + _FONT_SIZE
        draw.text((x, y), line, colour, font, "ls")
    whole.paste(image)
    return whole


def _cut(lines):
    """The first lines, and an ellipsis if there are more than MAX_LINES."""
    first = [*islice(lines, MAX_LINES + 1)]
    return first if len(first) <= MAX_LINES else [*first[: MAX_LINES - 1], "…"]


def wrapped(text: str, width: int, font: Font) -> Iterator[str]:
    """Yield the lines of a text, none wider than `width` pixels; longer words are broken."""
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
    """Parts of a word, each as long as fits."""
    while word:
        lengths = range(1, min(len(word), width) + 1)
        fit = bisect_right(lengths, width, key=lambda n: _extent(word[:n], font)[1])
        yield word[: max(fit, 1)]
        word = word[max(fit, 1) :]


def _extent(line, font):
    """→ (x at which no letter reaches beyond the left edge, x of the right end), in pixels"""
    left, _, right, _ = font.getbbox(line)
    begin = math.ceil(max(-left, 0))
    return begin, begin + math.ceil(right)


def _table(tiles, max_columns, gap):
    """Tiles in rows of similar length; within a row, the lower edges of the images align."""
    columns = math.ceil(len(tiles) / math.ceil(len(tiles) / max_columns))
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


def _check(example):
    images, predicted, reference = example
    if not len(images):  # also if `images` is an array
        raise ValueError("CaptionedImage: there must be at least one image")
    for image in images:
        is_image = image.ndim == 3 and image.shape[-1] in (1, 3) and image.size > 0
        if image.dtype != np.uint8 or not is_image:
            raise ValueError(
                f"CaptionedImage: an image must be uint8 [H, W, 1 or 3], not {image.dtype} "
                f"{[*image.shape]}"
            )
    for name, captions in (("predicted", predicted), ("reference", reference or [""])):
        if len(captions) not in (1, len(images)):
            raise ValueError(
                f"CaptionedImage: {len(captions)} captions in `{name}` for {len(images)} images; "
                "there must be one for all of them, or one for each"
            )
