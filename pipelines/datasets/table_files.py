"""The tables in a person's folder that describe the other files."""

from pathlib import Path

from .listing import visible
from .ready_splits import SPLIT_OF, find_ready_splits
from .tables.columns import Role
from .tables.table import Table, is_table

SPLIT = Role("split", ("split", "subset", "partition", "set"), optional=True)
_METADATA = "metadata"


def row_splits(table: Table, column: int | None) -> list[str | None]:
    """Return the split of each row; None for all if there is no column of names of splits."""
    cells = [] if column is None else table.column(column)
    splits = [SPLIT_OF.get(cell.strip().casefold()) for cell in cells]
    return splits if all(splits) and "train" in splits else [None] * len(table.rows)


def inner_folder(folder: Path) -> Path:
    """Return the folder that is not just a cover of another one, as unpacked archives have."""
    while True:
        entries = visible(folder)
        folders = [path for path in entries if path.is_dir()]
        has_text = any(is_table(path) or path.suffix.lower() == ".txt" for path in entries)
        if len(folders) != 1 or has_text:
            return folder
        folder = folders[0]


def tables_in(folder: Path, ready_splits: bool) -> list[dict[str, Path]]:
    """Return the tables in a folder: each alone, or those of the ready splits together.

    The table of a split is train.csv or train/metadata.csv, or the only one in the folder train. A
    table called metadata comes before others, as in Hugging Face's image folders.
    """
    ready = find_ready_splits(folder, _is_table, ready_splits).paths
    if len(ready) > 1:
        return [ready]
    inside = find_ready_splits(folder, lambda path: own_table(path) is not None, ready_splits)
    tables = {split: table for split, path in inside.paths.items() if (table := own_table(path))}
    if tables:
        return [tables]
    own = [path for path in visible(folder) if _is_table(path)]
    first = [path for path in own if path.stem.casefold() == _METADATA]
    return [{"train": path} for path in first or own]


def _is_table(path: Path) -> bool:
    return path.is_file() and is_table(path)


def own_table(folder: Path) -> Path | None:
    """Return the table of a split's folder: metadata, or the only one."""
    tables = [path for path in visible(folder) if _is_table(path)] if folder.is_dir() else []
    metadata = [path for path in tables if path.stem.casefold() == _METADATA]
    return (metadata or tables)[0] if len(metadata or tables) == 1 else None


def near(table: Path, top: Path) -> str:
    """Return the folder in which a table's images are, if several have the same name.

    It is that of the table or, for a table in the folder `top`, of the table's name: the images of
    train.csv are in train.
    """
    return table.parent.name if table.parent != top else table.name.split(".")[0]
