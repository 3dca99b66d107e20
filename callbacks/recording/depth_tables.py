"""The rows of the error over depth as named tables. Imports no TensorFlow."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .rows import Rows

# Event files store one table per statistic, in this order; new ones go to the end.
OF_LAYERS = ("rms", "max", "mean", "std", "dead")
OF_PATHS = ("rms", "max")


def depth_tables(rows: Mapping[str, Rows], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of `DepthFlow.history`; empty if there are no rows.

    Args:
        rows: those of the names "layers" and "paths" (see `blocks`, "depth_flow").
        about: the metadata of the rows: "layers", "paths", "adds_to" and "outputs".
    """
    layers = rows.get("layers")
    if layers is None or not len(layers.steps):
        return {}
    recorded = _tables(layers, layers.steps, about["layers"])
    shown = ~np.isnan(recorded["rms"]).all(axis=0)  # the others were frozen
    history: dict[str, Any] = {
        "step": layers.steps,
        "skipped": layers.were_skipped,
        "layers": _chosen(about["layers"], shown),
        "outputs": [*about["outputs"]],
        **{name: table[:, shown] for name, table in recorded.items()},
    }
    names = about["paths"] if "paths" in rows else []
    empty = {name: np.full([len(layers.steps), 0], np.nan, np.float32) for name in OF_PATHS}
    recorded = _tables(rows["paths"], layers.steps, names) if names else empty
    shown = ~np.isnan(recorded["rms"]).all(axis=0)
    return history | {
        "paths": _chosen(names, shown),
        "adds_to": _chosen(about["adds_to"] if names else [], shown),
        **{f"path_{name}": table[:, shown] for name, table in recorded.items()},
    }


def are_inside(history: Mapping[str, Any]) -> np.ndarray:
    """Return which layers of `DepthFlow.history` are none of the model's outputs, [L] bool.

    At an output, the derivative of the loss itself arrives, which has not passed a layer yet.
    """
    outputs = history.get("outputs", ())
    return np.array([name not in outputs for name in history["layers"]], bool)


def without_outputs(history: Mapping[str, Any]) -> dict[str, Any]:
    """Return `DepthFlow.history` without the model's outputs; as it is if there is nothing else."""
    inside = are_inside(history)
    if not inside.any():
        return dict(history)
    cut = {name: history[name][:, inside] for name in OF_LAYERS if name in history}
    return dict(history) | cut | {"layers": _chosen(history["layers"], inside)}


def _tables(rows, steps, names):
    """Each statistic as [N, names], on these training steps; NaN where there is nothing."""
    tables = np.full([len(rows.values), len(steps), len(names)], np.nan, np.float32)
    _, to, source = np.intersect1d(steps, rows.steps, return_indices=True)
    width = min(len(names), rows.values.shape[-1])  # later rows may have more columns
    tables[:, to, :width] = rows.values[:, source, :width]
    return dict(zip(rows.statistics, tables, strict=True))


def _chosen(names, shown):
    return [name for name, is_shown in zip(names, shown, strict=True) if is_shown]
