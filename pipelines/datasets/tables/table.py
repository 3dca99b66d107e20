"""Tables of a person's data: CSV, TSV, JSON lines, a JSON list, Parquet, Excel.

Cells are texts; an empty one is missing. Every row knows its line.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable

Row = list[str]


class Table(NamedTuple):
    """The rows of a table.

    Attributes:
        path: its file, as in messages.
        columns: the names of the columns; "1", "2", ... without a header.
        rows: the cells of each row, as many as columns; "" where a value is missing.
        lines: the number of each row's first line in the file, or of the row if it has no lines.
        has_header: whether the columns have names.
        remarks: one line each, such as a header that was recognised by its looks.
        left_out: rows that cannot be read.
    """

    path: str
    columns: list[str]
    rows: list[Row]
    lines: list[int]
    has_header: bool
    remarks: Sequence[str] = ()
    left_out: Sequence[LeftOut] = ()

    def place(self, index: int) -> str:
        """Return where a row is, as `file:line`."""
        return f"{self.path}:{self.lines[index]}"

    def column(self, index: int) -> list[str]:
        """Return the cells of a column."""
        return [row[index] for row in self.rows]


def is_table(path: Path) -> bool:
    """Whether the suffix of a file is that of a table; plain .txt is not."""
    return _suffix(path) in READERS


def read_table(path: Path, encoding: str | None = None, known: Collection[str] = ()) -> Table:
    """Read a table. A file of another suffix is read as text with columns.

    Args:
        path: a file; those that are text may be packed (.csv.gz).
        encoding: the encoding of text, see `read_text`.
        known: names of columns, by which a header is recognised.

    Raises:
        UserError: the file cannot be read, or is no table; the message names file and line.
    """
    reader = READERS.get(_suffix(path), _delimited)
    table = reader(path, encoding, known)
    if not table.rows:
        first = [f"; {item.where}: {item.reason}" for item in table.left_out[:1]]
        raise UserError(f"{table.path}: no row in it{''.join(first)}")
    return table


def _suffix(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _delimited(path: Path, encoding: str | None, known: Collection[str]) -> Table:
    from .delimited import read_delimited

    return read_delimited(path, encoding, known)


def _json(path: Path, encoding: str | None, known: Collection[str]) -> Table:
    from .json_tables import read_json

    return read_json(path, encoding)


def _frame(path: Path, encoding: str | None, known: Collection[str]) -> Table:
    from .frames import read_parquet

    return read_parquet(path)


def _excel(path: Path, encoding: str | None, known: Collection[str]) -> Table:
    from .frames import read_excel

    return read_excel(path)


READERS: dict[str, Callable[[Path, str | None, Collection[str]], Table]] = {
    ".csv": _delimited,
    ".tsv": _delimited,
    ".tab": _delimited,
    ".psv": _delimited,
    ".jsonl": _json,
    ".ndjson": _json,
    ".json": _json,
    ".parquet": _frame,
    ".pq": _frame,
    ".xlsx": _excel,
    ".xls": _excel,
    ".ods": _excel,
}


def of_records(path: Path, records: Sequence[dict[str, str]], lines: list[int]) -> Table:
    """Return the table of records; a value that a record does not have is missing."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    rows = [[record.get(column, "") for column in columns] for record in records]
    return Table(printable(path), columns, rows, lines, has_header=True)
