"""A person's own short texts: a folder with one `<Label>.txt` per class, or a table."""

from collections.abc import Iterator
from pathlib import Path

from ...core.errors import UserError
from ..data_path import data_path
from ..left_out import LeftOut
from ..listing import files_below, printable, subfolders, visible
from ..ready_splits import find_ready_splits
from ..splits import Items, Row
from ..stored import stored
from ..tables.table import is_table
from ..utf8 import lines_and_faults
from .document_files import assemble_splits
from .document_layouts import Layout, only_data_file, without_unlabelled
from .fasttext_lines import is_fasttext
from .labelled_rows import RECOGNISED, Columns, Reading, read_labelled, read_split

_CLASSES = "one <Label>.txt per class, one item per line, UTF-8"
LAYOUT = f"{_CLASSES}; or a table (.csv, .tsv, .jsonl, .parquet)"
_DEEPEST = 8  # levels of single folders that are skipped


def read_folder(
    directory: str | Path,
    max_length: int,
    columns: Columns = RECOGNISED,
    *,
    ready_splits: bool = True,
) -> Items:
    """Read the items of a folder of `<Label>.txt`, of a table, or of ready splits of such.

    Without ready splits they are split 80/10/10 by a hash of the item; a missing split is carved
    from train, a tenth each.

    Items are stripped and NFC-normalised. A line that is empty, not UTF-8, not text or longer
    than `max_length` characters is left out, as is an item that is repeated within its class
    (letter case aside).

    Args:
        directory: a folder, or a table.
        max_length: the longest item in characters.
        columns: the columns of tables, as far as they are given, and the encoding of text files.
        ready_splits: whether files and folders named train, val, test are splits.

    Raises:
        UserError: no such folder, no .txt file in it, one class only, a class without items, a
            class too small to be in every split.
    """
    where = data_path(directory, LAYOUT)
    layout = _find(where, max_length, columns, ready_splits)
    return assemble_splits(where, layout, "item", LAYOUT)


def _find(where: Path, max_length: int, columns: Columns, use_splits: bool) -> Layout:
    if where.is_file():
        _check_columns(where, columns)
        return _in_file(where, max_length, columns, [])
    top = _single_level(where, use_splits)
    ready = find_ready_splits(top, _holds_data, use_splits)
    if ready.paths:
        readings, left_out = {}, _beside(ready.others, "not in a split")
        for split, path in ready.paths.items():
            readings[split] = _read_split(path, max_length, columns, readings.get("train"))
        readings, unlabelled = without_unlabelled(readings)
        left_out += unlabelled
        places = {split: printable(path) for split, path in ready.paths.items()}
        return Layout(readings, places, True, ready.remarks, left_out)
    classes = [path for path in visible(top) if _is_class(path)]
    if len(classes) > 1 or any(not _has_columns(path) for path in classes):
        reading = _in_class_files(top, max_length, columns.encoding)
        return Layout({"train": reading}, {"train": printable(top)}, False, ready.remarks, [])
    file = only_data_file(top)
    if file is None:
        raise UserError(f"--data-dir {printable(where)}: no .txt file in it; expected {LAYOUT}")
    return _in_file(file, max_length, columns, [path for path in visible(top) if path != file])


def _check_columns(path: Path, columns: Columns) -> None:
    """Raise `UserError` for a file of one class."""
    if columns.text or columns.label or _has_columns(path):
        return
    raise UserError(
        f"--data-dir {printable(path)}: is a file without columns; give the folder that it is in"
        f" ({_CLASSES})"
    )


def _has_columns(path: Path) -> bool:
    """Whether a file is a table: by its suffix, or by the tabs or labels of its first lines."""
    if is_table(path):
        return True
    with path.open("rb") as file:
        head = file.read(10_000)
    lines = [line for line in head.splitlines()[:20] if line.strip()]
    has_tabs = bool(lines) and all(b"\t" in line for line in lines)
    return has_tabs or is_fasttext(head.decode(errors="replace"))


def _is_class(path: Path) -> bool:
    return path.suffix.lower() == ".txt" and path.is_file()


def _holds_data(path: Path) -> bool:
    """Whether a file or folder can be a split; train.txt without tabs is the class "train"."""
    if path.is_dir():
        return any(_is_class(inner) or is_table(inner) for inner in visible(path))
    return path.is_file() and (is_table(path) or (_is_class(path) and _has_columns(path)))


