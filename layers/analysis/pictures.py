"""Matplotlib figures of the analyses of one batch; they use no global state."""

import base64
import html
import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

DECADES = 8  # of a map, below its largest value; smaller values are drawn like the smallest
CURVE_DECADES = 16
LAG_CURVES = 6  # layers with a curve over the lag
_ABSENT = "#e8e8e8"  # the colour of NaN and, in a map, of zero


class ResultFigure(Figure):
    """A figure that a notebook shows without a magic command and without pyplot.

    `callbacks.drawing.notebook_figure` is the same for the callbacks, whose figures are also drawn
    where TensorFlow is not loaded.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def png_tag(png: bytes, alt: str) -> str:
    """Return an HTML element that contains a picture, on white, also in a dark notebook.

    Args:
        png: the picture.
        alt: the text for readers who do not see it.
    """
    data = base64.b64encode(png).decode()
    style = "max-width:100%;height:auto;background:#fff"
    return f'<img style="{style}" alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def curves(
    panels: Mapping[str, Mapping[str, np.ndarray]], x: str, y: str, from_end: bool = False
) -> ResultFigure:
    """Return curves over time on a logarithmic scale, one panel for each entry.

    Args:
        panels: by title; each {label: [T]}. What is not positive and finite leaves a gap.
        x, y: the titles of the axes.
        from_end: count time steps back from the last one, 0, instead of from the first one, 1.
    """
    figure = ResultFigure(figsize=(6.4, 0.6 + 2.8 * len(panels)), layout="constrained", dpi=120)
    for axes, (title, by_label) in zip(
        figure.subplots(len(panels), squeeze=False)[:, 0], panels.items(), strict=True
    ):
        _draw_curves(axes, by_label, from_end)
        axes.set_title(_literal(title), loc="left")
        axes.set(xlabel=x, ylabel=y)
    return figure


def _draw_curves(axes: Axes, by_label: Mapping[str, np.ndarray], from_end: bool) -> None:
    steps = len(next(iter(by_label.values())))
    columns = np.arange(steps) - (steps - 1 if from_end else -1)
    marker = "o" if steps < 12 else None
    drawn = {
        name: np.where(_is_positive(values), values, np.nan) for name, values in by_label.items()
    }
    for name, values in drawn.items():
        axes.plot(columns, values, marker=marker, label=name)
    positive = np.concatenate([values[~np.isnan(values)] for values in drawn.values()])
    if len(positive):
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(positive.min() / 2, positive.max() / 10.0**CURVE_DECADES))
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
    axes.grid(color="#e0e0e0", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")


def matrix(
    table: np.ndarray,
    title: str,
    x: str,
    y: str,
    colour: str,
    names: Sequence[str] | None = None,
) -> ResultFigure:
    """Return a map of a table [N, T] with a logarithmic colour scale, rows and columns from 1.

    Args:
        table: the values; those that are not positive and finite are grey.
        title: the title of the map.
        x, y, colour: the titles of the columns, of the rows and of the colours.
        names: of the columns, and of the rows if there are as many; None: numbers.
    """
    size = max(5.2, 0.4 * len(names or ()) + 1.5)
    figure = ResultFigure(figsize=(size + 1.2, size), layout="constrained", dpi=120)
    axes, (rows, columns) = figure.subplots(), table.shape
    shown = np.where(_is_positive(table), table, np.nan)
    high = np.nanmax(shown) if _is_positive(table).any() else 1.0
    low = max(np.nanmin(shown), high / 10.0**DECADES) if _is_positive(table).any() else 0.1
    image = axes.imshow(
        np.maximum(shown, low),
        norm=LogNorm(low, max(high, 1.01 * low)),
        cmap=colormaps["magma"].with_extremes(bad=_ABSENT),
        extent=(0.5, columns + 0.5, rows + 0.5, 0.5),
        aspect="auto",
        interpolation="nearest",
    )
    for axis, count in ((axes.xaxis, columns), (axes.yaxis, rows)):
        if names is not None and len(names) == count:
            axis.set_ticks(range(1, count + 1), [_literal(name) for name in names])
        else:
            axis.set_major_locator(MaxNLocator(9, integer=True, min_n_ticks=1))
    axes.set(xlabel=x, ylabel=y)
    axes.set_title(_literal(title), loc="left")
    figure.colorbar(image, ax=axes, label=colour)
    return figure


def spectrum(title: str, values: np.ndarray, spread: np.ndarray) -> ResultFigure:
    """Return Lyapunov exponents [k] by their number, with a bar of ± their spread [k].

    Values that are not finite leave a gap.
    """
    figure = ResultFigure(figsize=(6.4, 3.4), layout="constrained", dpi=120)
    axes, numbers = figure.subplots(), np.arange(1, len(values) + 1)
    finite = np.isfinite(values)
    axes.axhline(0, color="#707070", linewidth=0.8)
    axes.errorbar(numbers[finite], values[finite], yerr=spread[finite], fmt="o", markersize=3)
    axes.set(xlabel="number i of the exponent", ylabel="Lyapunov exponent λ_i per time step")
    axes.set_xlim(0.5, len(values) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    axes.grid(color="#e0e0e0", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(_literal(title), loc="left")
    return figure


def correlations(
    names: Sequence[str], correlation: np.ndarray, autocorrelation: np.ndarray, title: str
) -> ResultFigure:
    """Return curves of the autocorrelation over the lag, and of lag 1 over depth.

    Args:
        names: of the R layers, the first of which is next to the input.
        correlation, autocorrelation: [R, K+1].
        title: the name of the model.
    """
    figure = ResultFigure(figsize=(9.6, 3.6), layout="constrained", dpi=120)
    over_lag, over_depth = figure.subplots(1, 2, sharey=True)
    rows, lags = autocorrelation.shape
    shown = np.unique(np.linspace(0, rows - 1, min(rows, LAG_CURVES)).round().astype(int))
    for row in shown:
        colour = colormaps["viridis"](0.9 * row / max(rows - 1, 1))
        values = autocorrelation[row]
        over_lag.plot(range(lags), values, color=colour, marker=".", label=_literal(names[row]))
    over_depth.plot(correlation[:, 1], "o-", color="#0072b2", label="correlation")
    over_depth.plot(autocorrelation[:, 1], "s--", color="#d55e00", label="autocorrelation")
    over_lag.set(xlabel="lag, inputs along the path", ylabel="autocorrelation of the gradient")
    over_depth.set(
        xlabel="layer: 0 is the input or next to it", ylabel="gradients at neighbouring inputs"
    )
    for axes in (over_lag, over_depth):
        axes.axhline(0, color="#a0a0a0", linewidth=0.8)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        axes.grid(color="#e0e0e0", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize="small")
    over_lag.set_title(_literal(title), loc="left")
    return figure


def _literal(text):
    """Return a text as Matplotlib shows it as it is, and not as a formula."""
    return text.replace("$", r"\$")


def _is_positive(values):
    return np.isfinite(values) & (values > 0)
