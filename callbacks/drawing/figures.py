"""Figures for notebooks, run folders and a teacher's screen; no global state of matplotlib."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..findings.finding import short
from ..findings.over_time import judge
from ..recording.rows import evenly, reached
from .heat_maps import BROKEN, COLOURS, DECADES, NOTHING, OPENNESS, Panel, Scale, scale

COLUMNS = 3  # maps side by side
LONG_NAME = 18  # characters; the note beside a longer title stands below it
MOST_NAMES = 18  # of layers below a map; more would overlap
MOST_ROWS = 400  # training steps in a map; more are thinned evenly
_FIRST, _LATEST, _QUIET, _GRID = "#a0a0a0", "#b5367a", "#707070", "#e0e0e0"
_BORDER = "#00b4d8"  # between two layers on one time axis
_UNITS = {
    "hidden": "rms of ‖dE/dh‖ per example",
    "hidden_max": "largest ‖dE/dh‖ of an example",
    "carried": "carried back by the recurrence: rms of ‖dE/dh‖ per example",
    "cell": "rms of ‖dE/dc‖ per example",
    "cell_max": "largest ‖dE/dc‖ of an example",
    "norm": "‖dE/dW‖ of the layer",
    "ratio": "‖dE/dW‖ / ‖W‖ of the layer",
}


def error_flow(
    histories: Mapping[str, Mapping[str, np.ndarray]], statistic="hidden", align="end"
) -> Figure:
    """Heat maps time step × training step, with the first and the latest curve below each.

    Args:
        histories: by title; each as an entry of `ErrorFlow.history`, also of several runs.
        statistic, align: see `ErrorFlow.plot`.
    """
    if align not in ("end", "start"):
        raise ValueError(f"plot: `align` must be 'end' or 'start', not {align!r}")
    from_end = align == "end"
    name = f"{statistic}_from_end" if from_end else statistic
    figure, panels = _panels(histories, name, statistic, lambda h: _first_step(h, from_end))
    for title, (upper, lower) in panels.items():
        lower.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        if "border" in histories[title]:
            for axes in (upper, lower):
                axes.axvline(0.5, color=_BORDER, linewidth=1.2)
            lower.set_xlabel("steps of one layer up to 0, of the next from 1")
            continue
        lower.xaxis.set_major_formatter(lambda x, _: f"{abs(x):.0f}")
        lower.set_xlabel("time steps before the last" if from_end else "time step")
        note = _half_life(title, histories[title])
        upper.set_title(note, loc="right", size="small", c=_QUIET)
        if note and len(title) > LONG_NAME:
            upper.set_title(f"{title}\n", loc="left")
    return figure


def _first_step(history, from_end):
    """The number of the first column."""
    if "border" in history:
        return 1 - int(history["border"])
    return 1 - history["hidden"].shape[1] if from_end else 1


def layer_gradients(histories: Mapping[str, Mapping[str, np.ndarray]], statistic="norm") -> Figure:
    """Heat maps layer × training step, from the first layer (left) to the last.

    Args:
        histories: by title; each as `LayerGradients.history`, also of several runs.
        statistic: "norm" or "ratio".
    """
    figure, panels = _panels(histories, statistic, statistic, lambda history: 0)
    for title, (_, lower) in panels.items():
        layers = shortened([*map(str, histories[title]["layers"])])
        shown = evenly(len(layers), MOST_NAMES)
        lower.set_xticks(shown, [layers[i] for i in shown], rotation=90, size="small")
        lower.set_xlabel("layer, from input to loss")
    return figure


def shortened(paths: Sequence[str]) -> list[str]:
    """The last parts of each path, as many as tell it from all others: long names leave no room."""
    tails = [["/".join(p.split("/")[-n:]) for n in range(1, p.count("/") + 2)] for p in paths]
    common = Counter(tail for several in tails for tail in several)
    return [next((tail for tail in several if common[tail] == 1), several[-1]) for several in tails]


def gates(layers: Mapping[str, tuple[Sequence[Panel], str]]) -> Figure:
    """How open gates are, unit × time step: a column for each layer, its gates below one another.

    Args:
        layers: by title; each the panels of its gates, and the name of the axis over time.
    """
    if not layers:
        raise ValueError("plot: nothing was seen; train with the callback first")
    columns, most = min(len(layers), COLUMNS), max(len(panels) for panels, _ in layers.values())
    lines = -(-len(layers) // columns)
    size = 1.4 + 4.2 * columns, 0.6 + 1.9 * most * lines
    figure = Figure(figsize=size, layout="constrained", dpi=120)
    grid = figure.add_gridspec(most * lines, columns)
    for index, (title, (panels, axis)) in enumerate(layers.items()):
        line, column = divmod(index, columns)
        for row, panel in enumerate(panels):
            axes = figure.add_subplot(grid[most * line + row, column])
            _gate(axes, panel, "" if row else f"{title}\n")
        axes.tick_params(labelbottom=True)  # below the last one
        axes.set_xlabel(axis)
    colours = ScalarMappable(Normalize(0, 1), colormaps[OPENNESS])
    bar = figure.colorbar(colours, ax=figure.axes, aspect=40, pad=0.01)
    bar.set_label("mean over the examples: 0 closed, 1 open")
    return figure


def _gate(axes, panel: Panel, above):
    """above: what stands over the panel's own title."""
    rows, steps = panel.table.shape
    axes.imshow(
        panel.table,
        norm=Normalize(0, 1),
        cmap=colormaps[OPENNESS].with_extremes(bad=NOTHING),
        extent=(0.5, steps + 0.5, rows + 0.5, 0.5),
        aspect="auto",
        interpolation="nearest",
    )
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.tick_params(axis="x", labelbottom=False)
    axes.set_yticks([])
    axes.set_ylabel(panel.rows.replace("\n", " "))
    axes.set_title(f"{above}{panel.title}", loc="left", size="medium")
    axes.set_title(panel.note, loc="right", size="small", c=_QUIET)


