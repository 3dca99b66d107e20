"""Sources and targets of one file: a table, or lines source<TAB>target."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ....callbacks.recording.printable import CONTROL
from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable
from ..stored import stored
from ..tables.columns import Role, choose_columns, is_missing, known_names, list_columns
from ..tables.delimited import parse_delimited
from ..tables.header import is_date, is_file_name, is_number, plain_name
from ..tables.rows import Table
from ..tables.table import is_delimited, read_table
from ..text_source import TextSource, text_source
from ..utf8 import collapse_whitespace

LINE = "source<TAB>target"
FLAGS = "--source-column and --target-column"
_SAMPLE = 2_000
# As the Tatoeba project and ManyThings.org give out sentence pairs.
_ATTRIBUTION = re.compile(r"CC[- ]BY|CC0|tatoeba|attribution|licen[sc]e", re.IGNORECASE)
_LANGUAGES = frozenset(
    "english en eng french fr fra german de deu spanish es spa italian it ita portuguese pt por"  # noqa: SIM905 - one per word
    " dutch nl nld russian ru rus polish pl pol turkish tr tur chinese zh zho japanese ja jpn"
    " arabic ar ara hindi hi hin korean ko kor greek el ell latin la lat vietnamese vi vie".split()
)
_OF_TEXTS = frozenset(
    {"word", "words", "sentence", "sentences", "text", "texts", "phrase", "phrases"}
)

SOURCE = Role(
    "source",
    ("source", "src", "source text", "source sentence", "input", "word", "question", "grapheme",
     "graphemes", "original", "spelling", "query", "x"),
)  # fmt: skip
TARGET = Role(
    "target",
    ("target", "tgt", "trg", "target text", "target sentence", "output", "translation", "answer",
     "pronunciation", "phonemes", "phones", "ipa", "arpabet", "response", "reply", "y"),
)  # fmt: skip


class PairColumns(NamedTuple):
    """What a person said about a table: the columns, by name or number, and the encoding."""

    source: str | None = None
    target: str | None = None
    encoding: str | None = None


RECOGNISED = PairColumns()


class Pair(NamedTuple):
    """One pair, with its file and line."""

    place: str
    source: str
    target: str


class PairReading(NamedTuple):
    """The pairs of a file, in order, with remarks and what was left out."""

    pairs: Sequence[Pair]
    remarks: Sequence[str] = ()
    left_out: Sequence[LeftOut] = ()
    has_header: bool | None = None


def read_pair_rows(path: Path, columns: PairColumns, header: bool | None = None) -> PairReading:
    """Read the pairs of a table, or of a file of lines source<TAB>target.

    Args:
        path: a file.
        columns: the columns and the encoding, as far as a person gave them.
        header: whether the first line is a header; None: recognised.

    Raises:
        UserError: no such columns, or it is in doubt which they are; a line that is not two texts
            with a tab between; a file that is not text. The message names file and line.
    """
    roles = [SOURCE._replace(chosen=columns.source), TARGET._replace(chosen=columns.target)]
    if not is_delimited(path):
        return _of_table(read_table(path, columns.encoding), roles)
    text = text_source(path, columns.encoding)
    if text.is_blank:
        return PairReading([])
    names = _header_names(text.head, roles)
    table = parse_delimited(text, path, names, header, by_classes=False)
    is_chosen = columns.source is not None or columns.target is not None
    is_plain = not (table.has_header or is_chosen or len(table.columns) > 2) and text.has_tabs
    if is_plain or len(table.columns) == 1:
        return usable(_of_lines(text, path), has_header=False)
    return _of_table(table, roles)


def _header_names(text: str, roles: list[Role]) -> set[str]:
    """Return the names by which a header is recognised: two of them at least, or a chosen one.

    A single one could be a word of the first pair, as "hi" is, or "answer".
    """
    first = {plain_name(cell) for cell in re.split(r"[\t,;|]", text.partition("\n")[0])}
    names = {plain_name(name) for name in known_names(roles)}
    named = {cell for cell in first if cell in names or _is_language(cell)}
    chosen = {role.chosen for role in roles if role.chosen and not role.chosen.isdecimal()}
    return names | named if len(named) > 1 else chosen


def _is_language(name: str) -> bool:
    """Whether a column is named after a language, as "English words/sentences" is."""
    words = [word for word in name.split() if word not in _OF_TEXTS]
    return len(words) == 1 and words[0] in _LANGUAGES


def _of_table(table: Table, roles: list[Role]) -> PairReading:
    if not table.rows:
        return PairReading([], [*table.remarks], [*table.left_out], table.has_header)
    source, target = _columns(table, roles)
    names = [printable(table.columns[index]) for index in (source, target)]
    remark = f"{table.path}: source from column {names[0]}, target from column {names[1]}"
    pairs = (
        Pair(table.place(i), clean(row[source]), clean(row[target]))
        for i, row in enumerate(table.rows)
    )
    is_plain = len(table.columns) == 2 and not table.has_header
    remarks = [*table.remarks, *([] if is_plain else [remark])]
    reading = usable(pairs, has_header=table.has_header)
    return reading._replace(remarks=remarks, left_out=[*table.left_out, *reading.left_out])


def _columns(table: Table, roles: list[Role]) -> tuple[int, int]:
    """Return the columns of source and target: chosen, by name, or the two that hold texts."""
    sample = table.rows[:_SAMPLE]
    texts = [i for i in range(len(table.columns)) if _holds_texts([row[i] for row in sample])]
    texts = [0, 1] if len(table.columns) == 2 else texts
    by_name = choose_columns(table, [role._replace(optional=True) for role in roles]).indices
    source, target = by_name
    others = [index for index in texts if index not in by_name]
    if source is None and target is None and len(others) == 2:
        return others[0], others[1]
    if source is None and target is not None and len(others) == 1:
        return others[0], target
    if target is None and source is not None and len(others) == 1:
        return source, others[0]
    if source is not None and target is not None:
        return source, target
    raise UserError(
        f"{table.path}: source and target are in doubt; choose them with {FLAGS};"
        f" {list_columns(table)}"
    )


def _holds_texts(cells: Sequence[str]) -> bool:
    """Whether a column can hold sources or targets: words, and no attribution or numbers."""
    present = [cell for cell in cells if not is_missing(cell)]
    odd = [
        cell
        for cell in present
        if is_number(cell) or is_date(cell) or is_file_name(cell) or "://" in cell
        or _ATTRIBUTION.search(cell)
    ]  # fmt: skip
    is_constant = len({*present}) == 1 and len(present) > 4
    return len(odd) < len(present) / 2 and not is_constant


def _of_lines(text: TextSource, path: Path) -> Iterator[Pair]:
    shown = printable(path)
    for number, line in enumerate(text.lines(), start=1):
        if line.strip():
            try:
                yield Pair(f"{shown}:{number}", *parse(line))
            except ValueError as problem:
                raise UserError(f"{shown}:{number}: {problem}; expected {LINE}") from None


def parse(line: str) -> tuple[str, str]:
    """Return source and target of a line; raise ValueError if it is malformed."""
    source, *targets = map(clean, line.split("\t"))
    if not targets:
        raise ValueError("no tab in the line")
    if len(targets) > 1:
        raise ValueError(f"a third column ({printable(targets[1])[:40]!r})")
    if not source:
        raise ValueError("empty source")
    if not targets[0]:
        raise ValueError("empty target")
    return source, targets[0]


def clean(text: str) -> str:
    """Return a text in Unicode's composed form with single spaces; empty if it is missing."""
    return "" if is_missing(text) else collapse_whitespace(unicodedata.normalize("NFC", text))


def usable(pairs: Iterable[Pair], has_header: bool | None) -> PairReading:
    """Return the pairs that have both sides, without control characters."""
    left_out: list[LeftOut] = []

    def kept() -> Iterator[Pair]:
        for pair in pairs:
            if fault := _fault(pair):
                left_out.append(LeftOut(pair.place, fault))
            else:
                yield pair

    return PairReading(stored(kept()), (), left_out, has_header)


def _fault(pair: Pair) -> str:
    if not pair.source or not pair.target:
        return "no target" if pair.source else "no source"
    return "control character" if CONTROL.search(pair.source + pair.target) else ""
