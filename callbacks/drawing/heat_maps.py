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

from ..recording.rows import evenly
from .fonts import FAINT, INK

COLOURS = "magma"  # perceptually even, also to the colour-blind; no error is dark
NOTHING, BROKEN = "#e8e8e8", "#00b4d8"  # where there is no such step; where it is infinite
OPENNESS = "viridis"  # of gates: as even, and not to be taken for an error
DECADES = 8  # shown below the largest value; what is smaller is drawn as the smallest
WIDTH, HEIGHT = 480, 216  # of the map, in pixels; no more rows than these are drawn
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 76, 26, 40
MAP, MOST_COLUMNS = 140, 720  # of one map among several: its height, about; its columns at most
_HEAD, _GAP = 26, 8  # above each of them, and between


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


def heat_map(
    table: np.ndarray,
    steps: np.ndarray,
    columns: Sequence[str],
    scale: Scale,
    titles: tuple[str, str],
    border: int | None = None,
    rows: str = "training step",
) -> np.ndarray:
    """A picture [height, width, 3] uint8: a row for each training step, the first on top.

    Args:
        table: [N, W]; grey where it is NaN, blue where it is infinite.
        steps: [N], the training step of each row. columns: [W], what the columns are called.
        titles: of the column axis and of the colours. border: a line stands before this column.
        rows: what `steps` are.
    """
    chosen = evenly(len(table), HEIGHT)
    picture = Image.new("RGB", (_LEFT + WIDTH + _RIGHT, _TOP + HEIGHT + _BOTTOM), "white")
    picture.paste(_enlarged(_colours(table[chosen], scale)), (_LEFT, _TOP))
    draw = ImageDraw.Draw(picture)
    draw.font = ImageFont.load_default(12)
    _label_axes(draw, steps[chosen], columns, titles[0], rows)
    if border is not None:
        x = _LEFT + border / len(columns) * WIDTH
        draw.line((x, _TOP - 6, x, _TOP + HEIGHT + 2), fill=BROKEN, width=2)
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


def _label_axes(draw, steps, columns, title, rows):
    for row in evenly(len(steps), 5):
        y = _TOP + (row + 0.5) / len(steps) * HEIGHT
        draw.text((_LEFT - 6, y), f"{steps[row]:,}", fill=INK, anchor="rm")
    for column in _ticks(len(columns)):
        x = _LEFT + (column + 0.5) / len(columns) * WIDTH
        draw.text((x, _TOP + HEIGHT + 4), columns[column], fill=INK, anchor="ma")
    draw.text((8, 6), rows, fill=INK, anchor="la")
    draw.text((_LEFT + WIDTH / 2, _TOP + HEIGHT + 20), title, fill=INK, anchor="ma")


def _ticks(count):
    """Ten or so columns at a round distance, from the last one back."""
    return range(count - 1, -1, -_distance(count))


def _distance(count):
    rough = max(count / 10, 1)
    power = 10 ** math.floor(math.log10(rough))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= rough)


def _label_colours(picture, draw, scale, title):
    bar = _colours(np.logspace(scale.high, scale.low, HEIGHT)[:, None], scale)
    left = _LEFT + WIDTH + 12
    picture.paste(Image.fromarray(bar).resize((14, HEIGHT)), (left, _TOP))
    for power in evenly(scale.high - scale.low + 1, 9):
        y = _TOP + HEIGHT * power / (scale.high - scale.low)
        draw.text((left + 18, y), f"1e{scale.high - power}", fill=INK, anchor="lm")
    draw.text((_LEFT + WIDTH + _RIGHT - 4, 6), title, fill=INK, anchor="ra")


class Panel(NamedTuple):
    """One of several maps that share a time axis."""

    table: np.ndarray  # [rows, T], 0 … 1; NaN where there is no such step
    title: str
    note: str  # at the right end of the title's line
    rows: str  # what the rows are


def panels(shown: Sequence[Panel], axis: str) -> np.ndarray:
    """A picture [height, width, 3] uint8: maps below one another, time steps from 1.

    Every cell is a whole number of pixels wide and high, so that none looks larger than another.
    """
    steps = shown[0].table.shape[1]
    chosen = evenly(steps, MOST_COLUMNS)
    maps = [_cells(panel.table[:, chosen]) for panel in shown]
    width, heights = maps[0].width, [m.height for m in maps]
    bottom = _HEAD + sum(heights) + (_HEAD + _GAP) * (len(maps) - 1)
    picture = Image.new("RGB", (_LEFT + width + _RIGHT, bottom + _BOTTOM), "white")
    draw = ImageDraw.Draw(picture)
    draw.font = ImageFont.load_default(12)
    top = _HEAD
    for panel, image in zip(shown, maps, strict=True):
        picture.paste(image, (_LEFT, top))
        draw.text((_LEFT, top - 6), panel.title, fill=INK, anchor="ls")
        draw.text((_LEFT + width, top - 6), panel.note, fill=FAINT, anchor="rs")
        middle = _LEFT - 8, top + image.height / 2
        draw.multiline_text(middle, panel.rows, fill=FAINT, anchor="rm", align="right")
        top += image.height + _GAP + _HEAD
    _label_steps(draw, steps, width, bottom, axis)
    _label_openness(picture, draw, _LEFT + width + 12, bottom)
    return np.asarray(picture)


def _cells(table):
    """[rows, W] → an image of about WIDTH × MAP pixels."""
    palette = matplotlib.colormaps[OPENNESS](np.arange(256), bytes=True)[:, :3]
    image = palette[np.nan_to_num(np.clip(table, 0, 1) * 255).astype(int)]
    image[np.isnan(table)] = ImageColor.getrgb(NOTHING)
    rows, columns = table.shape
    size = columns * max(1, round(WIDTH / columns)), rows * max(1, round(MAP / rows))
    return Image.fromarray(image).resize(size, Image.Resampling.NEAREST)


def _label_steps(draw, count, width, bottom, title):
    distance = _distance(count)
    for step in {1, *range(distance, count + 1, distance)}:
        x = _LEFT + (step - 0.5) / count * width
        draw.line((x, bottom, x, bottom + 3), fill=FAINT)
        draw.text((x, bottom + 5), f"{step:,}", fill=INK, anchor="ma")
    draw.text((_LEFT + width / 2, bottom + 21), title, fill=INK, anchor="ma")


def _label_openness(picture, draw, left, bottom):
    bar = _cells(np.linspace(1, 0, 256)[:, None]).resize((14, bottom - _HEAD))
    picture.paste(bar, (left, _HEAD))
    for tenth in range(0, 11, 2):
        y = _HEAD + (bottom - _HEAD - 1) * (1 - tenth / 10)
        name = {0: "closed", 10: "open"}.get(tenth, f"{tenth / 10}")
        draw.text((left + 18, y), name, fill=INK, anchor="lm")
