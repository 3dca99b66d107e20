"""The Matplotlib figure of Lyapunov exponents over the epochs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..recording.printable import in_figure
from .labels import label
from .notebook_figure import NotebookFigure, NothingRecorded

_LARGEST, _OTHERS, _ZERO = "#b5367a", "#a0a0a0", "#707070"


def exponents_figure(histories: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Return curves of the exponents over the epochs, one panel for each layer.

    λ_1 is drawn with a band of ± its standard deviation over the examples. Values that are not
    finite leave a gap.

    Args:
        histories: by title; each is an entry of `Lyapunov.history`.
    """
    if not histories:
        raise NothingRecorded
    figure = NotebookFigure(
        figsize=(6.4, 0.6 + 2.8 * len(histories)), layout="constrained", dpi=120
    )
    every_axes = figure.subplots(len(histories), squeeze=False)[:, 0]
    for axes, (title, history) in zip(every_axes, histories.items(), strict=True):
        _draw(axes, history)
        axes.set_title(in_figure(title), loc="left")
        axes.set(xlabel="epoch", ylabel=label("lyapunov", "exponent"))
    return figure


def _draw(axes, history):
    epochs, finite = history["step"], np.isfinite(history["exponent"])
    exponents = np.where(finite, history["exponent"], np.nan)
    largest, spread = exponents[:, 0], history["spread"][:, 0]
    marker = "o" if len(epochs) < 12 else None
    axes.axhline(0, color=_ZERO, linewidth=0.8)
    if exponents.shape[1] > 1:
        lines = axes.plot(epochs, exponents[:, 1:], color=_OTHERS, linewidth=0.8)
        lines[0].set_label("the others" if len(lines) > 1 else "λ_2")
    axes.plot(epochs, largest, color=_LARGEST, marker=marker, label="the largest, λ_1")
    axes.fill_between(epochs, largest - spread, largest + spread, color=_LARGEST, alpha=0.2, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    axes.grid(color="#e0e0e0", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