def _half_life(title, history):
    found = judge(title, history).evidence.get("half_life", 0)
    return f"halves every {short(found)} steps" if 0 < found < 1e4 else ""


def _panels(histories, table, statistic, first):
    """→ (figure, {title: (axes of the map, axes of the curves)}), in one colour scale.

    first: from a history to the number of its first column.
    """
    if not any(len(h["step"]) for h in histories.values()):
        raise ValueError("plot: nothing was recorded; train with the callback first")
    shown = {t: h for t, h in histories.items() if table in h and len(h["step"])}
    if statistic not in _UNITS or not shown:
        recorded = {n for h in histories.values() for n in _UNITS if n in h}
        raise ValueError(
            f"plot: no {statistic!r} was recorded that is drawn, but {', '.join(sorted(recorded))}"
        )
    seen = {title: reached(h[table]) for title, h in shown.items()}
    cut = {title: h[table][:, seen[title]] for title, h in shown.items()}
    common = scale([*cut.values()])
    of_curves = scale([values[[0, -1]] for values in cut.values()], decades=2 * DECADES)
    figure, pairs = _axes(len(shown))
    for (title, history), (upper, lower) in zip(shown.items(), pairs, strict=True):
        columns = (np.arange(history[table].shape[1]) + first(history))[seen[title]]
        _map(upper, columns, cut[title], history["step"], common)
        _curves(lower, columns, cut[title], history["step"], of_curves)
        upper.set_title(title, loc="left")
    colours = ScalarMappable(_norm(common), colormaps[COLOURS])
    below = any((values < 10.0**common.low).any() for values in cut.values())
    every_axes = [axes for pair in pairs for axes in pair]
    extend = "min" if below else "neither"
    bar = figure.colorbar(colours, ax=every_axes, extend=extend, aspect=30, pad=0.01)
    bar.set_label(_UNITS[statistic])
    return figure, dict(zip(shown, pairs, strict=True))


def _axes(count):
    """A figure with `count` pairs of axes, one of each pair above the other."""
    columns = min(count, COLUMNS)
    lines = -(-count // columns)
    figure = Figure(figsize=(1.4 + 4.2 * columns, 4.8 * lines), layout="constrained", dpi=120)
    grid = figure.add_gridspec(2 * lines, columns, height_ratios=[5, 3] * lines)
    pairs = []
    for index in range(count):
        line, column = divmod(index, columns)
        upper = figure.add_subplot(grid[2 * line, column])
        pairs.append((upper, figure.add_subplot(grid[2 * line + 1, column], sharex=upper)))
    return figure, pairs


def _map(axes, columns, table: np.ndarray, steps: np.ndarray, common: Scale):
    """Training goes downwards, so that the latest step stands above its curve."""
    half = (steps[-1] - steps[0]) / max(2 * len(steps) - 2, 1) or 0.5
    axes.imshow(
        np.maximum(table[evenly(len(table), MOST_ROWS)], 10.0**common.low),
        norm=_norm(common),
        cmap=colormaps[COLOURS].with_extremes(bad=NOTHING, over=BROKEN),
        extent=(columns[0] - 0.5, columns[-1] + 0.5, steps[-1] + half, steps[0] - half),
        aspect="auto",
        interpolation="nearest",
    )
    axes.yaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylabel("training step")
    axes.tick_params(axis="x", labelbottom=False)


def _norm(common):
    return LogNorm(10.0**common.low, 10.0**common.high)


def _curves(axes, columns, table: np.ndarray, steps: np.ndarray, scale: Scale):
    marker = "o" if table.shape[1] < 12 else None
    for row, colour in ((0, _FIRST), (-1, _LATEST)):
        curve = np.maximum(table[row], 10.0**scale.low)
        axes.plot(columns, curve, color=colour, marker=marker, label=f"step {steps[row]:,}")
    axes.set(yscale="log", ylim=(10.0**scale.low, 10.0**scale.high))
    axes.grid(color=_GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
