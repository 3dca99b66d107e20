"""Texts and labels of one file: a table, lines label<TAB>text, or lines as fastText reads them."""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable
from ..splits import Row
from ..stored import stored
from ..tables.columns import (
    LABEL,
    TEXT,
    MissingColumn,
    choose_columns,
    holds_labels,
    holds_text,
    is_missing,
    known_names,
    label_texts,
)
from ..tables.delimited import parse_delimited
from ..tables.table import Table, is_delimited, read_table
from ..text_source import TextSource, text_source
from ..utf8 import collapse_whitespace
from .fasttext_lines import is_fasttext, labelled_lines

LINES = "label<TAB>text"
UNLABELLED = "a split without labels"
_NO_LINES = (".csv", ".psv", ".gz")  # suffixes of text that is always a table
_SAMPLE = 2_000  # lines by which the order of two columns is judged


Clean = Callable[[str], str]


class Columns(NamedTuple):
    """What a person said about a table: the columns, by name or number, and the encoding."""

    text: str | None = None
    label: str | None = None
    encoding: str | None = None


RECOGNISED = Columns()


class Reading(NamedTuple):
    """The rows of a file, each after its place, in their order.

    Attributes:
        rows: place and row; those of a large file are in a temporary one.
        remarks: which columns were chosen, and what is doubtful.
        left_out: rows without text or label, or that cannot be read.
        has_header: of a file of text, whether the columns have names.
    """

    rows: Sequence[tuple[str, Row]]
    remarks: list[str]
    left_out: list[LeftOut]
    has_header: bool | None = None


def read_labelled(
    path: Path,
    columns: Columns,
    clean: Clean = collapse_whitespace,
    header: bool | None = None,
) -> Reading:
    """Read the texts and labels of a table, or of lines label<TAB>text or `__label__label text`.

    Args:
        path: a file.
        columns: the columns and the encoding, as far as a person gave them.
        clean: function of a text that is in Unicode's composed form.
        header: whether the first line is a header; None: recognised.

    Raises:
        UserError: no such columns, or it is in doubt which they are; a line without tab or label;
            a file that is not text. The message names file and line.
    """
    roles = [TEXT._replace(chosen=columns.text), LABEL._replace(chosen=columns.label)]
    if not is_delimited(path):
        return _of_table(read_table(path, columns.encoding, known_names(roles)), roles, clean)
    text = text_source(path, columns.encoding)
    if text.is_blank:
        return Reading([], [], [])
    if is_fasttext(text.head):
        return _of_fasttext(text, path, clean)
    table = parse_delimited(text, path, known_names(roles), header)
    is_chosen = bool(columns.text or columns.label) or path.suffix.lower() in _NO_LINES
    if table.has_header or is_chosen or len(table.columns) > 2 or _is_text_first(table):
        return _of_table(table, roles, clean)
    left_out: list[LeftOut] = []
    rows = stored(_of_lines(text, path, clean, left_out))
    return Reading(rows, [], left_out, has_header=False)


def read_split(
    path: Path, columns: Columns, train: Reading | None, clean: Clean = collapse_whitespace
) -> Reading:
    """Read the file of a ready split.

    A file without labels, as those of the test of a competition are, is left out.

    Args:
        train: the rows of the train split; None: this one is it.
    """
    try:
        return read_labelled(path, columns, clean, train.has_header if train else None)
    except MissingColumn as error:
        if train is None or columns.label is not None:
            raise
        return Reading([], [], [LeftOut(printable(path), UNLABELLED, str(error))])


def _is_text_first(table: Table) -> bool:
    """Whether two columns without names are text and label rather than label and text."""
    if len(table.columns) != 2 or len(table.rows) < 6:
        return False
    first, second = ([row[i] for row in table.rows[:_SAMPLE]] for i in (0, 1))
    return holds_text(first) and holds_labels(second) and not holds_labels(first)


def _of_table(table: Table, roles: list, clean: Clean) -> Reading:
    if not table.rows:
        return Reading([], [], [*table.left_out], table.has_header)
    choice = choose_columns(table, roles)
    text, label = (index for index in choice.indices if index is not None)
    # Few labels are different: one object for each, however many rows there are.
    labels = label_texts([sys.intern(_composed(row[label])) for row in table.rows])
    named = printable_labels(labels, f"{table.path}: label")
    left_out = [*table.left_out]

    def rows() -> Iterator[tuple[str, Row]]:
        for i, (cells, raw) in enumerate(zip(table.rows, labels, strict=True)):
            item = "" if is_missing(cells[text]) else clean(_composed(cells[text]))
            if item and raw:
                yield table.place(i), Row(named[raw], item)
            else:
                left_out.append(LeftOut(table.place(i), "no label" if item else "no text"))

    kept = stored(rows())
    return Reading(kept, [*table.remarks, choice.remark], left_out, table.has_header)


def _of_fasttext(text: TextSource, path: Path, clean: Clean) -> Reading:
    """Read lines with one label each; those with none or several are left out."""
    left_out: list[LeftOut] = []

    def rows() -> Iterator[tuple[str, Row]]:
        for number, labels, raw in labelled_lines(map(_composed, text.lines())):
            place, item = f"{printable(path)}:{number}", clean(raw)
            if len(labels) == 1 and item:
                yield place, Row(printable(labels[0]), item)
            elif len(labels) == 1:
                left_out.append(LeftOut(place, "no text"))
            else:
                left_out.append(LeftOut(place, "several labels" if labels else "no label"))

    return Reading(stored(rows()), [], left_out, has_header=False)


def _of_lines(
    text: TextSource, path: Path, clean: Clean, left_out: list[LeftOut]
) -> Iterator[tuple[str, Row]]:
    """Yield the row of each line label<TAB>text, each with its place; a text may hold tabs.

    Lines without a text are added to `left_out`.
    """
    shown = printable(path)
    for number, line in enumerate(map(_composed, text.lines()), start=1):
        label, tab, item = line.partition("\t")
        if line.strip() and not tab:
            raise UserError(f"{shown}:{number}: no tab in the line; expected {LINES}")
        if tab and not label.strip():
            raise UserError(f"{shown}:{number}: empty label; expected {LINES}")
        if cleaned := clean(item):
            yield f"{shown}:{number}", Row(printable(label.strip()), cleaned)
        else:
            left_out.append(LeftOut(f"{shown}:{number}", "no text"))


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def printable_labels(names: Iterable[str], where: str) -> dict[str, str]:
    """Return {name: label}, with U+FFFD for what no terminal can show.

    Raises:
        UserError: two names have the same label.
    """
    label_of: dict[str, str] = {}
    name_of: dict[str, str] = {}
    for name in dict.fromkeys(names):
        label = label_of[name] = printable(name)
        if name_of.setdefault(label, name) != name:
            raise UserError(
                f"{where} {label!r}: two different names look like this; rename one of them"
            )
    return label_of
