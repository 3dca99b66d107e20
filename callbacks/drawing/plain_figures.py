"""matplotlib figures of what is not a table of numbers: images, texts and warnings."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..recording.printable import in_figure
from .notebook_figure import NotebookFigure

DPI = 100
LINE = 0.3  # height of a line of text in inches
MAX_LINES = 20


def image_figure(image: np.ndarray) -> Figure:
    """Return an image [height, width] or [height, width, 3] uint8 as a figure of the same size."""
    height, width = image.shape[:2]
    figure = NotebookFigure(figsize=(width / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    return figure


def text_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> Figure:
    """Return a table of texts as a figure; long texts are cut."""
    texts = [[*map(in_figure, row)] for row in [names, *rows]]
    widths = [max(len(text) for text in column) + 2 for column in zip(*texts, strict=True)]
    size = min(max(sum(widths) * 0.085, 3), 16), LINE * (len(texts) + 1)
    figure = NotebookFigure(figsize=size, layout="constrained", dpi=DPI)
    axes = figure.subplots()
    axes.set_axis_off()
    shares = [width / sum(widths) for width in widths]
    table = axes.table(
        texts[1:], colLabels=texts[0], colWidths=shares, cellLoc="left", loc="center"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    for (row, _), cell in table.get_celld().items():
        cell.set(edgecolor="#e0e0e0", height=1 / len(texts))
        if row == 0:
            cell.set_text_props(weight="bold")
    return figure


def time_line(events: Sequence[tuple[int, str]], steps: int, nothing: str) -> Figure:
    """Return a time axis of training steps, with one line for each of the first 20 events.

    Args:
        events: the training step and the text of each event.
        steps: the number of training steps so far.
        nothing: the text if there are no events.
    """
    shown = events[:MAX_LINES]
    figure = NotebookFigure(figsize=(9, 1.1 + LINE * len(shown)), layout="constrained", dpi=DPI)
    axes = figure.subplots()
    end = max([steps, 1, *(step for step, _ in shown)])
    axes.set(xlim=(0, 1.02 * end), ylim=(max(len(shown), 1) - 0.5, -0.5), xlabel="training step")
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_yticks(range(len(shown)), [in_figure(text) for _, text in shown])
    axes.plot([step for step, _ in shown], range(len(shown)), "o", color="#b5367a")
    axes.grid(color="#e0e0e0", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if not shown:
        axes.text(0.5, 0.5, nothing, ha="center", va="center", transform=axes.transAxes)
    return figure
