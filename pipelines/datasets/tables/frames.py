"""Tables that pandas reads: Parquet, Excel, and data frames from Python."""

import datetime
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import UserError
from ..listing import printable
from .json_tables import text_of, unnested
from .rows import Table

if TYPE_CHECKING:
    import pandas


def read_parquet(path: Path, encoding: str | None = None, known: Collection[str] = ()) -> Table:
    """Read a Parquet file, which has an encoding and columns of its own; `UserError` if damaged."""
    import pandas

    return _read(path, lambda path: _with_times(pandas.read_parquet(path)), "Parquet")


def read_excel(path: Path, encoding: str | None = None, known: Collection[str] = ()) -> Table:
    """Read the first sheet of an Excel file; `UserError` without the package that pandas needs."""
    import pandas

    return _read(path, lambda path: pandas.read_excel(path, dtype=object), "a spreadsheet")


def _with_times(frame: "pandas.DataFrame") -> "pandas.DataFrame":
    """Return a frame whose index is columns if it holds time stamps, as pandas writes series."""
    import pandas

    index = frame.index
    if isinstance(index, pandas.PeriodIndex):
        index = index.to_timestamp()
    levels = [index.get_level_values(number) for number in range(index.nlevels)]
    are_times = [isinstance(level, pandas.DatetimeIndex) for level in levels]
    if not any(are_times):
        return frame
    names = [
        name if name is not None else "time" if is_time else f"index_{number}"
        for number, (name, is_time) in enumerate(zip(index.names, are_times, strict=True), start=1)
    ]
    return frame.set_axis(index.set_names(names)).reset_index(
        [name for name in names if name not in frame.columns]
    )


def _read(path: Path, read: Callable[..., Any], kind: str) -> Table:
    if not path.is_file():  # to open a pipe can wait forever
        raise UserError(f"{printable(path)}: not a file")
    try:
        frame = read(path)
    except ImportError as error:
        raise UserError(
            f"{printable(path)}: {kind} needs a further package ({str(error).split('.')[0]}); save"
            " it as CSV (UTF-8)"
        ) from None
    except PermissionError as error:
        raise UserError(f"{printable(path)}: cannot be read ({error.strerror})") from None
    except Exception:  # pyarrow and openpyxl raise their own kinds
        raise UserError(
            f"{printable(path)}: not {kind}, or damaged; save it as CSV (UTF-8)"
        ) from None
    return table_of_frame(frame, printable(path))


def table_of_frame(frame: "pandas.DataFrame", path: str) -> Table:
    """Return a data frame as a table; lines are the numbers of its rows, from 1."""
    frame = _unnested(frame)
    columns = [str(column) for column in frame.columns]
    cells = [_texts(frame.iloc[:, index]) for index in range(len(columns))]
    rows = [list(row) for row in zip(*cells, strict=True)] if cells else []
    return Table(path, columns, rows, list(range(1, len(frame) + 1)), has_header=True)


def _unnested(frame: "pandas.DataFrame") -> "pandas.DataFrame":
    """Return a frame with a column for each key of the objects in its cells, see `unnested`."""
    import pandas

    if not any(isinstance(cell, dict) for cell in frame.head(1).to_numpy().ravel().tolist()):
        return frame
    return pandas.DataFrame([unnested(record) for record in frame.to_dict("records")])


def _texts(column: "pandas.Series") -> list[str]:
    missing = column.isna()
    return [
        "" if gone else _text(value)
        for value, gone in zip(column.tolist(), missing.tolist(), strict=True)
    ]


def _text(value: Any) -> str:
    if hasattr(value, "tolist"):  # an array in a cell, as Parquet has for lists
        value = value.tolist()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    is_time = isinstance(value, datetime.datetime) and value.tzinfo is None
    if is_time and value.time() == datetime.time():
        return value.date().isoformat()
    return text_of(value)
