"""Pictures of forecasts, drawn without the global state of Matplotlib.

Shapes: P past steps, F future steps, K targets, N examples. Values have the units of the data.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...callbacks.recording.printable import in_figure

MOST_WINDOWS = 3  # side by side
MOST_TARGETS = 4  # below one another
PAST = 4  # the past that is drawn is at most this multiple of the future
ABOVE = 4.0  # errors are drawn up to this multiple of the largest one of the network
_PAST, _TRUTH, _FORECAST = "0.6", "0.1", "#b5367a"


class Window(NamedTuple):
    """The forecast of one window."""

    past: np.ndarray  # [P, K]
    truth: np.ndarray  # [F, K]
    forecast: np.ndarray  # [F, K]
    low: np.ndarray | None = None  # [F, K], the bounds of an interval
    high: np.ndarray | None = None
    times: np.ndarray | None = None  # datetime64 [P + F]; None: steps are counted
    title: str = ""


def forecasts(
    windows: Sequence[Window], names: Sequence[str], interval: str = "80 % interval"
) -> Figure:
    """Draw forecasts with their interval against the truth, after the past.

    Args:
        windows: one column of panels each; the first three are drawn.
        names: the targets, one row of panels each; the first four are drawn.
        interval: what the bounds are, for the legend.
    """
    windows, names = windows[:MOST_WINDOWS], names[:MOST_TARGETS]
    size = (1.5 + 4 * len(windows), 0.8 + 2.6 * len(names))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(names), len(windows), squeeze=False, sharex="col")
    for column, window in zip(panels.T, windows, strict=True):
        column[0].set_title(in_figure(window.title), size="medium")
        for target, axes in enumerate(column):
            _draw_window(axes, window, target, interval)
        _time_axis(column[-1], window)
    for axes, name in zip(panels[:, 0], names, strict=True):
        axes.set_ylabel(in_figure(name))
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _draw_window(axes: Axes, window: Window, target: int, interval: str) -> None:
    future, past = len(window.truth), window.past[:, target]
    shown = min(len(past), PAST * future + 1)
    x = _steps(window)
    before, after = x[len(past) - shown : len(past)], x[len(past) :]
    marker = "o" if future == 1 else None
    axes.plot(before, past[len(past) - shown :], color=_PAST, label="past")
    joined = np.concatenate([past[-1:], window.truth[:, target]])
    axes.plot(
        x[len(past) - 1 :], joined, color=_TRUTH, label="truth", marker=marker, markevery=[-1]
    )
    axes.plot(
        after, window.forecast[:, target], color=_FORECAST, label="forecast", marker=marker, lw=1.8
    )
    if window.low is not None and window.high is not None:
        bounds: Any = (window.low[:, target], window.high[:, target])
        if future == 1:
            axes.vlines(after, *bounds, color=_FORECAST, alpha=0.4, lw=5, label=interval)
        else:
            axes.fill_between(after, *bounds, color=_FORECAST, alpha=0.2, lw=0, label=interval)


def _steps(window: Window) -> np.ndarray:
    if window.times is not None:
        return window.times
    return np.arange(len(window.past) + len(window.truth)) - len(window.past) + 1


def _time_axis(axes: Axes, window: Window) -> None:
    if window.times is None:
        axes.set_xlabel("steps after the last known one")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    else:
        axes.set_xlabel("time")
        locator = AutoDateLocator(minticks=3, maxticks=8)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def error_by_horizon(errors: Mapping[str, np.ndarray], unit: str = "MASE") -> Figure:
    """Draw the error of each future step, [F], of the network and of the baselines beside it.

    Args:
        errors: by name; the first is the network's, and the axis ends at four times its largest.
        unit: what the errors are, for the axis.
    """
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axes = figure.subplots()
    (ours, own), *_ = errors.items()
    highest = max(np.nanmax(values, initial=0) for values in errors.values())
    top = min(1.05 * highest, ABOVE * np.nanmax(own, initial=0)) or 1.0
    for name, values in errors.items():
        style: Any = {"color": _FORECAST, "lw": 3, "zorder": 1} if name == ours else {"lw": 1.2}
        steps = np.arange(1, len(values) + 1)
        marker = "o" if len(values) == 1 else None
        hidden = " (above)" if np.nanmin(values, initial=np.inf) > top else ""
        axes.plot(steps, values, label=in_figure(name) + hidden, marker=marker, **style)
    axes.set(xlabel="steps after the last known one", ylabel=unit, ylim=(0, top))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def truth_and_prediction(truth: np.ndarray, prediction: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw predicted against true values [N, K], one panel per target; exact ones lie on a line."""
    names = names[:MOST_TARGETS]
    figure = Figure(figsize=(3.8 * len(names), 3.8), layout="constrained")
    for target, (axes, name) in enumerate(
        zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True)
    ):
        axes.axline((truth[0, target],) * 2, slope=1, color=_PAST, lw=1)
        axes.plot(truth[:, target], prediction[:, target], ".", color=_FORECAST, alpha=0.6)
        axes.set(title=in_figure(name), xlabel="true", ylabel="predicted")
    return figure
