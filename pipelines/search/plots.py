"""The two pictures of a search: which values went with which scores, and which keys mattered."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..core.space import Choice, Range, Space
from ..training.plots import save
from .config import Search

FEWEST = 6  # trials with a score, for an importance that is more than chance
TREES = 300


def write(search: Search, ranked: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> None:
    """Both, as PNG in plots/; what cannot be told from so few trials is not drawn.

    Args:
        ranked: trials with "values", "score", "direction" and "objective", the best first.
        keys: those of the space in which trials differ.
    """
    if len(ranked) < 2 or not keys:
        return
    plots = search.project / "plots"
    plots.mkdir(exist_ok=True)
    save(parallel_coordinates(search.space, ranked, keys), plots / "parallel_coordinates.png")
    if len(ranked) >= FEWEST:
        save(importance(search.space, ranked, keys), plots / "importance.png")


def parallel_coordinates(
    space: Space, ranked: Sequence[Mapping[str, Any]], keys: Sequence[str]
) -> Figure:
    """A line for each trial, through its value of each key to its score; the best in red."""
    from matplotlib import colormaps

    figure = Figure(figsize=(1.5 * len(keys) + 3, 5), layout="constrained")
    axes = figure.subplots()
    score = _spread(np.array([row["score"] for row in ranked]))
    places = np.array([[_place(space[k], row["values"].get(k)) for k in keys] for row in ranked])
    height = np.column_stack([places, score])
    colours = colormaps["viridis"](np.linspace(0.95, 0.1, len(ranked)))
    for line, colour in [*zip(height, colours, strict=True)][:0:-1]:
        axes.plot(line, color=colour, alpha=0.6, linewidth=1)
    axes.plot(height[0], color="tab:red", linewidth=2.5)
    for at, key in enumerate(keys):
        axes.axvline(at, color="0.7", linewidth=0.8, zorder=0)
        for value in _marks(space[key]):
            axes.annotate(
                _short(value), (at, _place(space[key], value)), (3, 0),
                textcoords="offset points", fontsize=7, va="center", color="0.3",
            )  # fmt: skip
    for value in (max, min):
        row = value(ranked, key=lambda row: row["score"])
        end = height[[r["trial"] for r in ranked].index(row["trial"]), -1]
        axes.annotate(f"{row['score']:.4g}", (len(keys), end), (3, 0),
                      textcoords="offset points", fontsize=8, va="center")  # fmt: skip
    axes.axvline(len(keys), color="0.3", linewidth=1, zorder=0)
    axes.set_xticks(range(len(keys) + 1), [*keys, ranked[0]["objective"]], rotation=30, ha="right")
    axes.set_yticks([])
    axes.set_xlim(-0.1, len(keys) + 0.4)
    axes.set_title(f"{len(ranked)} trials; red: the best; a gap: the key does not count there")
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(False)
    return figure


def _place(given: Choice | Range, value: Any) -> float:
    """Where a value stands on its axis, 0 … 1; NaN where the key does not count."""
    if isinstance(given, Choice):
        last = max(len(given.values) - 1, 1)
        return given.values.index(value) / last if value in given.values else float("nan")
    if value is None:
        return float("nan")
    scale = np.log if given.log else float
    low, high, at = scale(given.low), scale(given.high), scale(value)
    return float((at - low) / (high - low)) if high > low else 0.5


def _marks(given: Choice | Range) -> Sequence[Any]:
    return given.values if isinstance(given, Choice) else (given.low, given.high)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _spread(scores: np.ndarray) -> np.ndarray:
    """From 0 to 1, by rank: one trial that went astray must not press all others together."""
    order = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
    return order / max(len(scores) - 1, 1)


def importance(space: Space, ranked: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> Figure:
    """How much of the scores' spread each key explains, by a forest of random trees."""
    shares = importances(space, ranked, keys)
    order = sorted(shares, key=lambda key: shares[key])
    figure = Figure(figsize=(6, 0.35 * len(keys) + 1.3), layout="constrained")
    axes = figure.subplots()
    axes.barh(order, [shares[key] for key in order], color="tab:blue")
    axes.set_xlabel(
        f"share of the spread of {ranked[0]['objective']} that a random forest explains"
    )
    axes.set_title(f"from {len(ranked)} trials: a hint, no proof")
    return figure


def importances(
    space: Space, ranked: Sequence[Mapping[str, Any]], keys: Sequence[str]
) -> dict[str, float]:
    """Each key's share, in all 1: mean decrease in impurity (Breiman 2001).

    A choice is as many columns as it has values; where a key does not count is a column too.
    """
    from sklearn.ensemble import RandomForestRegressor

    columns = [_columns(space[key], [row["values"].get(key) for row in ranked]) for key in keys]
    forest = RandomForestRegressor(TREES, random_state=0)
    forest.fit(np.hstack(columns), _spread(np.array([row["score"] for row in ranked])))
    ends = np.cumsum([column.shape[1] for column in columns])
    parts = np.split(forest.feature_importances_, ends[:-1])
    return {key: float(part.sum()) for key, part in zip(keys, parts, strict=True)}


def _columns(given: Choice | Range, values: Sequence[Any]) -> np.ndarray:
    """[trials, columns]"""
    places = np.array([_place(given, value) for value in values])
    absent = np.isnan(places)
    if isinstance(given, Range):
        return np.column_stack([np.where(absent, -1.0, places), absent])
    return np.column_stack([[value == one for value in values] for one in given.values] + [absent])
