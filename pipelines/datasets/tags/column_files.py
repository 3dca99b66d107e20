"""Reading tagged sentences from lines of columns, a token per line: CoNLL-2003, BIO files."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable
from ..tables.columns import Role, known_names
from ..tables.header import is_number, plain_name
from .sentences import Sentence, TagReading, checked, clean

_WIDTH = "a line with another number of columns"


class _Line(NamedTuple):
    """A line of a sentence: its number and its cells."""

    number: int
    cells: list[str]


def parse_columns(text: str, path: Path, token: Role, tag: Role) -> TagReading:
    """Read sentences that are separated by blank lines, each token on a line of its own.

    Cells are separated by tabs or by spaces. The token is in the first column that does not count
    the tokens, the tag in the last one, unless they are chosen or named in a header. Lines that
    begin with -DOCSTART- and comments are skipped.

    Args:
        text: the content of the file.
        path: the file.
        token, tag: what was chosen, and usual names.

    Raises:
        UserError: one column only, or no such column.
    """
    shown = printable(path)
    blocks, width = _without_comments(_blocks(unicodedata.normalize("NFC", text)))
    if not blocks:
        raise UserError(f"{shown}:1: the file is empty; expected a token and its tag per line")
    first = blocks[0][0]
    if width < 2:
        raise UserError(
            f"{shown}:{first.number}: one column; expected a token and its tag per line, and a"
            " blank line after each sentence"
        )
    names = _header(first.cells, width, known_names([token, tag]))
    if names:
        blocks = [block for block in [blocks[0][1:], *blocks[1:]] if block]
    indices = _indices(shown, blocks, width, names, token, tag)
    reading = _sentences(shown, blocks, width, indices)
    columns = [names[i] if names else str(i + 1) for i in indices]
    remark = f"{shown}: token from column {columns[0]}, tag from column {columns[1]}"
    return reading._replace(remarks=[remark] if width > 2 or names else [])


def _sentences(
    path: str, blocks: Sequence[Sequence[_Line]], width: int, indices: tuple[int, int]
) -> TagReading:
    """Return the sentences of blocks in which each line has its token and tag."""
    sentences, left_out = [], []
    for block in blocks:
        odd = next((line for line in block if len(line.cells) != width), None)
        if odd is not None:
            detail = f"{len(odd.cells)} instead of {width}"
            left_out.append(LeftOut(f"{path}:{odd.number}", _WIDTH, detail))
            continue
        tokens, tags = ([line.cells[index] for line in block] for index in indices)
        place = f"{path}:{block[0].number}"
        sentences.append(Sentence(tuple(map(clean, tokens)), tuple(tags), place))
    usable = checked(sentences)
    return usable._replace(left_out=[*left_out, *usable.left_out])


def _blocks(text: str) -> list[list[_Line]]:
    """Return the lines between blank lines, without document marks."""
    lines = text.split("\n")
    has_tabs = sum("\t" in line for line in lines) > sum(bool(line.strip()) for line in lines) / 2
    blocks: list[list[_Line]] = [[]]
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            blocks.append([])
        elif not line.startswith("-DOCSTART-"):
            cells = line.split("\t") if has_tabs else line.split()
            blocks[-1].append(_Line(number, [cell.strip() for cell in cells]))
    return [block for block in blocks if block]


def _without_comments(blocks: list[list[_Line]]) -> tuple[list[list[_Line]], int]:
    """Return the blocks without lines `# comment`, and the most frequent number of cells.

    A line that begins with # and has that number of cells is a token.
    """
    widths = Counter(len(line.cells) for block in blocks for line in block)
    width = widths.most_common(1)[0][0] if widths else 0
    kept = [
        [x for x in block if not (x.cells[0].startswith("#") and len(x.cells) != width)]
        for block in blocks
    ]
    return [block for block in kept if block], width


def _header(cells: list[str], width: int, known: set[str]) -> list[str]:
    """Return the names of the columns if the first line has two usual ones."""
    names = [plain_name(cell) for cell in cells]
    usual = {plain_name(name) for name in known}
    return cells if len(cells) == width and len(usual.intersection(names)) > 1 else []


def _indices(
    path: str, blocks: Sequence[Sequence[_Line]], width: int, names: list[str], *roles: Role
) -> tuple[int, int]:
    """Return the columns of token and tag."""
    counts = all(
        line.cells[0] == str(position)
        for block in blocks[:50]
        for position, line in enumerate(block, start=1)
    )
    defaults = (1 if counts and width > 2 else 0, width - 1)
    chosen = [
        _chosen(path, role, names, width, default)
        for role, default in zip(roles, defaults, strict=True)
    ]
    if chosen[0] == chosen[1]:
        raise UserError(f"{path}: token and tag from the same column; choose {roles[1].flag}")
    return chosen[0], chosen[1]


def _chosen(path: str, role: Role, names: list[str], width: int, default: int) -> int:
    plain = [plain_name(name) for name in names]
    wanted = [role.chosen] if role.chosen else [name for name in role.usual if name in plain][:1]
    for name in wanted:
        if plain_name(name) in plain:
            return plain.index(plain_name(name))
        if is_number(name) and re.fullmatch(r"\d+", name) and 1 <= int(name) <= width:
            return int(name) - 1
        columns = ", ".join(map(printable, names)) or f"1 to {width}"
        raise UserError(f"{path}: no column {printable(name)} ({role.flag}); columns: {columns}")
    return default
