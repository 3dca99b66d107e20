"""The Matplotlib figure of the error on its way through time and into an image network."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..findings.finding import JUDGED_SHARE
from ..recording.printable import in_figure
from ..recording.rows import evenly_spaced, filled_columns
from ..recording.tables import layer_path
from .figures import MAX_LAYER_NAMES, QUIET, shortened
from .heat_maps import DECADES, common_scale
from .notebook_figure import NotebookFigure, NothingRecorded

_FIRST, _LATEST, _GRID, _BORDER = "#a0a0a0", "#b5367a", "#e0e0e0", "#00b4d8"
_TIME_NUMBERS = 9  # below the time steps, at most

History = Mapping[str, Any]


def error_path(over_time: History, over_depth: History, layers: Sequence[str]) -> Figure:
    """Return one curve from the error at the last time step to that at the first convolution.

    From right to left, as the backward pass goes: ‖δ_t‖ = ‖dE/dh_t‖ at the time steps of a
    recurrent layer, from the last to the first; a border; and ‖δ_l‖ = ‖dE/da_l‖ at the outputs of
    the layers of the image network that it reads, from the last to the first. Each is the root
    mean square over the examples, in units of the loss per unit of h or a. There is one curve for
    the first and one for the last fifth of the training steps that both callbacks recorded: the
    medians of the values that are finite. Where there are none, the curve has a gap.

        flow, depth = ErrorFlow(), DepthFlow()
        model.fit(clips, labels, callbacks=[flow, depth])
        error_path(flow.history["lstm"], depth.history, ["frame/conv1", "frame/conv2"])

    The error of an image network that reads each time step is that of a single frame: its examples
    are the frames of all sequences, whether it is called once for all frames or, as by
    `keras.layers.TimeDistributed`, once for each. Error may enter it at several time steps, or
    pass the recurrent layer by, as through attention and auxiliary outputs; what is drawn is all
    of it.

    Args:
        over_time: an entry of `ErrorFlow.history`. The time steps are counted back from the last
            one of each example; two layers of `joined` share an axis, which reaches 0 where the
            first one ends.
        over_depth: `DepthFlow.history`.
        layers: those of the image network, by path, as in `over_depth["layers"]` without the number
            of the call.

    Raises:
        ValueError: nothing was recorded, or in no common training step; `over_time` is no entry of
            `ErrorFlow.history`; or `layers` is empty or names a layer without a recorded error.
    """
    if not over_time or not over_depth:
        raise NothingRecorded
    names = _chosen(over_time, over_depth, layers)
    time = over_time["hidden_from_end"]
    filled = filled_columns(time)
    steps, by_step = _in_common(over_time, over_depth, names, filled)
    numbers = (np.arange(time.shape[1]) + _first_number(over_time))[filled]
    places = np.concatenate([_places(len(names), numbers), numbers])
    figure = NotebookFigure(figsize=(9, 4.6), layout="constrained", dpi=120)
    axes = figure.subplots()
    _draw_curves(axes, places, steps, by_step)
    _draw_borders(axes, places, len(names), "border" in over_time)
    _number(axes, places, names)
    return figure


def _chosen(over_time, over_depth, layers):
    """→ the paths in `layers`, in the order of their first call"""
    if "hidden_from_end" not in over_time or "rms" not in over_depth:
        raise ValueError(
            "error_path: give an entry of ErrorFlow.history, such as flow.history['lstm'], and "
            "then DepthFlow.history"
        )
    recorded = [*dict.fromkeys(map(layer_path, over_depth["layers"]))]
    if isinstance(layers, str) or not layers or not {*layers} <= {*recorded}:
        raise ValueError(
            f"error_path: `layers` must be a list of layers in DepthFlow.history, which are "
            f"{', '.join(recorded)}; not {layers!r}"
        )
    return [name for name in recorded if name in layers]


def _in_common(over_time, over_depth, names, filled):
    """→ steps [N] and the errors [N, L + T] of all layers and time steps, NaN where not finite"""
    steps, rows, of_depth = np.intersect1d(
        over_time["step"], over_depth["step"], return_indices=True
    )
    kept = ~(over_time["skipped"][rows] | over_depth["skipped"][of_depth])
    if not kept.any():
        raise NothingRecorded("error_path: ErrorFlow and DepthFlow have no training step in common")
    layers = np.stack([_over_calls(over_depth, name) for name in names], axis=1)[of_depth[kept]]
    time = over_time["hidden_from_end"][rows[kept]][:, filled]
    errors = np.concatenate([layers, time], axis=1)
    return steps[kept], np.where(np.isfinite(errors), errors, np.nan)


def _over_calls(over_depth, name):
    """The root mean square over the examples of all calls of a layer, [N]."""
    calls = [layer_path(call) == name for call in over_depth["layers"]]
    return np.sqrt(np.mean(over_depth["rms"][:, calls].astype(float) ** 2, axis=1))


def _first_number(over_time):
    """The number of the first time step: the last one is 0, or of joined layers, the border is."""
    return 1 - int(over_time.get("border", over_time["hidden_from_end"].shape[1]))


def _places(count, numbers):
    """Where the layers stand: left of the time steps, on at least a third of the axis."""
    width = max(1.0, len(numbers) / (2 * count))
    return numbers[0] - 0.5 - width * (np.arange(count, 0, -1) - 0.5)


def _draw_curves(axes: Axes, places, steps, by_step):
    count = ceil(JUDGED_SHARE * len(steps))
    ends = {
        _label(steps[rows]): (colour, np.ma.median(np.ma.masked_invalid(by_step[rows]), axis=0))
        for rows, colour in ((slice(count), _FIRST), (slice(-count, None), _LATEST))
    }
    scale = common_scale([curve.filled(np.nan) for _, curve in ends.values()], 2 * DECADES)
    for label, (colour, curve) in ends.items():
        shown = np.maximum(curve.filled(np.nan), 10.0**scale.low)
        axes.plot(places, shown, color=colour, marker="o", markersize=3.5, label=label)
    axes.set(yscale="log", ylim=(10.0**scale.low, 10.0**scale.high))
    axes.set_ylabel("‖dE/da‖ or ‖dE/dh‖, rms over the batch\n(loss per unit of a or h)")
    axes.grid(color=_GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")


def _label(steps):
    if len(steps) == 1:
        return f"training step {steps[0]:,}"
    return f"training steps {steps[0]:,} to {steps[-1]:,}, median"


def _draw_borders(axes: Axes, places, layers, is_joined):
    """A line where the image network begins, and a lighter one between two recurrent layers."""
    border, left = places[layers] - 0.5, places[0] - (places[layers] - places[layers - 1] - 0.5)
    axes.axvline(border, color=_BORDER, linewidth=2)
    axes.axvspan(left, border, color=_BORDER, alpha=0.08, linewidth=0)
    axes.set_xlim(left, places[-1] + 0.5)
    parts = [(left, border, "image network\nlayers, from input to output, ‖dE/da‖")]
    if is_joined:
        axes.axvline(0.5, color=_BORDER, linewidth=1.2, linestyle="--")
        time = "recurrent layers, ‖dE/dh‖\ntime step: first layer up to 0, second layer from 1"
    else:
        time = "recurrent layer, ‖dE/dh‖\ntime steps before the last"
    for start, end, text in [*parts, (border, places[-1] + 0.5, time)]:
        where = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "bottom"}
        axes.text((start + end) / 2, 1.01, text, size="small", color=QUIET, **where)
    axes.set_xlabel("the error comes back from right to left")


def _number(axes: Axes, places, names):
    layers = [*map(in_figure, shortened(names))]
    shown = evenly_spaced(len(layers), MAX_LAYER_NAMES)
    time = places[len(layers) :]
    steps = MaxNLocator(_TIME_NUMBERS, integer=True).tick_values(time[0], time[-1])
    steps = steps[(steps >= time[0]) & (steps <= time[-1])]
    numbers = [f"{number if time[-1] > 0 else abs(number):.0f}" for number in steps]
    axes.set_xticks([*places[shown], *steps], [*(layers[i] for i in shown), *numbers], size="small")
    for text in axes.get_xticklabels()[: len(shown)]:
        text.set_rotation(90)