def _single_level(folder: Path, use_splits: bool) -> Path:
    """Return the folder that is not just a cover of another one."""
    for _ in range(_DEEPEST):
        inner = subfolders(folder)
        if len(inner) != 1 or any(_is_class(p) or is_table(p) for p in visible(folder)):
            break
        if find_ready_splits(folder, _holds_data, use_splits).paths:
            break
        folder = inner[0]
    return folder


def _read_split(path: Path, max_length: int, columns: Columns, train: Reading | None) -> Reading:
    if path.is_dir() and any(map(_is_class, visible(path))):
        return _in_class_files(path, max_length, columns.encoding)
    file = only_data_file(path) if path.is_dir() else path
    return _fitting(read_split(file or path, columns, train, str.strip), max_length)


def _in_file(path: Path, max_length: int, columns: Columns, beside: list[Path]) -> Layout:
    reading = _fitting(read_labelled(path, columns, str.strip), max_length)
    left_out = _beside(beside, "beside the table")
    return Layout({"train": reading}, {"train": printable(path)}, False, [], left_out)


def _beside(paths: list[Path], reason: str) -> list[LeftOut]:
    return [LeftOut(printable(file), reason) for path in paths for file in files_below(path)]


def _fitting(reading: Reading, max_length: int) -> Reading:
    """Return the rows whose text has no control character and is not too long."""
    left_out = [*reading.left_out]

    def rows() -> Iterator[tuple[str, Row]]:
        for place, row in reading.rows:
            if fault := _fault(row.text, max_length):
                left_out.append(LeftOut(place, *fault))
            else:
                yield place, row

    return reading._replace(rows=stored(rows()), left_out=left_out)


def _fault(item: str, max_length: int) -> tuple[str, str] | None:
    """Return why an item is left out, and its detail."""
    if not item:
        return "no text", ""
    if any(character < " " and character != "\t" for character in item):
        return "control character", ""
    if len(item) > max_length:
        return f"more than {max_length} characters", f"{len(item)} characters"
    return None


def _in_class_files(folder: Path, max_length: int, encoding: str | None) -> Reading:
    """Read the items of each `<Label>.txt`, sorted by label."""
    files = _class_files(folder)
    left_out: list[LeftOut] = []

    def rows() -> Iterator[tuple[str, Row]]:
        for label, path in files.items():
            reading = _fitting(_read_class(path, label, encoding), max_length)
            if not reading.rows:
                raise UserError(f"{printable(path)}: {_nothing(reading.left_out)}")
            yield from reading.rows
            left_out.extend(reading.left_out)

    kept = stored(rows())
    beside = [path for path in visible(folder) if path not in files.values()]
    return Reading(kept, [], left_out + _beside(beside, "not a .txt file of the folder"))


def _read_class(path: Path, label: str, encoding: str | None) -> Reading:
    left_out: list[LeftOut] = []

    def rows() -> Iterator[tuple[str, Row]]:
        for number, line, fault in lines_and_faults(path, encoding):
            place = f"{printable(path)}:{number}"
            if fault:
                left_out.append(LeftOut(place, "not UTF-8; give --encoding, such as cp1252", fault))
            else:
                yield place, Row(label, line.strip())

    return Reading(stored(rows()), [], left_out)


def _nothing(left_out: list[LeftOut]) -> str:
    if not left_out:
        return "the file is empty"
    first = left_out[0]
    detail = f" ({first.detail})" if first.detail else ""
    return f"no usable line in {len(left_out)}; {first.where}: {first.reason}{detail}"


def _class_files(folder: Path) -> dict[str, Path]:
    """Return {label: file}, sorted by label."""
    files: dict[str, Path] = {}
    for path in filter(_is_class, visible(folder)):
        label = printable(path.stem)
        if label in files:
            raise UserError(
                f"{printable(path)}: class {label!r} is also in {printable(files[label].name)};"
                " join the two"
            )
        files[label] = path
    if len(files) == 1:
        (path,) = files.values()
        raise UserError(
            f"--data-dir {printable(folder)}: only one class ({printable(path.name)}); add a"
            " second .txt"
        )
    return dict(sorted(files.items()))
