"""The user's own documents: lines of a label and a text, or a folder of text files per class."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from unicodedata import normalize

from ...core.errors import UserError
from ..splits import SPLITS, Items, Row, assign_splits, counts
from ..utf8 import collapse_whitespace, numbered_lines, split_paths, unique_paths

LAYOUT = "a file of lines label<TAB>text, or a folder with one sub-folder of .txt files per class"


def read_documents(where: str | Path) -> Items:
    """Read the documents of a file of lines label<TAB>text, or of a folder <class>/*.txt.

    They are split 80/10/10 by a hash of the text. A folder may also hold predefined splits, named
    train, validation (valid, dev) and test, each a sub-folder <class>/*.txt or a file (.tsv, .txt)
    of such lines. A missing split is carved from train, a tenth each. A class that is in a single
    split is left out.

    Texts are NFC-normalised; each run of whitespace becomes one space. An empty text is left out
    and listed in `problems`; a text that is repeated within its class (letter case aside) is left
    out and counted.

    Raises:
        UserError: no such path, a file that is not UTF-8, a line without tab or label, no documents
            where they are expected, one class only, a class too small to be in every split.
    """
    where = Path(where).expanduser()
    if not where.exists():
        raise UserError(f"--data-dir {where}: no such file or folder; expected {LAYOUT}")
    ready = _ready_splits(where)
    rows_of, problems = _read_splits(ready or {"train": where})
    labels = sorted({row.label for rows in rows_of.values() for row in rows})
    if len(labels) < 2:
        raise UserError(f"--data-dir {where}: only one class ({labels[0]!r}); add a second")
    missing = [split for split in SPLITS if split not in rows_of]
    if missing:
        rows_of |= _carve(rows_of["train"], ["train", *missing], where)
    if ready and missing:
        problems.insert(0, f"{where}: no {' and no '.join(missing)} split; carved from train")
    in_order = {split: rows_of[split] for split in SPLITS}
    return Items(in_order, labels, problems, f"{where} ({len(labels)} classes)")


def _ready_splits(where: Path) -> dict[str, Path]:
    """Return {split: file or folder}; empty if nothing is named train, or only a class is."""
    paths_of = split_paths(where)
    if not any(path.is_file() or _folders(path) for path in paths_of["train"]):
        return {}
    return unique_paths(paths_of, where)


def _read_splits(paths: dict[str, Path]) -> tuple[dict[str, list[Row]], list[str]]:
    """Return the rows of each split, and the problems."""
    rows_of, problems = {}, []
    for split, path in paths.items():
        rows_of[split], left_out = _read(path)
        problems += left_out
    if len(rows_of) == 1:
        return rows_of, problems
    rows_of, lone = _without_lone_classes(rows_of)
    for split, path in paths.items():
        if not rows_of[split]:
            raise UserError(f"--data-dir {path}: no class of another split in it; name them alike")
    return rows_of, lone + _in_train_too(rows_of) + problems


def _read(path: Path) -> tuple[list[Row], list[str]]:
    """Return the distinct documents of a file or folder, and what was left out."""
    rows: dict[tuple[str, str], Row] = {}
    problems, repeated = [], 0
    for location, row in _in_folders(path) if path.is_dir() else _in_lines(path):
        key = row.label, row.text.lower()
        if not row.text:
            problems.append(f"{location}: no text; left out")
        elif key in rows:
            repeated += 1
        else:
            rows[key] = row
    if not rows:
        raise UserError(f"--data-dir {path}: no document in it; expected {LAYOUT}")
    if repeated:
        problems.insert(0, f"{path}: {repeated:,} repeated documents left out")
    return list(rows.values()), problems


def _in_lines(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the documents of a file of lines, each with its file and line."""
    for number, line in numbered_lines(path):
        label, tab, text = line.partition("\t")
        if line.strip() and not tab:
            raise UserError(f"{path}:{number}: no tab in the line; expected label<TAB>text")
        if tab and not label.strip():
            raise UserError(f"{path}:{number}: empty label; expected label<TAB>text")
        yield f"{path}:{number}", Row(label.strip(), collapse_whitespace(text))


def _in_folders(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the documents of a folder with a sub-folder per class, each with its file."""
    folders = _folders(path)
    if not folders:
        raise UserError(f"--data-dir {path}: no sub-folder in it; expected {LAYOUT}")
    for folder in folders:
        files = [p for p in _visible(folder) if p.suffix.lower() == ".txt" and p.is_file()]
        if not files:
            raise UserError(f"--data-dir {path}: no .txt in {folder.name}; expected {LAYOUT}")
        label = normalize("NFC", folder.name)  # macOS decomposes file names
        for file in files:
            yield (
                str(file),
                Row(label, collapse_whitespace(" ".join(line for _, line in numbered_lines(file)))),
            )


def _folders(path: Path) -> list[Path]:
    return [p for p in _visible(path) if p.is_dir()]


def _visible(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith("."))


def _without_lone_classes(rows_of: dict[str, list[Row]]) -> tuple[dict[str, list[Row]], list[str]]:
    """Return the rows without the classes that are in a single split: nothing can test them."""
    tallies = {split: Counter(row.label for row in rows) for split, rows in rows_of.items()}
    number_of_splits = Counter(label for tally in tallies.values() for label in tally)
    lone = [
        f"class {label!r}: only in {split}; {tally[label]:,} documents left out"
        for split, tally in tallies.items()
        for label in sorted(tally)
        if number_of_splits[label] == 1
    ]
    kept = {
        s: [row for row in rows if number_of_splits[row.label] > 1] for s, rows in rows_of.items()
    }
    return kept, lone


def _in_train_too(rows_of: dict[str, list[Row]]) -> list[str]:
    """Return a line for each split that shares texts with train: there, memorising is rewarded."""
    trained = {row.text.lower() for row in rows_of["train"]}
    lines = []
    for split, rows in rows_of.items():
        shared = sum(row.text.lower() in trained for row in rows)
        if shared and split != "train":
            lines.append(f"{split}: {shared:,} of {len(rows):,} documents are in train too")
    return lines


def _carve(rows: Sequence[Row], splits: Sequence[str], where: Path) -> dict[str, list[Row]]:
    """Assign the rows to splits; raise `UserError` if a label is missing in one of them."""
    rows_of = assign_splits(rows, splits)
    for label, tally in counts(rows_of, sorted({row.label for row in rows})).items():
        number = sum(tally.values())
        if number < len(splits):
            raise UserError(
                f"--data-dir {where}: label {label!r} has {number} document{'s' * (number > 1)}, at"
                f" least {len(splits)} are needed: one each for {', '.join(splits)}"
            )
        if not all(tally.values()):
            raise UserError(
                f"--data-dir {where}: nearly all documents of label {label!r} have other labels"
                " too; remove them"
            )
    return rows_of
