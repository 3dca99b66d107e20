"""The rows of recurrent layers as named tables. Imports no TensorFlow."""

from collections.abc import Iterable, Mapping

import numpy as np

from .rows import Rows

Tables = Mapping[str, np.ndarray]


def tables(rows: Rows) -> dict[str, np.ndarray]:
    """Return "step", "length" and "skipped" [N], and each statistic as a table [N, W].

    Each statistic comes once more with the suffix "_from_end": there the last valid step of every
    example is in column -1.
    """
    names = rows.statistics
    start, end = rows.values[: len(names)], rows.values[-len(names) :]
    return {
        "step": rows.steps,
        "length": rows.lengths,
        "skipped": rows.were_skipped,
        **dict(zip(names, start, strict=True)),
        **{
            f"{name}_from_end": _align_right(table, rows.lengths)
            for name, table in zip(names, end, strict=True)
        },
    }


def with_truncation(tables: Tables, truncate: int | None) -> dict[str, np.ndarray]:
    """Return the tables and, of a layer that cuts its error every k steps, "truncate" [N], k."""
    if truncate is None:
        return {**tables}
    return {**tables, "truncate": np.full(len(tables["step"]), truncate)}


def chosen(history: Mapping[str, Tables], layers: Iterable[str]) -> dict[str, Tables]:
    """Return the entries of some layers of a history.

    Raises:
        ValueError: there is no entry of this name.
    """
    layers = [*layers]
    for name in layers:
        if name not in history:
            recorded = ", ".join(history) or "none so far"
            raise ValueError(f"layers: nothing was recorded of {name!r}, only of {recorded}")
    return {name: history[name] for name in layers}


def layer_path(name: str) -> str:
    """Return the path of the layer of "lstm:1" or "lstm (backward pass 2)"."""
    return name.partition(" (")[0].partition(":")[0]


def _align_right(table, lengths):
    """Shift each row [W] until its column length-1 is the last one."""
    width = table.shape[-1]
    if (lengths == width).all():
        return table
    source = np.arange(width) - (width - lengths)[:, None]
    shifted = np.take_along_axis(table, np.maximum(source, 0), axis=1)
    return np.where(source >= 0, shifted, np.nan).astype(table.dtype)


def join_layers(
    first: Tables, second: Tables, backwards: bool | None = None
) -> dict[str, np.ndarray]:
    """Put two layers on one time axis [N, W + W']; the second starts from the first's last state.

    The last steps of `first` meet the first steps of `second`. There is one reading of this axis,
    so the tables "_from_end" are the same. "border" is W: the steps of `second` start at that
    column. "at_first" [N] is the error at the first step that `first` reads, "largest" [N] the
    largest error at any step of `second`, and "cut" [N] is "truncate" of `first`, if it has that.

    Args:
        first, second: entries of `ErrorFlow.history`.
        backwards: whether `first` reads its input from the last step to the first.
    """
    _, of_first, of_second = np.intersect1d(first["step"], second["step"], return_indices=True)
    statistics = [name.removesuffix("_from_end") for name in first if name.endswith("_from_end")]
    joined = {
        name: np.concatenate([first[f"{name}_from_end"][of_first], second[name][of_second]], axis=1)
        for name in statistics
        if name in second
    }
    return {
        "step": second["step"][of_second],
        "length": first["length"][of_first] + second["length"][of_second],
        "skipped": second["skipped"][of_second],
        "border": np.array(first["hidden"].shape[1]),
        **({"cut": first["truncate"][of_first]} if "truncate" in first else {}),
        "at_first": _at_first(first["hidden"][of_first], backwards),
        "largest": np.nanmax(second["hidden"][of_second], axis=1, initial=0),
        **joined,
        **{f"{name}_from_end": table for name, table in joined.items()},
    }


def _at_first(hidden, backwards):
    """Return the error at the first step that is read, of the examples that have it, [N]."""
    read = hidden[:, ::-1] if backwards else hidden
    return read[np.arange(len(read)), (~np.isnan(read)).argmax(axis=1)]
