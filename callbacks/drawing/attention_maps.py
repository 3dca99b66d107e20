"""Where a model looks: which inputs each of its outputs attends to, as it learns."""

import math
from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.cells import cell_len, set_cell_size

from .drawing.fonts import FAINT, INK, font_for, printable
from .drawing.heat_maps import NOTHING, OPENNESS
from .recording.snapshot import Onlooker

MOST, COLUMNS = 12, 4  # maps shown, and side by side
WIDTH, SIDE = 1600, 720  # pixels of all maps side by side, and of one map, at most
CELL = 18  # pixels of a cell's side, unless a map becomes too large
LEGEND = 40  # pixels above the maps
LONGEST = 12  # characters of a symbol in a picture
SHADES = " ·░▒▓█"  # of a weight in a text, from 0 to 1
_LINE = 16  # pixels of a line of letters
_SPACE, _GAP = 20, 5  # between maps, and around all; between a map and its names
_BAR, _LEGEND_WIDTH = (120, 12), 240


class Alignment(NamedTuple):
    """What the outputs of one example pay attention to."""

    inputs: Sequence[str]  # S symbols: characters, phones, words
    outputs: Sequence[str]  # T symbols
    weights: np.ndarray  # [T, S], the share that output t pays to input s; each row sums to 1


class AttentionMaps(Onlooker):
    """Writes a picture for TensorBoard's Images tab: outputs × inputs, how much each looks at each.

        def look():
            return [Alignment(word, say(model, word), attention(model, word)) for word in words]

        model.fit(x, y, epochs=3, callbacks=[AttentionMaps(look, "logs")])

    It looks when training begins and after each epoch. Beside the picture, `attention`, it writes
    the scalar `attention/sharpness`: the largest weight of an output step, mean over all steps of
    all examples; 1 where every output looks at a single input.

    Args:
        look: a function without arguments that returns the alignments, the first 12 of which are
            shown; where it returns none, nothing is written.
        log_dir: event files go to `log_dir`/attention.

    `fit` called again goes on counting epochs.

    Raises:
        ValueError: when it looks, and weights are not [outputs, inputs].
    """

    def __init__(self, look: Callable[[], Sequence[Alignment]], log_dir: str | Path):
        super().__init__(look, Path(log_dir) / "attention")

    def _write(self, seen, step):
        self._log.write("attention", {}, {}, {"attention/sharpness": sharpness(seen)}, step)
        self._log.image("attention", picture(seen), _DESCRIPTION)


_DESCRIPTION = (
    "Each row is an output, each column an input; the colour is the share of its attention that "
    "the output pays to the input. A row sums to 1."
)


def sharpness(alignments: Sequence[Alignment]) -> float:
    """The largest weight of an output step, mean over all steps; NaN without any."""
    largest = [row.max() for one in alignments for row in one.weights if row.size]
    return float(np.mean(largest)) if largest else math.nan


