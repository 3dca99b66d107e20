"""Tables whose columns are separated by a tab, comma, semicolon or bar."""

import contextlib
import csv
import itertools
import sys
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable
from ..stored import stored
from ..text_source import TextSource, text_source
from ..utf8 import LONGEST_LINE
from .header import HEAD, Header, common_width, find_header, fitted, plain_name
from .rows import Row, Table

_BY_SUFFIX = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
_SEPARATORS = ("\t", ",", ";", "|")
_SAMPLE = 200  # rows from which the separator is recognised
_TOO_LONG = f"a cell of more than {LONGEST_LINE:,} characters"
_LENGTH = "another number of cells than the other rows"

Numbered = tuple[int, Row]  # a row after the number of its first line


def read_delimited(path: Path, encoding: str | None = None, known: Collection[str] = ()) -> Table:
    """Read a table of text, see `parse_delimited`."""
    return parse_delimited(text_source(path, encoding), path, known)


def parse_delimited(
    text: TextSource,
    path: Path,
    known: Collection[str] = (),
    header: bool | None = None,
    by_classes: bool = True,
) -> Table:
    """Return the table in a text. The separator is that of the suffix, or recognised.

    Quotes enclose cells with separators or line ends, as in RFC 4180, if the whole file is written
    so. Otherwise they are part of the text: in a file of sentences and tabs, a single quote must
    not swallow the lines up to the next one.

    Args:
        text: the content of the file.
        path: the file.
        known: names of columns, by which a header is recognised.
        header: whether the first row is a header; None: recognised.
        by_classes: whether a header is recognised by a column that repeats a few values below it.

    Raises:
        UserError: there is no row, or the quotes do not match.
    """
    separator = _BY_SUFFIX.get(Path(path.name.lower().removesuffix(".gz")).suffix)
    numbered = _rows(text, separator or separator_of(text.head), printable(path))
    if not numbered:
        raise UserError(f"{printable(path)}: the file is empty")
    head = [row for _, row in numbered[:HEAD]]
    found = find_header(head, known, by_classes) if header is None else None
    if header is None and found is None:
        _check_width(head, known, printable(path))
    return _table(path, numbered, Header([*head[0]]) if header else found)


def _check_width(rows: Sequence[Row], known: Collection[str], path: str) -> None:
    """Raise `UserError` if most rows have more cells than a header of known names."""
    first, below = rows[0], rows[1:]
    is_named = {plain_name(cell) for cell in first} & {plain_name(name) for name in known}
    if is_named and below and (width := common_width(below, len(first))) > len(first) > 1:
        raise UserError(
            f"{path}: rows have {width} cells, but its header {len(first)}"
            f" ({', '.join(map(printable, first))}); put cells that hold the separator in quotes"
        )


def separator_of(text: str) -> str:
    """Return the character that divides the first lines into equally many cells, at best.

    A tab, if every line has one: texts hold commas, but seldom tabs.
    """
    lines = [line for line in text.split("\n", _SAMPLE)[:_SAMPLE] if line.strip()]
    if all("\t" in line for line in lines):
        return "\t"
    counts = {mark: _cells("\n".join(lines), mark) for mark in _SEPARATORS}
    return max(_SEPARATORS, key=lambda mark: counts[mark])


def _cells(head: str, separator: str) -> tuple[float, int]:
    """Return the share of rows that have the most frequent number of cells, if over 1."""
    text = TextSource([head])
    rows = _quoted(text, separator, is_cut=True) or [*_plain(text, separator)]
    (number, frequency), *_ = Counter(len(row) for _, row in rows).most_common(1) or [(1, 0)]
    return (0.0, 0) if number < 2 else (round(frequency / len(rows), 2), -number)


def _rows(text: TextSource, separator: str, path: str) -> Sequence[Numbered]:
    quoted = _quoted(text, separator) if text.has_quotes else None
    if quoted is not None and (separator != "\t" or _is_one_row_per_line(text, quoted)):
        return quoted
    plain = stored(_plain(text, separator))
    even = len({len(row) for _, row in plain}) == 1 and len(plain[0][1]) > 1
    if quoted is not None and not even:
        return quoted
    if even or separator == "\t" or not text.has_quotes:
        return plain
    raise UserError(f"{path}:{_unmatched(text, separator)}: a quote that is not closed or doubled")


def _is_one_row_per_line(text: TextSource, rows: Sequence[Numbered]) -> bool:
    return len(rows) == sum(1 for line in text.lines() if line and not line.isspace())


def _plain(text: TextSource, separator: str) -> Iterator[Numbered]:
    for number, line in enumerate(text.lines(), start=1):
        if line and not line.isspace():
            yield number, line.split(separator)


def _quoted(text: TextSource, separator: str, is_cut: bool = False) -> Sequence[Numbered] | None:
    """Return the rows of a text that quotes as RFC 4180 says; None if it does not.

    A text that is cut, as the first lines of a file are, may end within quotes.
    """
    try:
        with _any_length():
            return stored(_quoted_rows(text, separator, is_cut))
    except csv.Error:
        return None


def _quoted_rows(text: TextSource, separator: str, is_cut: bool) -> Iterator[Numbered]:
    reader, first = _reader(text, separator), 1
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                yield first, row
            first = reader.line_num + 1
    except csv.Error as error:
        if not is_cut or "unexpected end" not in str(error):
            raise


def _reader(text: TextSource, separator: str):
    lines = (f"{line}\n" for line in text.lines())
    return csv.reader(lines, delimiter=separator, strict=True)


def _unmatched(text: TextSource, separator: str) -> int:
    """Return the line of the first row that is not quoted as RFC 4180 says."""
    first = 1
    with _any_length(), contextlib.suppress(csv.Error):
        reader = _reader(text, separator)
        for _ in reader:
            first = reader.line_num + 1
    return first


@contextlib.contextmanager
def _any_length() -> Iterator[None]:
    """Let the csv module read cells of more than 131,072 characters, its default limit."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _table(path: Path, numbered: Sequence[Numbered], header: Header | None) -> Table:
    """Return the table of rows, as wide as the header or as most of them."""
    shown, first = printable(path), int(header is not None)
    widths = Counter(len(row) for _, row in itertools.islice(numbered, first, None) if _fits(row))
    width = len(header.columns) if header else (widths.most_common(1) or [(1, 0)])[0][0]
    too_long: list[LeftOut] = []
    uneven: list[LeftOut] = []
    lines = array("Q")

    def rows() -> Iterator[Row]:
        for number, cells in itertools.islice(numbered, first, None):
            row = fitted(cells, width)
            if not _fits(row):
                too_long.append(LeftOut(f"{shown}:{number}", _TOO_LONG))
            elif len(row) != width:
                said = f"{len(row)} instead of {width}"
                uneven.append(LeftOut(f"{shown}:{number}", _LENGTH, said))
            else:
                lines.append(number)
                yield row

    kept = stored(rows())
    return Table(
        shown,
        header.columns if header else [str(i + 1) for i in range(width)],
        kept,
        lines.tolist() if isinstance(kept, list) else lines,
        header is not None,
        [f"{shown}: line {numbered[0][0]} {header.remark}"] if header and header.remark else [],
        [*too_long, *uneven],
    )


def _fits(row: Row) -> bool:
    """Whether no cell is too long for a text."""
    return all(len(cell) <= LONGEST_LINE for cell in row)
