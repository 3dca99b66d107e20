"""The two plots of a search: the values and scores of its trials; the importance of settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ...callbacks.recording.printable import in_figure
from ..core.space import Choice, Range, Space
from ..training.plots import save
from .plan import SearchPlan

MIN_TRIALS = 6  # with a score; with fewer of them, an importance is mostly chance
TREES = 300

Row = Mapping[str, Any]


def write(plan: SearchPlan, ranked: Sequence[Row], keys: Sequence[str]) -> None:
    """Write both plots as PNG files in plots/, as far as there are enough trials.

    Args:
        ranked: trials with "values", "score", "direction" and "objective", the best first.
        keys: the searched settings in which trials differ.
    """
    if len(ranked) < 2 or not keys:
        return
    plots = plan.project / "plots"
    plots.mkdir(exist_ok=True)
    save(parallel_coordinates(plan.space, ranked, keys), plots / "parallel_coordinates.png")
    if len(ranked) >= MIN_TRIALS:
        save(importance(plan.space, ranked, keys), plots / "importance.png")


# Parallel coordinates


def parallel_coordinates(space: Space, ranked: Sequence[Row], keys: Sequence[str]) -> Figure:
    """Draw a line for each trial, through its value of each setting to its score."""
    figure = Figure(figsize=(1.5 * len(keys) + 3, 5), layout="constrained")
    axes = figure.subplots()
    positions = [[_position(space[k], row["values"].get(k)) for k in keys] for row in ranked]
    scores = _spread(np.array([row["score"] for row in ranked]))
    _draw_lines(axes, np.column_stack([np.array(positions), scores]))
    for x, key in enumerate(keys):
        _draw_axis(axes, x, space[key])
    _label_scores(axes, len(keys), ranked, scores)
    axes.set_xticks(range(len(keys) + 1), [*keys, ranked[0]["objective"]], rotation=30, ha="right")
    axes.set_yticks([])
    axes.set_xlim(-0.1, len(keys) + 0.4)
    axes.set_title(f"{len(ranked)} trials; red: the best; gap: the setting is not active")
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(False)
    return figure


def _draw_lines(axes: Any, heights: np.ndarray) -> None:
    """Draw a line per trial, the best first; heights: [trials, settings + 1]."""
    from matplotlib import colormaps

    colours = colormaps["viridis"](np.linspace(0.95, 0.1, len(heights)))
    for line, colour in [*zip(heights, colours, strict=True)][:0:-1]:
        axes.plot(line, color=colour, alpha=0.6, linewidth=1)
    axes.plot(heights[0], color="tab:red", linewidth=2.5)


def _draw_axis(axes: Any, x: int, values: Choice | Range) -> None:
    axes.axvline(x, color="0.7", linewidth=0.8, zorder=0)
    for value in values.values if isinstance(values, Choice) else (values.low, values.high):
        text = f"{value:.3g}" if isinstance(value, float) else in_figure(value)
        axes.annotate(
            text, (x, _position(values, value)), (3, 0),
            textcoords="offset points", fontsize=7, va="center", color="0.3",
        )  # fmt: skip


def _label_scores(axes: Any, x: int, ranked: Sequence[Row], scores: np.ndarray) -> None:
    """Draw the axis of the scores; label the highest and the lowest one."""
    axes.axvline(x, color="0.3", linewidth=1, zorder=0)
    for index in (int(scores.argmax()), int(scores.argmin())):
        axes.annotate(
            f"{ranked[index]['score']:.4g}", (x, scores[index]), (3, 0),
            textcoords="offset points", fontsize=8, va="center",
        )  # fmt: skip


def _position(values: Choice | Range, value: Any) -> float:
    """Return the position of a value on its axis, 0 … 1; NaN if the setting is not active."""
    if isinstance(values, Choice):
        last = max(len(values.values) - 1, 1)
        return values.values.index(value) / last if value in values.values else float("nan")
    if value is None:
        return float("nan")
    scale = np.log if values.log else float
    low, high, scaled = scale(values.low), scale(values.high), scale(value)
    return float((scaled - low) / (high - low)) if high > low else 0.5


def _spread(scores: np.ndarray) -> np.ndarray:
    """Return the ranks of scores, from 0 to 1: an outlier must not press the others together."""
    order = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
    return order / max(len(scores) - 1, 1)


# Importance


def importance(space: Space, ranked: Sequence[Row], keys: Sequence[str]) -> Figure:
    """Draw which share of the variation of scores each setting explains."""
    shares = importances(space, ranked, keys)
    order = sorted(shares, key=lambda key: shares[key])
    figure = Figure(figsize=(6, 0.35 * len(keys) + 1.3), layout="constrained")
    axes = figure.subplots()
    axes.barh(order, [shares[key] for key in order], color="tab:blue")
    axes.set_xlabel(
        f"share of the variation of {ranked[0]['objective']} that a random forest explains"
    )
    axes.set_title(f"from {len(ranked)} trials: a hint, not a proof")
    return figure


def importances(space: Space, ranked: Sequence[Row], keys: Sequence[str]) -> dict[str, float]:
    """Return the mean decrease in impurity by each setting, scaled to a sum of 1 (Breiman 2001).

    The forest sees a choice as one column per value, and whether a setting is active as a column.
    """
    from sklearn.ensemble import RandomForestRegressor

    columns = [_columns(space[key], [row["values"].get(key) for row in ranked]) for key in keys]
    forest = RandomForestRegressor(TREES, random_state=0)
    forest.fit(np.hstack(columns), _spread(np.array([row["score"] for row in ranked])))
    ends = np.cumsum([column.shape[1] for column in columns])
    parts = np.split(forest.feature_importances_, ends[:-1])
    return {key: float(part.sum()) for key, part in zip(keys, parts, strict=True)}


def _columns(values: Choice | Range, trials: Sequence[Any]) -> np.ndarray:
    """Return the forest's input for a setting: [trials, columns]."""
    positions = np.array([_position(values, value) for value in trials])
    absent = np.isnan(positions)
    if isinstance(values, Range):
        return np.column_stack([np.where(absent, -1.0, positions), absent])
    choices = [[value == choice for value in trials] for choice in values.values]
    return np.column_stack([*choices, absent])
