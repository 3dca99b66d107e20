"""Tables of a person's data: CSV, TSV, JSON lines, a JSON list, Parquet, Excel.

Cells are texts; an empty one is missing. Every row knows its line.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ...core.errors import UserError
from ..listing import printable
from ..shards import shards_of, without_shard
from .delimited import read_delimited
from .frames import read_excel, read_parquet
from .json_tables import read_json
from .rows import Table

__all__ = ["Table", "is_delimited", "is_table", "read_table"]


def is_table(path: Path) -> bool:
    """Whether the suffix of a file is that of a table; plain .txt is not."""
    return _suffix(path) in READERS


def is_delimited(path: Path) -> bool:
    """Whether the suffix of a file is that of text with columns, or of no other kind of table."""
    return READERS.get(_suffix(path), read_delimited) is read_delimited


def read_table(path: Path, encoding: str | None = None, known: Collection[str] = ()) -> Table:
    """Read a table. A file of another suffix is read as text with columns.

    The first of several shards stands for all: their rows are counted from the first one on.

    Args:
        path: a file; those that are text may be packed (.csv.gz).
        encoding: the encoding of text, see `read_text`.
        known: names of columns, by which a header is recognised.

    Raises:
        UserError: the file cannot be read, or is no table; the message names file and line.
    """
    reader = READERS.get(_suffix(path), read_delimited)
    table = _joined(path, [reader(shard, encoding, known) for shard in shards_of(path)])
    if not table.rows:
        first = [f"; {item.where}: {item.reason}" for item in table.left_out[:1]]
        raise UserError(f"{table.path}: no row in it{''.join(first)}")
    return table


def _joined(path: Path, shards: Sequence[Table]) -> Table:
    """Return the rows of all shards of a table as one table."""
    if len(shards) == 1:
        return shards[0]
    columns = list(dict.fromkeys(column for shard in shards for column in shard.columns))
    rows = [
        [cells.get(column, "") for column in columns]
        for shard in shards
        for cells in (dict(zip(shard.columns, row, strict=True)) for row in shard.rows)
    ]
    left_out = [item for shard in shards for item in shard.left_out]
    lines = list(range(1, len(rows) + 1))
    shown = f"{printable(path.with_name(without_shard(path.name)))} ({len(shards)} shards)"
    return Table(shown, columns, rows, lines, shards[0].has_header, (), left_out)


def _suffix(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


READERS: dict[str, Callable[[Path, str | None, Collection[str]], Table]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".tab": read_delimited,
    ".psv": read_delimited,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".json": read_json,
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".xlsx": read_excel,
    ".xls": read_excel,
    ".ods": read_excel,
}
