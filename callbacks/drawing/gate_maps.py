"""Maps of how open gates are, for TensorBoard and for figures."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ..recording.rows import evenly_spaced
from .fonts import FAINT, INK
from .heat_maps import BOTTOM, LEFT, NO_VALUE, RIGHT, WIDTH, tick_distance

OPENNESS = "viridis"  # as uniform as the colours of errors, and not to be confused with them
MAP_HEIGHT, MAX_COLUMNS = 140, 720  # of one map: its height in pixels, about; its columns at most
_HEAD, _GAP = 26, 8  # pixels above each map, and between maps


class Panel(NamedTuple):
    """The map of one gate.

    Attributes:
        table: [rows, T], 0 is closed, 1 is open; NaN where there is no such step.
        title: the text at the left above the map.
        note: the text at the right above the map.
        rows: the title of the rows, beside the map.
    """

    table: np.ndarray
    title: str
    note: str
    rows: str


def gate_maps(panels: Sequence[Panel], axis: str) -> np.ndarray:
    """Return an image [height, width, 3] uint8: maps below one another on one time axis.

    All cells have the same whole number of pixels.

    Args:
        panels: the maps, all with the same number of time steps.
        axis: the title of the time axis; time steps are numbered from 1.
    """
    steps = panels[0].table.shape[1]
    chosen = evenly_spaced(steps, MAX_COLUMNS)
    maps = [_cells(panel.table[:, chosen]) for panel in panels]
    width, heights = maps[0].width, [m.height for m in maps]
    bottom = _HEAD + sum(heights) + (_HEAD + _GAP) * (len(maps) - 1)
    image = Image.new("RGB", (LEFT + width + RIGHT, bottom + BOTTOM), "white")
    draw = ImageDraw.Draw(image)
    draw.font = ImageFont.load_default(12)
    top = _HEAD
    for panel, cells in zip(panels, maps, strict=True):
        image.paste(cells, (LEFT, top))
        draw.text((LEFT, top - 6), panel.title, fill=INK, anchor="ls")
        draw.text((LEFT + width, top - 6), panel.note, fill=FAINT, anchor="rs")
        middle = LEFT - 8, top + cells.height / 2
        draw.multiline_text(middle, panel.rows, fill=FAINT, anchor="rm", align="right")
        top += cells.height + _GAP + _HEAD
    _label_steps(draw, steps, width, bottom, axis)
    _label_openness(image, draw, LEFT + width + 12, bottom)
    return np.asarray(image)


def _cells(table):
    """[rows, W] → an image of about WIDTH × MAP_HEIGHT pixels"""
    palette = matplotlib.colormaps[OPENNESS](np.arange(256), bytes=True)[:, :3]
    image = palette[np.nan_to_num(np.clip(table, 0, 1) * 255).astype(int)]
    image[np.isnan(table)] = ImageColor.getrgb(NO_VALUE)
    rows, columns = table.shape
    size = columns * max(1, round(WIDTH / columns)), rows * max(1, round(MAP_HEIGHT / rows))
    return Image.fromarray(image).resize(size, Image.Resampling.NEAREST)


def _label_steps(draw, count, width, bottom, title):
    distance = tick_distance(count)
    for step in {1, *range(distance, count + 1, distance)}:
        x = LEFT + (step - 0.5) / count * width
        draw.line((x, bottom, x, bottom + 3), fill=FAINT)
        draw.text((x, bottom + 5), f"{step:,}", fill=INK, anchor="ma")
    draw.text((LEFT + width / 2, bottom + 21), title, fill=INK, anchor="ma")


def _label_openness(image, draw, left, bottom):
    bar = _cells(np.linspace(1, 0, 256)[:, None]).resize((14, bottom - _HEAD))
    image.paste(bar, (left, _HEAD))
    for tenth in range(0, 11, 2):
        y = _HEAD + (bottom - _HEAD - 1) * (1 - tenth / 10)
        name = {0: "closed", 10: "open"}.get(tenth, f"{tenth / 10}")
        draw.text((left + 18, y), name, fill=INK, anchor="lm")