def text(alignment: Alignment) -> str:
    """For a terminal: inputs from left to right, outputs below one another, weights as shades.

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


def picture(alignments: Sequence[Alignment]) -> np.ndarray:
    """The first 12 as one picture [height, width, 3] uint8, cells of the same size in all of them.

    A cell is a square of 18 pixels; smaller, if a map would be larger than 720 pixels: then, not
    every step is named.
    """
    tiles = _tiles(alignments[:MOST])
    left = max((tile.names.width for tile in tiles), default=0) + _GAP
    top = max((tile.heads.height for tile in tiles), default=0) + _GAP
    xs, ys, size = _grid([tile.heat.size for tile in tiles], left, top)
    image = Image.new("RGB", size, "white")
    for place, tile in enumerate(tiles):
        x, y = xs[place % len(xs)], ys[place // len(xs)]
        image.paste(tile.heat, (x, y))
        image.paste(INK, (x - _GAP - tile.names.width, y - _LINE), tile.names)
        image.paste(INK, (x - _LINE, y - _GAP - tile.heads.height), tile.heads)
    _draw_legend(image)
    return np.asarray(image)


class _Tile(NamedTuple):
    """One map; its names are masks, a line longer than the map at both ends."""

    heat: Image.Image
    names: Image.Image  # of the outputs, left of it
    heads: Image.Image  # of the inputs, above it


def _tiles(alignments):
    for alignment in alignments:
        _check(alignment)
    longest = max((max(alignment.weights.shape) for alignment in alignments), default=0)
    cell = max(min(CELL, SIDE // max(longest, 1)), 1)
    every = math.ceil(_LINE / cell)  # as many steps have one name, so that none overlap
    names = [[*map(_label, alignment.outputs[::every])] for alignment in alignments]
    heads = [[*map(_label, alignment.inputs[::every])] for alignment in alignments]
    font = font_for(chain(*names, *heads), 12)
    fit = all(font.getlength(head) <= cell * every - _GAP for line in heads for head in line)
    above = _beside_one_another if fit else _upright
    return [
        _Tile(
            _heat(alignment.weights, cell),
            _below_one_another(left, font, cell, every, "rm"),
            above(top, font, cell, every),
        )
        for alignment, left, top in zip(alignments, names, heads, strict=True)
    ]


def _heat(weights, cell):
    """A square for each weight; grey where it is NaN."""
    palette = matplotlib.colormaps[OPENNESS].with_extremes(bad=NOTHING)
    colours = palette(weights.astype("float32"), bytes=True)[..., :3]
    squares = colours.repeat(cell, axis=0).repeat(cell, axis=1)
    if cell >= _LINE:  # else, white lines between the squares would take too much of them
        squares[cell - 1 :: cell] = squares[:, cell - 1 :: cell] = 255
    return Image.fromarray(squares)


def _label(symbol):
    symbol = printable(symbol)
    return symbol if len(symbol) <= LONGEST else symbol[: LONGEST - 1] + "…"


def _below_one_another(names, font, cell, every, anchor):
    width = math.ceil(max(map(font.getlength, names), default=0))
    mask = Image.new("L", (width, len(names) * every * cell + 2 * _LINE))
    draw = ImageDraw.Draw(mask)
    for place, name in enumerate(names):
        y = _LINE + (place * every + 0.5) * cell
        draw.text((width if anchor == "rm" else 0, y), name, 255, font, anchor)
    return mask


def _upright(names, font, cell, every):
    """Side by side, to be read from below."""
    lines = _below_one_another(names, font, cell, every, "lm")
    return lines.transpose(Image.Transpose.ROTATE_90)


def _beside_one_another(names, font, cell, every):
    mask = Image.new("L", (len(names) * every * cell + 2 * _LINE, _LINE))
    draw = ImageDraw.Draw(mask)
    for place, name in enumerate(names):
        x = _LINE + (place * every + 0.5) * cell
        draw.text((x, _LINE / 2), name, 255, font, "mm")
    return mask


def _grid(sizes, left, top):
    """The table that maps stand in: where its columns begin, where its rows do, (width, height).

    left, top: room for names.
    """
    widest = max((width for width, _ in sizes), default=0) + left + _SPACE
    columns = max(min(COLUMNS, len(sizes), WIDTH // widest), 1)
    widths = [max((w for w, _ in sizes[i::columns]), default=0) for i in range(columns)]
    heights = [max(h for _, h in sizes[i : i + columns]) for i in range(0, len(sizes), columns)]
    *xs, right = accumulate(widths, lambda x, w: x + w + _SPACE + left, initial=_SPACE + left)
    *ys, bottom = accumulate(heights, lambda y, h: y + h + _SPACE + top, initial=LEGEND + top)
    return xs, ys, (max(right - left, _LEGEND_WIDTH), bottom - top)


def _draw_legend(image):
    """A bar of all colours, above the maps."""
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
