"""The layouts of a person's documents: a file, a folder of text files per class, ready splits."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..class_folders import find_labelled_files
from ..item_kinds import Kind
from ..left_out import LeftOut
from ..listing import files_below, printable, subfolders, visible
from ..ready_splits import find_ready_splits
from ..splits import Row
from ..stored import stored
from ..tables.table import is_table
from ..utf8 import collapse_whitespace, numbered_lines
from .labelled_rows import UNLABELLED, Columns, Reading, read_labelled, read_split

CLASSES = "one sub-folder of .txt files per class"
LAYOUT = (
    "a file of lines label<TAB>text, a table (.csv, .tsv, .jsonl, .parquet), or a folder with"
    f" {CLASSES}"
)
_TEXT_SUFFIXES = (".text", ".md", "")  # documents if there is no .txt at all
_DEEPEST = 8  # levels of single folders that are skipped


class Layout(NamedTuple):
    """The documents that were found.

    Attributes:
        readings: {split: rows}; without ready splits all are in train.
        places: {split: file or folder}, for messages.
        ready: whether the splits are ready.
        remarks: one line each.
        left_out: files that are not used.
    """

    readings: dict[str, Reading]
    places: dict[str, str]
    ready: bool
    remarks: list[str]
    left_out: list[LeftOut]


def find_documents(where: Path, columns: Columns, use_splits: bool) -> Layout:
    """Read the documents of a file or folder, whatever its layout."""
    if where.is_file():
        return _in_file(where, columns, [])
    top = _single_level(where, use_splits)
    ready = find_ready_splits(top, _holds_data, use_splits)
    if not all(map(_holds_classes, ready.paths.values())):
        return _in_splits(ready.paths, ready.others, columns, ready.remarks)
    file = only_data_file(top)
    if file is not None and not _holds_classes(top):
        return _in_file(file, columns, [path for path in visible(top) if path != file])
    found = find_labelled_files(where, _kind(where), use_splits)
    readings = {
        split: Reading(stored(_documents(files, columns.encoding)), [], [])
        for split, files in found.files_of.items()
    }
    places = dict.fromkeys(readings, printable(where))
    return Layout(readings, places, found.ready, found.remarks, found.left_out)


def without_unlabelled(
    readings: Mapping[str, Reading],
) -> tuple[dict[str, Reading], list[LeftOut]]:
    """Return the splits without those whose file has no labels, which are left out."""
    bare = [split for split, reading in readings.items() if _is_unlabelled(reading)]
    left_out = [item for split in bare for item in readings[split].left_out]
    return {split: readings[split] for split in readings if split not in bare}, left_out


def _is_unlabelled(reading: Reading) -> bool:
    return not reading.rows and [item.reason for item in reading.left_out] == [UNLABELLED]


def only_data_file(folder: Path) -> Path | None:
    """Return the table of a folder if it is the only one; if it has none, the only .txt file.

    Raises:
        UserError: the folder has several tables.
    """
    files = [path for path in visible(folder) if path.is_file()]
    tables = [path for path in files if is_table(path)]
    if len(tables) > 1:
        names = ", ".join(printable(path.name) for path in tables[:5])
        raise UserError(
            f"--data-dir {printable(folder)}: several tables ({names}); give one of them, or name"
            " them train, val and test"
        )
    candidates = tables or [path for path in files if path.suffix.lower() == ".txt"]
    return candidates[0] if len(candidates) == 1 else None


def _single_level(folder: Path, use_splits: bool) -> Path:
    """Return the folder that is not just a cover of another one."""
    for _ in range(_DEEPEST):
        inner = subfolders(folder)
        if len(inner) != 1 or find_ready_splits(folder, _holds_data, use_splits).paths:
            break
        if any(is_table(path) for path in visible(folder)):
            break
        if not subfolders(inner[0]) and not any(is_table(path) for path in visible(inner[0])):
            break  # the folder of a class
        folder = inner[0]
    return folder


def _holds_data(path: Path) -> bool:
    """Whether a file or folder can be a split."""
    if path.is_dir():
        return _holds_classes(path) or any(is_table(inner) for inner in visible(path))
    return path.is_file() and (is_table(path) or path.suffix.lower() in (".txt", ""))


def _holds_classes(path: Path) -> bool:
    return path.is_dir() and bool(subfolders(path))


def _in_file(path: Path, columns: Columns, beside: list[Path]) -> Layout:
    left_out = [LeftOut(printable(other), "beside the table") for other in beside]
    reading = read_labelled(path, columns)
    return Layout({"train": reading}, {"train": printable(path)}, False, [], left_out)


def _in_splits(
    paths: Mapping[str, Path], others: list[Path], columns: Columns, remarks: list[str]
) -> Layout:
    """Read ready splits of which one at least is a file."""
    readings: dict[str, Reading] = {}
    left_out = [
        LeftOut(printable(file), "not in a split") for path in others for file in files_below(path)
    ]
    for split, path in paths.items():
        if _holds_classes(path):
            found = find_labelled_files(path, _kind(path), ready_splits=False)
            rows = stored(_documents(found.files_of["train"], columns.encoding))
            readings[split], left_out = Reading(rows, [], []), [*left_out, *found.left_out]
        else:
            file = only_data_file(path) if path.is_dir() else path
            readings[split] = read_split(file or path, columns, readings.get("train"))
    readings, unlabelled = without_unlabelled(readings)
    left_out += unlabelled
    places = {split: printable(path) for split, path in paths.items()}
    return Layout(readings, places, True, remarks, left_out)


def _kind(folder: Path) -> Kind:
    """Return the files that are documents: .txt; without any, those of other text suffixes."""
    has_txt = any(file.suffix.lower() == ".txt" for file in files_below(folder))
    suffixes = (".txt",) if has_txt else _TEXT_SUFFIXES

    def files(path: Path) -> Iterator[tuple[Path, bool]]:
        for file in files_below(path):
            yield file, file.suffix.lower() in suffixes and file.is_file()

    return Kind("document", "not a .txt file", CLASSES, files)


def _documents(files, encoding: str | None) -> Iterator[tuple[str, Row]]:
    for path, label in files:
        text = " ".join(line for _, line in numbered_lines(path, encoding))
        yield printable(path), Row(label, collapse_whitespace(text))
