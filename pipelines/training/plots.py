"""The plots of a run folder, drawn without the global state of Matplotlib."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ...callbacks.recording.printable import in_figure
from ..core.files import atomic


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def curves(rows: Sequence[dict[str, float]], figures: Sequence[str], best_epoch: int) -> Figure:
    """Draw training and validation curves, one panel per metric, with the best epoch marked."""
    figure = Figure(figsize=(5 * len(figures), 3.5), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    for axes, name in zip(figure.subplots(1, len(figures), squeeze=False)[0], figures, strict=True):
        for key, label in ((name, "train"), (f"val_{name}", "validation")):
            marker = "o" if len(epochs) == 1 else None
            axes.plot(epochs, [row[key] for row in rows], label=label, marker=marker)
        axes.axvline(best_epoch, color="0.6", linestyle=":", label=f"best, epoch {best_epoch}")
        axes.set(xlabel="epoch", title=name.replace("_", " ").replace("f1", "F1"))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)
    return figure


def confusion(matrix: np.ndarray, labels: Sequence[str]) -> Figure:
    """Draw a confusion matrix [C, C], rows true, columns predicted; colours are shares of a row."""
    size = max(4.0, 0.35 * len(labels) + 1.5)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.subplots()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = [*map(in_figure, labels)]
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true")
    if len(labels) <= 30:
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if share[row, column] > 0.5 else "0.2"
                axes.text(column, row, str(count), ha="center", va="center", color=colour, size=7)
    figure.colorbar(picture, ax=axes, label="share of the true label", shrink=0.8)
    return figure
