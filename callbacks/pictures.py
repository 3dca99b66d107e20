"""Heat maps for TensorBoard, drawn in a few milliseconds.

matplotlib takes a hundred times as long, which an epoch's end would feel; `figures` uses it where
nobody waits.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

COLOURS = "magma"  # perceptually even, also to the colour-blind; no error is dark
NOTHING, BROKEN = "#e8e8e8", "#00b4d8"  # where there is no such step; where it is infinite
DECADES = 8  # shown below the largest value; what is smaller is drawn as the smallest
WIDTH, HEIGHT = 480, 216  # of the map, in pixels; no more rows than these are drawn
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 76, 26, 40
_INK = (60, 60, 60)


class Scale(NamedTuple):
    """The powers of ten between which colours are given."""

    low: int
    high: int


def scale(tables: Sequence[np.ndarray], decades: int = DECADES) -> Scale:
    """One for all tables: from the largest value down, so many decades at most."""
    shown = [t[np.isfinite(t) & (t > 0)] for t in tables]
    shown = [t for t in shown if t.size]
    if not shown:
        return Scale(-1, 0)
    high = math.ceil(math.log10(max(float(t.max()) for t in shown)))
    low = math.floor(math.log10(min(float(t.min()) for t in shown)))
    return Scale(min(max(low, high - decades), high - 1), high)


def evenly(count: int, most: int) -> np.ndarray:
    """Indices of at most `most` of `count` things, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def heat_map(
    table: np.ndarray,
    steps: np.ndarray,
    columns: Sequence[str],
    scale: Scale,
    titles: tuple[str, str],
) -> np.ndarray:
    """A picture [height, width, 3] uint8: a row for each training step, the first on top.

    Args:
        table: [N, W]; grey where it is NaN, red where it is infinite.
        steps: [N], the training step of each row. columns: [W], what the columns are called.
        titles: of the column axis and of the colours.
    """
    chosen = evenly(len(table), HEIGHT)
    picture = Image.new("RGB", (_LEFT + WIDTH + _RIGHT, _TOP + HEIGHT + _BOTTOM), "white")
    picture.paste(_enlarged(_colours(table[chosen], scale)), (_LEFT, _TOP))
    draw = ImageDraw.Draw(picture)
    draw.font = ImageFont.load_default(12)
    _label_axes(draw, steps[chosen], columns, titles[0])
    _label_colours(picture, draw, scale, titles[1])
    return np.asarray(picture)


def _colours(table, scale):
    """[N, W] → [N, W, 3] uint8"""
    palette = matplotlib.colormaps[COLOURS](np.arange(256), bytes=True)[:, :3]
    with np.errstate(divide="ignore"):
        share = (np.log10(table) - scale.low) / (scale.high - scale.low)
    index = np.nan_to_num(np.clip(share, 0, 1) * 255).astype(int)
    image = palette[index]
    image[np.isnan(table)] = ImageColor.getrgb(NOTHING)
    image[np.isinf(table)] = ImageColor.getrgb(BROKEN)
    return image


def _enlarged(image):
    """To WIDTH × HEIGHT; sharp where cells become larger than pixels, else each pixel is a cell."""
    return Image.fromarray(image).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)


def _label_axes(draw, steps, columns, title):
    for row in evenly(len(steps), 5):
        y = _TOP + (row + 0.5) / len(steps) * HEIGHT
        draw.text((_LEFT - 6, y), f"{steps[row]:,}", fill=_INK, anchor="rm")
    for column in _ticks(len(columns)):
        x = _LEFT + (column + 0.5) / len(columns) * WIDTH
        draw.text((x, _TOP + HEIGHT + 4), columns[column], fill=_INK, anchor="ma")
    draw.text((8, 6), "training step", fill=_INK, anchor="la")
    draw.text((_LEFT + WIDTH / 2, _TOP + HEIGHT + 20), title, fill=_INK, anchor="ma")


def _ticks(count):
    """Ten or so columns at a round distance, from the last one back."""
    rough = max(count / 10, 1)
    power = 10 ** math.floor(math.log10(rough))
    distance = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
    return range(count - 1, -1, -distance)


def _label_colours(picture, draw, scale, title):
    bar = _colours(np.logspace(scale.high, scale.low, HEIGHT)[:, None], scale)
    left = _LEFT + WIDTH + 12
    picture.paste(Image.fromarray(bar).resize((14, HEIGHT)), (left, _TOP))
    for power in evenly(scale.high - scale.low + 1, 9):
        y = _TOP + HEIGHT * power / (scale.high - scale.low)
        draw.text((left + 18, y), f"1e{scale.high - power}", fill=_INK, anchor="lm")
    draw.text((_LEFT + WIDTH + _RIGHT - 4, 6), title, fill=_INK, anchor="ra")
