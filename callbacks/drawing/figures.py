"""matplotlib figures of recorded errors and gradients; they use no global state."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..findings.error_flow import error_flow_finding
from ..findings.finding import every_steps
from ..recording.depth_tables import without_outputs
from ..recording.printable import in_figure
from ..recording.rows import evenly_spaced, filled_columns
from .heat_maps import COLOURS, DECADES, NO_VALUE, NOT_FINITE, Scale, common_scale
from .labels import label
from .notebook_figure import NotebookFigure, NothingRecorded

COLUMNS = 3  # maps side by side
ROOM = 41  # characters of a title and the note beside it
MAX_LAYER_NAMES = 18  # below a map; more would overlap
MAX_ROWS = 400  # training steps in a map; more are thinned out evenly
QUIET = "#707070"  # the colour of notes
_FIRST, _LATEST, _GRID = "#a0a0a0", "#b5367a", "#e0e0e0"
_BORDER = "#00b4d8"  # between two layers on one time axis

History = Mapping[str, Any]


def error_flow(
    histories: Mapping[str, History], statistic: str = "hidden", align: str = "end"
) -> Figure:
    """Return heat maps time step × training step, with the first and the latest row as curves.

    Args:
        histories: by title; each is an entry of `ErrorFlow.history`, of one or several runs.
        statistic: a name in `layers.rnn.statistics.STATISTICS`.
        align: "end" counts time steps back from the last one, "start" from the first one.
    """
    if align not in ("end", "start"):
        raise ValueError(f"plot: `align` must be 'end' or 'start', not {align!r}")
    from_end = align == "end"
    table = f"{statistic}_from_end" if from_end else statistic
    histories = {title: history for title, history in histories.items() if len(history["step"])}
    figure, pairs = _maps_and_curves(
        histories, table, label("error_flow", statistic), lambda h: _first_step(h, from_end)
    )
    for title, (upper, lower) in pairs.items():
        lower.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        if "border" in histories[title]:
            for axes in (upper, lower):
                axes.axvline(0.5, color=_BORDER, linewidth=1.2)
            lower.set_xlabel("time step: first layer up to 0, second layer from 1")
            continue
        lower.xaxis.set_major_formatter(lambda x, _: f"{abs(x):.0f}")
        lower.set_xlabel("time steps before the last" if from_end else "time step")
        note = _half_life(title, histories[title])
        upper.set_title(note, loc="right", size="small", c=QUIET)
        if note and len(title) + len(note) > ROOM:
            upper.set_title(f"{in_figure(title)}\n", loc="left")
    return figure


def _first_step(history, from_end):
    """The number of the first column."""
    if "border" in history:
        return 1 - int(history["border"])
    return 1 - history["hidden"].shape[1] if from_end else 1


def _half_life(title, history):
    """Return a note; if errors enter at many steps, the half-life is that of the carried part."""
    evidence = error_flow_finding(title, history).evidence
    half_life = evidence.get("half_life", 0)
    if not 0 < half_life < 1e4:
        return ""
    halves = f"halves {every_steps(half_life)}"
    return f"carried error {halves}" if evidence["entries"] > 1 else halves


def layer_gradients(histories: Mapping[str, History], statistic: str = "norm") -> Figure:
    """Return heat maps layer × training step, from the first layer (left) to the last.

    Args:
        histories: by title; each is a `LayerGradients.history`, of one or several runs.
        statistic: "norm" or "ratio".
    """
    return _over_depth(histories, statistic, "layer_gradients")


def depth_flow(histories: Mapping[str, History], statistic: str = "rms") -> Figure:
    """Return heat maps layer × training step, from the first layer (left) to the last.

    The model's outputs are left out: the derivative of the loss there may be larger by decades.

    Args:
        histories: by title; each is a `DepthFlow.history`, of one or several runs.
        statistic: a table of the layers, or of the paths ("path_rms", "path_max").
    """
    inside = {title: without_outputs(history) for title, history in histories.items()}
    return _over_depth(inside, statistic, "depth_flow")


def _over_depth(histories, statistic, kind):
    histories = {title: history for title, history in histories.items() if len(history["step"])}
    text = label(kind, statistic)
    figure, pairs = _maps_and_curves(histories, statistic, text, lambda history: 0)
    names = "paths" if statistic.startswith("path_") else "layers"
    for title, (_, lower) in pairs.items():
        layers = [*map(in_figure, shortened([*map(str, histories[title][names])]))]
        shown = evenly_spaced(len(layers), MAX_LAYER_NAMES)
        lower.set_xticks(shown, [layers[i] for i in shown], rotation=90, size="small")
        lower.set_xlabel(f"{names.removesuffix('s')}, from input to loss")
    return figure


def shortened(paths: Sequence[str]) -> list[str]:
    """Return the shortest end of each path that no other path has."""
    tails = [["/".join(p.split("/")[-n:]) for n in range(1, p.count("/") + 2)] for p in paths]
    common = Counter(tail for several in tails for tail in several)
    return [next((tail for tail in several if common[tail] == 1), several[-1]) for several in tails]


def horizon(histories: Mapping[str, History], statistic: str = "hidden") -> Figure:
    """Return heat maps time step × epoch, with the first and the latest epoch as curves.

    Args:
        histories: by title; each is an entry of `Horizon.history`, of one or several runs.
        statistic: "hidden", "cell" or "bound"; layers without it are left out.
    """
    figure, pairs = _maps_and_curves(
        histories,
        statistic,
        label("horizon", statistic),
        lambda history: 1 - history["hidden"].shape[1],
        "epoch",
    )
    for _, lower in pairs.values():
        lower.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        lower.xaxis.set_major_formatter(lambda x, _: f"{abs(x):.0f}")
        lower.set_xlabel("time steps before the last")
    return figure


def _maps_and_curves(
    histories: Mapping[str, History],
    table: str,
    colour_label: str,
    first_column: Callable[[History], int],
    row_title: str = "training step",
) -> tuple[Figure, dict[str, tuple[Axes, Axes]]]:
    """→ (figure, {title: (axes of the map, axes of the curves)}), with one colour scale for all

    first_column: a function from a history to the number of its first column.
    row_title: what each row belongs to.
    """
    if not histories:
        raise NothingRecorded
    name, drawable = table.removesuffix("_from_end"), _drawable(histories)
    if name not in drawable:
        raise ValueError(
            f"plot: {name!r} cannot be drawn or was not recorded; use one of {', '.join(drawable)}"
        )
    shown = {title: history for title, history in histories.items() if table in history}
    filled = {title: filled_columns(history[table]) for title, history in shown.items()}
    cut = {title: history[table][:, filled[title]] for title, history in shown.items()}
    of_maps = common_scale([*cut.values()])
    of_curves = common_scale([values[[0, -1]] for values in cut.values()], decades=2 * DECADES)
    figure, pairs = _axes(len(shown))
    for (title, history), (upper, lower) in zip(shown.items(), pairs, strict=True):
        columns = (np.arange(history[table].shape[1]) + first_column(history))[filled[title]]
        _map(upper, columns, cut[title], history["step"], of_maps)
        _curves(lower, columns, cut[title], history["step"], of_curves, row_title)
        upper.set_ylabel(row_title)
        upper.set_title(in_figure(title), loc="left")
    below = any((values < 10.0**of_maps.low).any() for values in cut.values())
    _colour_bar(figure, pairs, of_maps, colour_label, "min" if below else "neither")
    return figure, dict(zip(shown, pairs, strict=True))


def _drawable(histories):
    """The names of the tables [N, W] that can be drawn on a logarithmic scale."""
    tables = {
        name
        for history in histories.values()
        for name, table in history.items()
        if np.ndim(table) == 2 and np.size(table) and not name.endswith("_from_end")
    }
    return sorted(tables - {"valid", "dead", "mean"})


def _axes(count):
    """A figure with `count` pairs of axes, one of each pair above the other."""
    columns = min(count, COLUMNS)
    lines = -(-count // columns)
    figure = NotebookFigure(
        figsize=(1.4 + 4.2 * columns, 4.8 * lines), layout="constrained", dpi=120
    )
    grid = figure.add_gridspec(2 * lines, columns, height_ratios=[5, 3] * lines)
    pairs = []
    for index in range(count):
        line, column = divmod(index, columns)
        upper = figure.add_subplot(grid[2 * line, column])
        pairs.append((upper, figure.add_subplot(grid[2 * line + 1, column], sharex=upper)))
    return figure, pairs


def _map(axes: Axes, columns, table: np.ndarray, steps: np.ndarray, scale: Scale):
    """Training proceeds downwards, so that the latest row is next to its curve."""
    half = (steps[-1] - steps[0]) / max(2 * len(steps) - 2, 1) or 0.5
    axes.imshow(
        np.maximum(table[evenly_spaced(len(table), MAX_ROWS)], 10.0**scale.low),
        norm=_norm(scale),
        cmap=colormaps[COLOURS].with_extremes(bad=NO_VALUE, over=NOT_FINITE),
        extent=(columns[0] - 0.5, columns[-1] + 0.5, steps[-1] + half, steps[0] - half),
        aspect="auto",
        interpolation="nearest",
    )
    axes.yaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(axis="x", labelbottom=False)


def _norm(scale):
    return LogNorm(10.0**scale.low, 10.0**scale.high)


def _curves(
    axes: Axes, columns, table: np.ndarray, steps: np.ndarray, scale: Scale, row_title: str
):
    marker = "o" if table.shape[1] < 12 else None
    for row, colour in ((0, _FIRST), (-1, _LATEST)):
        curve = np.maximum(table[row], 10.0**scale.low)
        axes.plot(columns, curve, color=colour, marker=marker, label=f"{row_title} {steps[row]:,}")
    axes.set(yscale="log", ylim=(10.0**scale.low, 10.0**scale.high))
    axes.grid(color=_GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")


def _colour_bar(figure, pairs, scale, text, extend):
    every_axes = [axes for pair in pairs for axes in pair]
    colours = ScalarMappable(_norm(scale), colormaps[COLOURS])
    bar = figure.colorbar(colours, ax=every_axes, extend=extend, aspect=30, pad=0.01)
    bar.set_label(text)
