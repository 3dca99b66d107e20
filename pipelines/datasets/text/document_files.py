"""A person's own documents: which are used, and in which split."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...core.errors import UserError
from ..data_path import data_path
from ..left_out import LeftOut
from ..listing import printable
from ..splits import SPLITS, Items, Row, assign_splits, counts
from ..tables.columns import without_repetitions
from .document_layouts import LAYOUT, Layout, find_documents
from .labelled_rows import RECOGNISED, Columns, Reading

Placed = dict[Row, str]  # the place of each row, in order


def read_documents(
    where: str | Path, columns: Columns = RECOGNISED, *, ready_splits: bool = True
) -> Items:
    """Read the documents of a table, a file of lines label<TAB>text, or a folder <class>/*.txt.

    They are split 80/10/10 by a hash of the text. A folder may also hold ready splits, see
    `find_ready_splits`, each a file or a folder <class>/*.txt. A missing split is carved from
    train, a tenth each. A class that is in a single split is left out.

    Texts are NFC-normalised; each run of whitespace becomes one space. An empty text, and one that
    is repeated within its class (letter case aside), is left out.

    Args:
        where: a file or folder.
        columns: the columns of tables, as far as they are given, and the encoding of text files.
        ready_splits: whether files and folders named train, val, test are splits.

    Raises:
        UserError: no such path, a file that is not text, a line without tab or label, columns in
            doubt, no documents, one class only, a class too small to be in every split.
    """
    where = data_path(where, LAYOUT)
    layout = find_documents(where, columns, ready_splits)
    return assemble_splits(where, layout, "document", LAYOUT)


def assemble_splits(where: Path, layout: Layout, noun: str, expected: str) -> Items:
    """Leave out what is repeated or in a single split only, and carve the missing splits.

    Args:
        where: the file or folder of all.
        layout: what was found there.
        noun: the name of an item, "document".
        expected: the layout to expect, for messages.
    """
    shown = f"--data-dir {printable(where)}"
    placed_of, left_out, remarks = _distinct(layout, noun, expected)
    if len(placed_of) > 1:
        placed_of, lone = _without_lone_classes(placed_of)
        left_out += lone
        _check_filled(placed_of, layout.places)
        remarks = _in_train_too(placed_of, noun) + remarks
    labels = sorted({row.label for placed in placed_of.values() for row in placed})
    if len(labels) < 2:
        raise UserError(f"{shown}: only one class ({labels[0]!r}); add a second")
    rows_of = {split: [*placed] for split, placed in placed_of.items()}
    missing = [split for split in SPLITS if split not in rows_of]
    if missing:
        rows_of |= _carve(rows_of["train"], ["train", *missing], shown, noun)
    if layout.ready and missing:
        names = " and no ".join(missing)
        remarks.insert(0, f"{printable(where)}: no {names} split; carved from train")
    return Items(
        {split: rows_of[split] for split in SPLITS},
        labels,
        remarks,
        f"{printable(where)} ({len(labels)} classes)",
        left_out,
        {row: place for placed in placed_of.values() for row, place in placed.items()},
    )


def _distinct(
    layout: Layout, noun: str, expected: str
) -> tuple[dict[str, Placed], list[LeftOut], list[str]]:
    """Return the different rows of each split, what is left out, and the remarks."""
    placed_of, left_out = {}, [*layout.left_out]
    for split, reading in layout.readings.items():
        placed_of[split], repeated = _different(reading, noun)
        left_out += [*reading.left_out, *repeated]
        if not placed_of[split]:
            first = f"; {left_out[0].where}: {left_out[0].reason}" if left_out else ""
            raise UserError(
                f"--data-dir {layout.places[split]}: no {noun} in it; expected {expected}{first}"
            )
    remarks = [remark for reading in layout.readings.values() for remark in reading.remarks]
    return placed_of, left_out, [*layout.remarks, *without_repetitions(remarks)]


def _different(reading: Reading, noun: str) -> tuple[Placed, list[LeftOut]]:
    """Return the rows that differ within their class, and those that are empty or repeated."""
    placed: Placed = {}
    seen: set[tuple[str, str]] = set()
    left_out = []
    for place, row in reading.rows:
        key = row.label, row.text.lower()
        if not row.text:
            left_out.append(LeftOut(place, "no text"))
        elif key in seen:
            left_out.append(LeftOut(place, f"repeated {noun} of its class"))
        else:
            seen.add(key)
            placed[row] = place
    return placed, left_out


def _without_lone_classes(
    placed_of: Mapping[str, Placed],
) -> tuple[dict[str, Placed], list[LeftOut]]:
    """Return the rows without the classes that are in a single split: nothing can test them."""
    labels_of = {split: {row.label for row in placed} for split, placed in placed_of.items()}
    number_of_splits = Counter(label for labels in labels_of.values() for label in labels)
    kept: dict[str, Placed] = {split: {} for split in placed_of}
    left_out = []
    for split, placed in placed_of.items():
        for row, place in placed.items():
            if number_of_splits[row.label] > 1:
                kept[split][row] = place
            else:
                reason = "its class is in one split only"
                left_out.append(LeftOut(place, reason, f"class {row.label!r} in {split}"))
    return kept, left_out


def _check_filled(placed_of: Mapping[str, Placed], places: Mapping[str, str]) -> None:
    for split, placed in placed_of.items():
        if not placed:
            raise UserError(
                f"--data-dir {places[split]}: no class of another split in it; name them alike"
            )


def _in_train_too(placed_of: Mapping[str, Placed], noun: str) -> list[str]:
    """Return a line for each split that shares texts with train: there, memorising is rewarded."""
    trained = {row.text.lower() for row in placed_of["train"]}
    lines = []
    for split, placed in placed_of.items():
        shared = sum(row.text.lower() in trained for row in placed)
        if shared and split != "train":
            lines.append(f"{split}: {shared:,} of {len(placed):,} {noun}s are in train too")
    return lines


def _carve(
    rows: Sequence[Row], splits: Sequence[str], shown: str, noun: str
) -> dict[str, list[Row]]:
    """Assign the rows to splits; raise `UserError` if a label is missing in one of them."""
    rows_of = assign_splits(rows, splits)
    for label, tally in counts(rows_of, sorted({row.label for row in rows})).items():
        number = sum(tally.values())
        if number < len(splits):
            raise UserError(
                f"{shown}: label {label!r} has {number} {noun}{'s' * (number > 1)}, at"
                f" least {len(splits)} are needed: one each for {', '.join(splits)}"
            )
        if not all(tally.values()):
            raise UserError(
                f"{shown}: nearly all {noun}s of label {label!r} have other labels too; remove them"
            )
    return rows_of
