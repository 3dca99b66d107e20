"""Attention weights as an image of maps and as text."""

import math
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.cells import cell_len, set_cell_size

from .fonts import FAINT, INK, font_for, printable
from .gate_maps import OPENNESS
from .heat_maps import NO_VALUE

MAX_MAPS, COLUMNS = 12, 4  # maps drawn, and side by side
MAX_WIDTH, MAX_SIDE = 1600, 720  # pixels of all maps side by side, and of one map
CELL = 18  # pixels of a cell's side, unless a map becomes too large
LEGEND = 40  # pixels above the maps
MAX_CHARACTERS = 12  # of a symbol in an image
SHADES = " ·░▒▓█"  # of a weight in a text, from 0 to 1
_LINE = 16  # height of a line of text, in pixels
_SPACE, _GAP = 20, 5  # between maps and at the edges; between a map and its names
_BAR, _LEGEND_WIDTH = (120, 12), 240


class Alignment(NamedTuple):
    """The attention of the outputs of one example.

    Attributes:
        inputs: S symbols: characters, phones or words.
        outputs: T symbols.
        weights: [T, S], the attention that output t pays to input s; each row sums to 1.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    weights: np.ndarray


def sharpness(alignments: Sequence[Alignment]) -> float:
    """Return the largest weight of each output step, averaged over all steps; NaN if none."""
    largest = [row.max() for alignment in alignments for row in alignment.weights if row.size]
    return float(np.mean(largest)) if largest else math.nan


def attention_text(alignment: Alignment) -> str:
    """Return a text for a terminal: inputs from left to right, outputs below one another.

       c a t
    K  █
    AE   ▒ ░
    T      █
    """
    _check(alignment)
    inputs, outputs = ([*map(printable, names)] for names in alignment[:2])
    widths = [max(cell_len(name), 1) for name in inputs]
    left = max(map(cell_len, outputs), default=0)
    head = [" " * left, *map(set_cell_size, inputs, widths)]
    rows = [
        [set_cell_size(name, left), *map(str.center, map(_shade, row), widths)]
        for name, row in zip(outputs, alignment.weights, strict=True)
    ]
    return "\n".join(" ".join(line).rstrip() for line in [head, *rows])


def _shade(weight):
    return SHADES[int(np.clip(np.nan_to_num(weight) * len(SHADES), 0, len(SHADES) - 1))]


def attention_maps(alignments: Sequence[Alignment]) -> np.ndarray:
    """Return the first 12 alignments as one image [height, width, 3] uint8.

    All cells have the same size: a square of 18 pixels, or smaller if a map would be larger than
    720 pixels; then, not every step is named.

    Raises:
        ValueError: the weights of an alignment are not [outputs, inputs].
    """
    tiles = _tiles(alignments[:MAX_MAPS])
    left = max((tile.outputs.width for tile in tiles), default=0) + _GAP
    top = max((tile.inputs.height for tile in tiles), default=0) + _GAP
    xs, ys, size = _grid([tile.heat.size for tile in tiles], left, top)
    image = Image.new("RGB", size, "white")
    for place, tile in enumerate(tiles):
        x, y = xs[place % len(xs)], ys[place // len(xs)]
        image.paste(tile.heat, (x, y))
        image.paste(INK, (x - _GAP - tile.outputs.width, y - _LINE), tile.outputs)
        image.paste(INK, (x - _LINE, y - _GAP - tile.inputs.height), tile.inputs)
    _draw_legend(image)
    return np.asarray(image)


class _Tile(NamedTuple):
    """One map, and masks of the names beside it, which are a line longer at both ends."""

    heat: Image.Image
    outputs: Image.Image  # left of the map
    inputs: Image.Image  # above the map


def _tiles(alignments):
    for alignment in alignments:
        _check(alignment)
    longest = max((max(alignment.weights.shape) for alignment in alignments), default=0)
    cell = max(min(CELL, MAX_SIDE // max(longest, 1)), 1)
    every = math.ceil(_LINE / cell)  # of the named steps, so that names do not overlap
    outputs = [[*map(_cut, alignment.outputs[::every])] for alignment in alignments]
    inputs = [[*map(_cut, alignment.inputs[::every])] for alignment in alignments]
    font = font_for(chain(*outputs, *inputs), 12)
    fits = all(font.getlength(name) <= cell * every - _GAP for names in inputs for name in names)
    above = _horizontal_names if fits else _vertical_names
    return [
        _Tile(
            _heat(alignment.weights, cell),
            _stacked_names(left, font, cell, every, "rm"),
            above(top, font, cell, every),
        )
        for alignment, left, top in zip(alignments, outputs, inputs, strict=True)
    ]


def _heat(weights, cell):
    """A square for each weight; grey where it is NaN."""
    palette = matplotlib.colormaps[OPENNESS].with_extremes(bad=NO_VALUE)
    colours = palette(weights.astype("float32"), bytes=True)[..., :3]
    squares = colours.repeat(cell, axis=0).repeat(cell, axis=1)
    if cell >= _LINE:  # white lines between smaller squares would cover too much of them
        squares[cell - 1 :: cell] = squares[:, cell - 1 :: cell] = 255
    return Image.fromarray(squares)


def _cut(symbol):
    symbol = printable(symbol)
    return symbol if len(symbol) <= MAX_CHARACTERS else symbol[: MAX_CHARACTERS - 1] + "…"


def _stacked_names(names, font, cell, every, anchor):
    """A mask of names below one another."""
    width = math.ceil(max(map(font.getlength, names), default=0))
    mask = Image.new("L", (width, len(names) * every * cell + 2 * _LINE))
    draw = ImageDraw.Draw(mask)
    for place, name in enumerate(names):
        y = _LINE + (place * every + 0.5) * cell
        draw.text((width if anchor == "rm" else 0, y), name, 255, font, anchor)
    return mask


def _vertical_names(names, font, cell, every):
    """A mask of names side by side, written upwards."""
    lines = _stacked_names(names, font, cell, every, "lm")
    return lines.transpose(Image.Transpose.ROTATE_90)


def _horizontal_names(names, font, cell, every):
    """A mask of names side by side."""
    mask = Image.new("L", (len(names) * every * cell + 2 * _LINE, _LINE))
    draw = ImageDraw.Draw(mask)
    for place, name in enumerate(names):
        x = _LINE + (place * every + 0.5) * cell
        draw.text((x, _LINE / 2), name, 255, font, "mm")
    return mask


def _grid(sizes, left, top):
    """Lay out the maps: → (x of each column, y of each row, (width, height) of the image)

    left, top: room for names.
    """
    widest = max((width for width, _ in sizes), default=0) + left + _SPACE
    columns = max(min(COLUMNS, len(sizes), MAX_WIDTH // widest), 1)
    widths = [max((w for w, _ in sizes[i::columns]), default=0) for i in range(columns)]
    heights = [max(h for _, h in sizes[i : i + columns]) for i in range(0, len(sizes), columns)]
    *xs, right = accumulate(widths, lambda x, w: x + w + _SPACE + left, initial=_SPACE + left)
    *ys, bottom = accumulate(heights, lambda y, h: y + h + _SPACE + top, initial=LEGEND + top)
    return xs, ys, (max(right - left, _LEGEND_WIDTH), bottom - top)


def _draw_legend(image):
    """Draw a bar of all colours above the maps."""
    draw = ImageDraw.Draw(image)
    draw.font = ImageFont.load_default(12)
    width, height = _BAR
    middle, left = LEGEND // 2, _SPACE + 70
    draw.text((_SPACE, middle), "attention", INK, anchor="lm")
    draw.text((left - _GAP, middle), "0", FAINT, anchor="rm")
    bar = _heat(np.linspace(0, 1, width)[None], 1).resize(_BAR)
    image.paste(bar, (left, middle - height // 2))
    draw.text((left + width + _GAP, middle), "1", FAINT, anchor="lm")


def _check(alignment):
    inputs, outputs, weights = alignment
    if weights.shape != (len(outputs), len(inputs)):
        raise ValueError(
            f"AttentionMaps: {len(outputs)} outputs and {len(inputs)} inputs need weights "
            f"[{len(outputs)}, {len(inputs)}], not {[*weights.shape]}"
        )
