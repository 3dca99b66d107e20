"""Recognising the header of a table."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

HEAD = 10_000  # rows by which a header is recognised


class Header(NamedTuple):
    """The names of the columns, and a remark if they were recognised by their looks alone."""

    columns: list[str]
    remark: str = ""


def find_header(
    rows: Sequence[list[str]], known: Collection[str], by_classes: bool = True
) -> Header | None:
    """Return the header of a table if its first row is one.

    A header's cells are short names, different from one another and from all cells below them.
    It is one if a name is known, if it differs in kind from the cells below it (a word over
    numbers), or if it is the one cell without a repetition over a column of few values.

    Args:
        rows: the first rows of a table.
        known: usual names of columns.
        by_classes: whether a column of few values can show that the first row is a header.
    """
    first, below = [cell.strip() for cell in rows[0]], rows[1:]
    if not _are_names(first) or (below and len(first) != common_width(below, len(first))):
        return None
    columns = [[row[i].strip() for row in below if i < len(row)] for i in range(len(first))]
    if any(name in cells for name, cells in zip(first, columns, strict=True) if name):
        return None
    named = [cell or f"column {i + 1}" for i, cell in enumerate(first)]
    if {plain_name(cell) for cell in first if cell} & {plain_name(name) for name in known}:
        return Header(named)
    pairs = list(zip(first, columns, strict=True))
    if any(_differs(cell, cells) for cell, cells in pairs) or (
        by_classes and _is_over_classes(pairs)
    ):
        return Header(named, "is taken as a header: its cells differ from those below")
    return None


def common_width(rows: Sequence[list[str]], least: int) -> int:
    """Return the most frequent number of cells, see `fitted`."""
    return Counter(len(fitted(row, least)) for row in rows).most_common(1)[0][0]


def fitted(row: list[str], width: int) -> list[str]:
    """Return a row without empty cells beyond the width, which spreadsheets write."""
    while len(row) > width and not row[-1].strip():
        row = row[:-1]
    return row


def _are_names(cells: Sequence[str]) -> bool:
    named = [cell.casefold() for cell in cells if cell]
    return bool(named) and len({*named}) == len(named) and all(map(_is_name, cells))


def plain_name(name: str) -> str:
    """Return a column's name in lower case, with a space for all that is not a letter or digit."""
    return " ".join(re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold()))


def _is_name(cell: str) -> bool:
    """Whether a cell could be the name of a column; an index has none."""
    return len(cell) <= 60 and len(cell.split()) <= 4 and not re.search(r"[.!?]$", cell)


def _differs(cell: str, cells: Sequence[str]) -> bool:
    """Whether a word stands over numbers, dates or file names only."""
    present = [other for other in cells if other]
    return any(
        len(present) > 1 and not is_kind(cell) and all(map(is_kind, present)) and bool(cell)
        for is_kind in _KINDS
    )


def _is_over_classes(pairs: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Whether a column repeats a few values, and the first row has another one."""
    few = [0 < len({*cells}) <= len(cells) / 5 and len(cells) >= 10 for _, cells in pairs]
    return len(pairs) > 1 and any(few)


def is_number(cell: str) -> bool:
    """Whether a cell is a number."""
    return re.fullmatch(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?%?", cell.strip()) is not None


def is_date(cell: str) -> bool:
    """Whether a cell is a date or time in digits."""
    return re.fullmatch(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ][\d:.+Z-]*)?", cell) is not None


def is_file_name(cell: str) -> bool:
    """Whether a cell is the path of a file with a suffix."""
    return re.fullmatch(r"[^\n]{1,300}\.[A-Za-z]{3,4}\d?", cell.strip()) is not None


_KINDS: tuple[Callable[[str], bool], ...] = (is_number, is_date, is_file_name)
