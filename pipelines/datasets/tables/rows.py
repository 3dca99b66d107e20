"""The rows of a table, as texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..left_out import LeftOut
from ..listing import printable
from ..stored import stored

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
    rows: Sequence[Row]
    lines: Sequence[int]
    has_header: bool
    remarks: Sequence[str] = ()
    left_out: Sequence[LeftOut] = ()

    def place(self, index: int) -> str:
        """Return where a row is, as `file:line`."""
        return f"{self.path}:{self.lines[index]}"

    def column(self, index: int) -> list[str]:
        """Return the cells of a column."""
        return [row[index] for row in self.rows]


def of_records(path: Path, records: Sequence[dict[str, str]], lines: list[int]) -> Table:
    """Return the table of records; a value that a record does not have is missing."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    rows = stored([record.get(column, "") for column in columns] for record in records)
    return Table(printable(path), columns, rows, lines, has_header=True)
