"""The user's own data: a folder with one `<Label>.txt` per class, one item per line, UTF-8."""

import unicodedata
from pathlib import Path

from ...core.errors import UserError
from ..splits import SPLITS, Items, Row, assign_splits, counts
from ..utf8 import lines_and_faults

_LAYOUT = "one <Label>.txt per class, one item per line, UTF-8"


def read_folder(directory: str | Path, max_length: int) -> Items:
    """Read the items of a folder, split 80/10/10 by a hash of the item.

    Items are stripped and NFC-normalised. A line that is empty, not UTF-8, not text or longer
    than `max_length` characters is left out and listed in `problems` with its file and line; an
    item that is repeated within its class (letter case aside) is left out and counted.

    Raises:
        UserError: no such folder, no .txt file in it, one class only, a class without items, a
            class too small to be in every split.
    """
    directory = Path(directory).expanduser()
    rows, problems = [], []
    for label, path in _files(directory).items():
        items, wrong = _read_class(path, max_length)
        rows += [Row(label, item) for item in items]
        problems += wrong
    labels = sorted({row.label for row in rows})
    rows_of = assign_splits(rows)
    _check_every_split(counts(rows_of, labels), directory)
    return Items(rows_of, labels, problems, f"{directory} ({len(labels)} classes)")


def _files(directory: Path) -> dict[str, Path]:
    """Return {label: file}, sorted by label."""
    if not directory.exists():
        raise UserError(f"--data-dir {directory}: no such folder")
    if not directory.is_dir():
        raise UserError(
            f"--data-dir {directory}: is a file; give the folder that it is in ({_LAYOUT})"
        )
    files: dict[str, Path] = {}
    for path in sorted(directory.iterdir()):
        if path.suffix.lower() != ".txt" or path.name.startswith(".") or not path.is_file():
            continue
        label = unicodedata.normalize("NFC", path.stem)  # macOS decomposes file names
        if label in files:
            raise UserError(f"{path}: class {label!r} is also in {files[label].name}; join the two")
        files[label] = path
    if not files:
        raise UserError(f"--data-dir {directory}: no .txt file in it; expected {_LAYOUT}")
    if len(files) == 1:
        raise UserError(
            f"--data-dir {directory}: only one class ({files.popitem()[1].name}); add a second .txt"
        )
    return dict(sorted(files.items()))


def _read_class(path: Path, max_length: int) -> tuple[list[str], list[str]]:
    """Return the distinct items of a file, and its problems."""
    items: dict[str, str] = {}
    problems, repeated = [], 0
    for number, line, fault in lines_and_faults(path):
        try:
            if fault:
                raise ValueError(f"not UTF-8 ({fault})")
            item = parse(line, max_length)
        except ValueError as problem:
            problems.append(f"{path.name}:{number}: {problem}")
            continue
        repeated += item.lower() in items
        items.setdefault(item.lower(), item)
    if not items:
        first = f"; {problems[0]}" if problems else "; the file is empty"
        raise UserError(f"{path}: no usable line in {len(problems)}{first}")
    if repeated:
        problems.append(f"{path.name}: {repeated} repeated items left out")
    return list(items.values()), problems


def parse(line: str, max_length: int) -> str:
    """Return the item on a line.

    Raises:
        ValueError: why there is none.
    """
    item = line.strip()
    if not item:
        raise ValueError("empty line")
    if any(character < " " and character != "\t" for character in item):
        raise ValueError("not text (control character)")
    if len(item) > max_length:
        raise ValueError(f"{len(item)} characters, at most {max_length} allowed")
    return item


def _check_every_split(tallies: dict[str, dict[str, int]], directory: Path) -> None:
    for label, tally in tallies.items():
        if sum(tally.values()) < len(SPLITS):
            raise UserError(
                f"{directory / label}.txt: {sum(tally.values())} different items, at least"
                f" {len(SPLITS)} are needed: one each for {', '.join(SPLITS)}"
            )
        if not all(tally.values()):
            raise UserError(
                f"{directory / label}.txt: nearly all items are in other classes too; remove them"
            )
