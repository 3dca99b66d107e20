"""Data from Python: lists, columns and data frames, written as files that the readers take."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from .ready_splits import SPLIT_OF
from .tables.columns import Role, choose_columns
from .tables.frames import table_of_frame
from .tables.json_tables import text_of
from .tables.rows import Table, of_records

_NAME = 16  # digits of a hash


def store(parent: Path, write: Callable[[Path], None]) -> Path:
    """Write data to a folder that is named after its content; return its absolute path.

    Data that are there already are not written again, so that a run can be repeated and resumed.

    Args:
        parent: the folder of all such folders.
        write: function that writes the data to an empty folder.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=parent) as temporary:
            written = Path(temporary) / "data"
            written.mkdir()
            write(written)
            target = (parent / _hash(written)).absolute()
            if not target.exists():
                written.rename(target)
    except OSError as error:
        raise UserError(f"{parent}: cannot be written ({error.strerror})") from None
    return target


def discard(folder: Path) -> None:
    """Delete data that no run has used, and the folder of all data if it is empty then."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder)}\t{content}\n".encode())
    return digest.hexdigest()[:_NAME]


def by_split(data: Any) -> dict[str, Any]:
    """Return {split: data} of a dict by split, under our names; {"": data} of anything else.

    Raises:
        UserError: a split of another name, two for one split, or no train split.
    """
    names = [str(name).casefold() for name in data] if isinstance(data, Mapping) else []
    if not any(name in SPLIT_OF for name in names):
        return {"": data}
    parts: dict[str, Any] = {}
    for name, part in data.items():
        split = SPLIT_OF.get(str(name).casefold())
        if split is None or split in parts:
            raise UserError(f"data[{name!r}]: the splits are train, validation and test")
        parts[split] = part
    if "train" not in parts:
        raise UserError("data: no train split in the dict")
    return parts


def write_records(data: Any, folder: Path, roles: Sequence[Role]) -> None:
    """Write data as JSON lines: data.jsonl, or train.jsonl, validation.jsonl and test.jsonl.

    Args:
        data: a DataFrame, a dict of columns, a list of dicts, a list of tuples with an item for
            each role, a tuple of lists, or a dict by split of such.
        folder: an empty folder.
        roles: what is written, under the name of the role; as text.

    Raises:
        UserError: data of another kind, or columns in doubt.
    """
    for split, part in by_split(data).items():
        table = _table(part, roles, f"data[{split!r}]" if split else "data")
        if not table.rows:
            raise UserError(f"{table.path}: empty")
        indices = choose_columns(table, roles).indices
        named = [(role.name, i) for role, i in zip(roles, indices, strict=True) if i is not None]
        with (folder / f"{split or 'data'}.jsonl").open("w", encoding="utf-8") as file:
            for row in table.rows:
                file.write(json.dumps({name: row[index] for name, index in named}) + "\n")


def _table(data: Any, roles: Sequence[Role], place: str) -> Table:
    """Return data of any kind as a table."""
    if hasattr(data, "to_pandas"):  # as polars, pyarrow and Hugging Face's datasets have
        data = data.to_pandas()
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return table_of_frame(data, place)
    names = [role.name for role in roles if not role.optional]
    if isinstance(data, tuple) and len(data) == len(names) and all(map(_is_column, data)):
        data = dict(zip(names, data, strict=True))
    if isinstance(data, Mapping):
        data = _of_columns(data, place)
    if isinstance(data, str | bytes | Path) or not isinstance(data, Iterable):
        raise UserError(
            f"{place}: {type(data).__name__}; expected a DataFrame, a list of"
            f" ({', '.join(names)}), a list or dict of columns, or a dict of these by split;"
            " for files use data_dir"
        )
    records = [_record(item, names, f"{place}[{n}]") for n, item in enumerate(data)]
    table = of_records(Path(place), records, list(range(len(records))))
    return table._replace(path=place)


def _is_column(part: Any) -> bool:
    """Whether a part of a tuple is a column rather than one pair."""
    return not isinstance(part, str) and hasattr(part, "__len__") and len(part) > 2


def _of_columns(data: Mapping[Any, Any], place: str) -> list[dict[str, Any]]:
    lengths = {str(name): len(column) for name, column in data.items()}
    if len({*lengths.values()}) > 1:
        sizes = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise UserError(f"{place}: columns of different lengths ({sizes})")
    rows = zip(*data.values(), strict=True)
    return [dict(zip(lengths, cells, strict=True)) for cells in rows]


def _record(item: Any, names: Sequence[str], place: str) -> dict[str, str]:
    if isinstance(item, list) and item and all(_is_pair(part) for part in item):
        item = tuple(map(list, zip(*item, strict=True)))  # [(token, tag), ...], as NLTK has
    if isinstance(item, Mapping):
        return {str(key): _text(value) for key, value in item.items()}
    if isinstance(item, list | tuple) and len(item) == len(names):
        return dict(zip(names, map(_text, item), strict=True))
    raise UserError(f"{place}: {type(item).__name__}; expected ({', '.join(names)}) or a dict")


def _is_pair(part: Any) -> bool:
    return isinstance(part, tuple) and len(part) == 2


def _text(value: Any) -> str:
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy
        value = value.tolist()
    return text_of(list(value) if isinstance(value, tuple) else value)
