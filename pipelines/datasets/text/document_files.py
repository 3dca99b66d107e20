"""A person's own documents: which are used, and in which split."""

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...core.errors import UserError
from ..data_path import data_path
from ..digests import digests, is_first
from ..left_out import LeftOut
from ..listing import printable
from ..splits import SPLITS, Items, Row, counts, split_numbers
from ..stored import mapped, selected
from ..tables.columns import without_repetitions
from .document_layouts import LAYOUT, Layout, find_documents
from .labelled_rows import RECOGNISED, Columns, Reading

Placed = Sequence[tuple[str, Row]]  # the place of each row, and the row


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
    labels = sorted({row.label for placed in placed_of.values() for _, row in placed})
    if len(labels) < 2:
        raise UserError(f"{shown}: only one class ({labels[0]!r}); add a second")
    missing = [split for split in SPLITS if split not in placed_of]
    if missing:
        placed_of |= _carve(placed_of["train"], ["train", *missing], shown, noun)
    if layout.ready and missing:
        names = " and no ".join(missing)
        remarks.insert(0, f"{printable(where)}: no {names} split; carved from train")
    return Items(
        {split: _rows(placed_of[split]) for split in SPLITS},
        labels,
        remarks,
        f"{printable(where)} ({len(labels)} classes)",
        left_out,
        {split: mapped(placed, operator.itemgetter(0)) for split, placed in placed_of.items()},
    )


def _rows(placed: Placed) -> Sequence[Row]:
    return mapped(placed, operator.itemgetter(1))


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
    rows = _rows(reading.rows)
    is_new = is_first(digests(f"{row.label}\0{row.text.lower()}" for row in rows))
    is_filled = np.fromiter((bool(row.text) for row in rows), bool)
    left_out = [
        LeftOut(
            reading.rows[index][0],
            f"repeated {noun} of its class" if is_filled[index] else "no text",
        )
        for index in np.flatnonzero(~(is_new & is_filled)).tolist()
    ]
    return selected(reading.rows, np.flatnonzero(is_new & is_filled)), left_out


def _without_lone_classes(
    placed_of: Mapping[str, Placed],
) -> tuple[dict[str, Placed], list[LeftOut]]:
    """Return the rows without the classes that are in a single split: nothing can test them."""
    labels_of = {split: {row.label for _, row in placed} for split, placed in placed_of.items()}
    number_of_splits = Counter(label for labels in labels_of.values() for label in labels)
    kept: dict[str, Placed] = {}
    left_out = []
    for split, placed in placed_of.items():
        shared = (number_of_splits[row.label] > 1 for row in _rows(placed))
        is_shared = np.fromiter(shared, bool)
        kept[split] = selected(placed, np.flatnonzero(is_shared))
        for index in np.flatnonzero(~is_shared).tolist():
            place, row = placed[index]
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
    of = {
        split: digests(row.text.lower() for row in _rows(placed))
        for split, placed in placed_of.items()
    }
    lines = []
    for split, texts in of.items():
        shared = int(np.isin(texts, of["train"]).sum())
        if shared and split != "train":
            lines.append(f"{split}: {shared:,} of {len(texts):,} {noun}s are in train too")
    return lines


def _carve(placed: Placed, splits: Sequence[str], shown: str, noun: str) -> dict[str, Placed]:
    """Assign the rows to splits; raise `UserError` if a label is missing in one of them."""
    numbers = split_numbers(_rows(placed), len(splits))
    placed_of = {
        split: selected(placed, np.flatnonzero(numbers == n)) for n, split in enumerate(splits)
    }
    rows_of = {split: _rows(part) for split, part in placed_of.items()}
    labels = sorted({row.label for row in _rows(placed)})
    for label, tally in counts(rows_of, labels).items():
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
    return placed_of
