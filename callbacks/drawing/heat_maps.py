"""Heat maps for TensorBoard, drawn with Pillow in a few milliseconds.

matplotlib takes a hundred times as long, which would delay the end of an epoch; `figures` uses it
where nobody waits.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ..recording.rows import evenly_spaced
from .fonts import INK

COLOURS = "magma"  # perceptually uniform, also for colour-blind people; no error is dark
NO_VALUE, NOT_FINITE = "#e8e8e8", "#00b4d8"  # the colours of NaN and of infinity
DECADES = 8  # shown below the largest value; smaller values are drawn like the smallest
WIDTH, HEIGHT = 480, 216  # of the map in pixels; a pixel is at most one row
LEFT, RIGHT, TOP, BOTTOM = 64, 76, 26, 40  # margins in pixels


class Scale(NamedTuple):
    """The range of a logarithmic colour scale, as powers of ten."""

    low: int
    high: int


def common_scale(tables: Sequence[np.ndarray], decades: int = DECADES) -> Scale:
    """Return one scale for all tables: from the largest value down, at most `decades`."""
    positive = [t[np.isfinite(t) & (t > 0)] for t in tables]
    positive = [t for t in positive if t.size]
    if not positive:
        return Scale(-1, 0)
    high = math.ceil(math.log10(max(float(t.max()) for t in positive)))
    low = math.floor(math.log10(min(float(t.min()) for t in positive)))
    return Scale(min(max(low, high - decades), high - 1), high)


def heat_map(
    table: np.ndarray,
    steps: np.ndarray,
    columns: Sequence[str],
    scale: Scale,
    titles: tuple[str, str],
    border: int | None = None,
    row_title: str = "training step",
) -> np.ndarray:
    """Return an image [height, width, 3] uint8 of a table, the first row on top.

    Args:
        table: [N, W]; NaN is drawn in grey, infinity in blue.
        steps: [N], the training step of each row.
        columns: [W], the names of the columns.
        scale: the scale of the colours.
        titles: the titles of the column axis and of the colours.
        border: draw a line before this column.
        row_title: the title of the row axis.
    """
    chosen = evenly_spaced(len(table), HEIGHT)
    image = Image.new("RGB", (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM), "white")
    image.paste(_enlarge(_colours(table[chosen], scale)), (LEFT, TOP))
    draw = ImageDraw.Draw(image)
    draw.font = ImageFont.load_default(12)
    _label_axes(draw, steps[chosen], columns, titles[0], row_title)
    if border is not None:
        x = LEFT + border / len(columns) * WIDTH
        draw.line((x, TOP - 6, x, TOP + HEIGHT + 2), fill=NOT_FINITE, width=2)
    _label_colours(image, draw, scale, titles[1])
    return np.asarray(image)


def _colours(table, scale):
    """[N, W] → [N, W, 3] uint8"""
    palette = matplotlib.colormaps[COLOURS](np.arange(256), bytes=True)[:, :3]
    with np.errstate(divide="ignore"):
        share = (np.log10(table) - scale.low) / (scale.high - scale.low)
    index = np.nan_to_num(np.clip(share, 0, 1) * 255).astype(int)
    image = palette[index]
    image[np.isnan(table)] = ImageColor.getrgb(NO_VALUE)
    image[np.isinf(table)] = ImageColor.getrgb(NOT_FINITE)
    return image


def _enlarge(image):
    """Resize to WIDTH × HEIGHT; cells larger than a pixel get sharp edges."""
    return Image.fromarray(image).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)


def _label_axes(draw, steps, columns, title, row_title):
    for row in evenly_spaced(len(steps), 5):
        y = TOP + (row + 0.5) / len(steps) * HEIGHT
        draw.text((LEFT - 6, y), f"{steps[row]:,}", fill=INK, anchor="rm")
    for column in range(len(columns) - 1, -1, -tick_distance(len(columns))):
        x = LEFT + (column + 0.5) / len(columns) * WIDTH
        draw.text((x, TOP + HEIGHT + 4), columns[column], fill=INK, anchor="ma")
    draw.text((8, 6), row_title, fill=INK, anchor="la")
    draw.text((LEFT + WIDTH / 2, TOP + HEIGHT + 20), title, fill=INK, anchor="ma")


def tick_distance(count: int) -> int:
    """Return the round distance (1, 2, 5, 10, …) at which about ten of `count` columns lie."""
    rough = max(count / 10, 1)
    power = 10 ** math.floor(math.log10(rough))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= rough)


def _label_colours(image: Image.Image, draw: Any, scale: Scale, title: str):
    bar = _colours(np.logspace(scale.high, scale.low, HEIGHT)[:, None], scale)
    left = LEFT + WIDTH + 12
    image.paste(Image.fromarray(bar).resize((14, HEIGHT)), (left, TOP))
    for power in evenly_spaced(scale.high - scale.low + 1, 9):
        y = TOP + HEIGHT * power / (scale.high - scale.low)
        draw.text((left + 18, y), f"1e{scale.high - power}", fill=INK, anchor="lm")
    draw.text((LEFT + WIDTH + RIGHT - 4, 6), title, fill=INK, anchor="ra")
