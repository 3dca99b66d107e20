"""Time series from Python: data frames, columns and arrays, written as files that are read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import UserError
from ..python_data import by_split

EXPECTED = (
    "a DataFrame or a dict of columns, with a row for each time; or arrays (x, y), {'x': x, 'y': y}"
    " or {'train': (x, y), 'test': (x, y)}, x [N, T, D]"
)


def write_series(data: Any, folder: Path) -> None:
    """Write series to an empty folder that `read_series` reads.

    Args:
        data: a DataFrame or a Series (its index is a column if it has time stamps or a name), or a
            dict of columns, each [T]; arrays x [N, T, D] and y as (x, y) or {"x": x, "y": y}; or
            these by split.
        folder: an empty folder.

    Raises:
        UserError: data of another kind.
    """
    if hasattr(data, "to_pandas"):  # as polars, pyarrow and Hugging Face's datasets have
        data = data.to_pandas()
    parts = {"": data} if _is_frame(data) else by_split(data)
    if "" not in parts:
        for split, part in parts.items():
            x, y = _arrays(part, f"data[{split!r}]")
            np.savez(folder / f"{split}.npz", x=x, y=y)
    elif (arrays := _arrays_or_none(data)) is not None:
        np.savez(folder / "data.npz", x=arrays[0], y=arrays[1])
    else:
        _frame(data).to_csv(folder / "data.csv", index=False)


def _is_frame(data: Any) -> bool:
    return hasattr(data, "to_csv")


def _arrays_or_none(data: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Return x and y as arrays; None: the data are of another kind."""
    if isinstance(data, Mapping) and {*data} == {"x", "y"} and np.ndim(data["x"]) > 1:
        pair = data["x"], data["y"]
    elif isinstance(data, tuple) and len(data) == 2:
        pair = data
    else:
        return None
    x, y = np.asarray(pair[0]), np.asarray(pair[1])
    return x, y.astype(str) if y.dtype.kind == "O" else y


def _arrays(part: Any, place: str) -> tuple[np.ndarray, np.ndarray]:
    arrays = _arrays_or_none(part)
    if arrays is None:
        raise UserError(f"{place}: {type(part).__name__}; expected (x, y); a table has no splits")
    return arrays


def _frame(data: Any) -> Any:
    import pandas

    if isinstance(data, Mapping):
        try:
            data = pandas.DataFrame({str(name): column for name, column in data.items()})
        except ValueError as error:
            raise UserError(f"data: {error}; expected {EXPECTED}") from None
    if isinstance(data, pandas.Series):
        data = data.to_frame(name="value" if data.name is None else data.name)
    if not isinstance(data, pandas.DataFrame):
        raise UserError(f"data: {type(data).__name__}; expected {EXPECTED}; for files use data_dir")
    if data.empty:
        raise UserError("data: empty")
    return _with_index(data)


def _with_index(frame: Any) -> Any:
    """Return a frame whose index is a column, unless it only numbers the rows."""
    import pandas

    index = frame.index
    if isinstance(index, pandas.PeriodIndex):
        index = index.to_timestamp()
    if isinstance(index, pandas.DatetimeIndex):
        index = index.rename(index.name or "time")
    names = [name for name in index.names if name is not None]
    if not names:
        return frame
    for name in names:
        if name in frame.columns:
            raise UserError(f"data: its index and a column are both named {name!r}; rename one")
    return frame.set_axis(index).reset_index()
