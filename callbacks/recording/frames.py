"""Recorded tables as tidy pandas tables. Imports no TensorFlow.

pandas is imported when a table is made, because that takes half a second.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..findings.training_warning import TrainingWarning
from .tables import Tables

if TYPE_CHECKING:
    import pandas as pd

OVER_TIME = ("layer", "step", "time_step", "before_last")
WARNINGS = ("step", "kind", "layers", "text", "remedy", "stopped")
OVER_BLOCKS = (
    *("step", "name", "depth", "is_path", "rms", "max", "mean", "std", "dead", "skipped"),
)
OVER_DEPTH = ("step", "layer", "depth", "norm", "ratio", "dead", "skipped")


def over_time(history: Mapping[str, Tables], align: str) -> "pd.DataFrame":
    """Return one row for each layer, training step and time step; see `ErrorFlow.to_frame`.

    Args:
        history: entries of `ErrorFlow.history`, by layer, without joined ones.
        align: "end" or "start".
    """
    if align not in ("end", "start"):
        raise ValueError(f"to_frame: `align` must be 'end' or 'start', not {align!r}")
    return stacked({name: _over_time(tables, align) for name, tables in history.items()}, OVER_TIME)


def _over_time(tables, align):
    suffix = "_from_end" if align == "end" else ""
    valid = tables[f"valid{suffix}"]
    row, column = np.nonzero(valid > 0)
    length = tables["length"][row]
    before_last = valid.shape[1] - 1 - column if suffix else length - 1 - column
    names = [name.removesuffix("_from_end") for name in tables if name.endswith("_from_end")]
    return {
        "step": tables["step"][row],
        "time_step": (length - before_last).astype(np.int32),
        "before_last": before_last.astype(np.int32),
        **{name: tables[f"{name}{suffix}"][row, column] for name in names},
        "valid": valid[row, column].astype(np.int32),
        "skipped": tables["skipped"][row],
    }


def over_depth(history: Mapping[str, Any]) -> "pd.DataFrame":
    """Return one row for each training step and layer; see `LayerGradients.to_frame`.

    Args:
        history: `LayerGradients.history`; may be empty.
    """
    import pandas as pd  # noqa: PLC0415

    if not history:
        return pd.DataFrame(columns=OVER_DEPTH)
    row, column = np.nonzero(~np.isnan(history["norm"]))
    layers = pd.Categorical.from_codes(column, history["layers"])
    figures = {name: history[name][row, column] for name in ("norm", "ratio", "dead")}
    columns = {"step": history["step"][row], "layer": layers, "depth": column + 1, **figures}
    return pd.DataFrame(columns | {"skipped": history["skipped"][row]})


def over_blocks(history: Mapping[str, Any]) -> "pd.DataFrame":
    """Return one row for each training step and layer or path; see `DepthFlow.to_frame`.

    Args:
        history: `DepthFlow.history`; may be empty.
    """
    import pandas as pd  # noqa: PLC0415

    if not history:
        return pd.DataFrame(columns=[*OVER_BLOCKS])
    count = len(history["layers"])
    both = {
        name: np.concatenate([history[name], history[f"path_{name}"]], axis=1)
        for name in ("rms", "max")
    }
    row, column = np.nonzero(~np.isnan(both["rms"]))
    nothing = np.full_like(history["path_rms"], np.nan)
    both |= {
        name: np.concatenate([history[name], nothing], axis=1) for name in ("mean", "std", "dead")
    }
    is_path = column >= count
    return pd.DataFrame(
        {
            "step": history["step"][row],
            "name": pd.Categorical.from_codes(column, [*history["layers"], *history["paths"]]),
            "depth": column - count * is_path + 1,
            "is_path": is_path,
            **{name: table[row, column] for name, table in both.items()},
            "skipped": history["skipped"][row],
        }
    )


def stacked(
    parts: Mapping[str, Mapping[str, np.ndarray]], columns: Iterable[str]
) -> "pd.DataFrame":
    """Return the columns of several parts below one another, with a column for their names.

    Where a part lacks a column, it is NaN.

    Args:
        parts: columns of the same length, by the name of the part.
        columns: the columns that the table has without any part; the first is that of the names.
    """
    import pandas as pd  # noqa: PLC0415

    if not parts:
        return pd.DataFrame(columns=[*columns])
    sizes = [len(next(iter(part.values()))) for part in parts.values()]
    names = dict.fromkeys(name for part in parts.values() for name in part)
    table = {
        name: np.concatenate(
            [
                part[name] if name in part else np.full(size, np.nan, np.float32)
                for part, size in zip(parts.values(), sizes, strict=True)
            ]
        )
        for name in names
    }
    codes = np.repeat(np.arange(len(parts)), sizes)
    first = next(iter(columns))
    return pd.DataFrame({first: pd.Categorical.from_codes(codes, [*parts]), **table}, copy=False)


def of_warnings(
    warnings: Sequence[TrainingWarning], stopped: TrainingWarning | None
) -> "pd.DataFrame":
    """Return one row for each warning; see `EarlyWarning.to_frame`.

    Args:
        warnings: in their order.
        stopped: the one that has ended the training.
    """
    import pandas as pd  # noqa: PLC0415

    rows = [
        (w.step, w.kind, ", ".join(w.layers), w.text, str(next(iter(w.remedies), "")), w is stopped)
        for w in warnings
    ]
    return pd.DataFrame(rows, columns=[*WARNINGS])


def labelled(
    frames: Iterable[tuple[Mapping[str, Any], "pd.DataFrame"]], columns: Iterable[str]
) -> "pd.DataFrame":
    """Return tables below one another, each with constant columns before its own.

    Args:
        frames: the constants of each table by the name of their column, and the table.
        columns: the columns that the table has without any part.
    """
    import pandas as pd  # noqa: PLC0415

    parts = []
    for constants, frame in frames:
        for place, (name, value) in enumerate(constants.items()):
            frame.insert(place, name, value)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*columns])
