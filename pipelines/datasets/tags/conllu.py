"""Reading tagged sentences from CoNLL-U files: a token per line, its word class in column 4.

The format: https://universaldependencies.org/format.html
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable
from ..utf8 import numbered_lines
from .sentences import Sentence, TagReading, checked, clean


def read_conllu(path: Path, encoding: str | None = None) -> TagReading:
    """Read the sentences of a file.

    Multiword tokens (id 1-2) and empty nodes (id 1.1) are skipped: neither has a tag of its own.
    A sentence without a token, or with a token without tag, is left out.

    Raises:
        UserError: the file is unreadable, not text or empty, or a line is not CoNLL-U.
    """
    shown, sentences, left_out = printable(path), [], []
    for block in _blocks(path, encoding):
        words = _words(shown, block)
        untagged = [(number, form) for number, form, tag in words if tag == "_"]
        if not words:
            left_out.append(LeftOut(f"{shown}:{block[0][0]}", "no token"))
        elif untagged:
            number, form = untagged[0]
            reason = "a token without tag"
            left_out.append(LeftOut(f"{shown}:{number}", reason, repr(printable(form))))
        else:
            _, forms, tags = zip(*words, strict=True)
            sentences.append(Sentence(forms, tags, f"{shown}:{words[0][0]}"))
    usable = checked(sentences)
    return TagReading(usable.sentences, [*left_out, *usable.left_out])


def _blocks(path: Path, encoding: str | None) -> Iterator[list[tuple[int, str]]]:
    """Yield the blocks between blank lines: [(line number, line)]."""
    lines = list(numbered_lines(path, encoding))
    if not any(line.strip() for _, line in lines):
        raise UserError(f"{printable(path)}:1: the file is empty; expected CoNLL-U")
    for blank, block in itertools.groupby(lines, key=lambda pair: not pair[1].strip()):
        if not blank:
            yield list(block)


def _words(path: str, block: Sequence[tuple[int, str]]) -> list[tuple[int, str, str]]:
    """Return the words of a block: [(line number, form, tag)]."""
    words = []
    for number, line in block:
        if line.startswith("#"):
            continue
        try:
            word = parse(line, len(words))
        except ValueError as problem:
            raise UserError(f"{path}:{number}: {problem}") from None
        if word:
            words.append((number, *word))
    return words


def parse(line: str, before: int) -> tuple[str, str] | None:
    """Return form and tag of a line; None for a multiword token or an empty node.

    Args:
        line: the line.
        before: the number of words before it in the sentence.

    Raises:
        ValueError: the line is malformed; the message says how.
    """
    columns = line.split("\t")
    if len(columns) != 10:
        raise ValueError(f"{len(columns)} columns, expected 10 with a tab between each two")
    if _is_extra(columns[0], before):
        return None
    form, tag = clean(columns[1]), columns[3]
    if not form.strip():
        raise ValueError("column 2 is empty, expected the form (_ where there is none)")
    if tag.split() != [tag]:
        raise ValueError(f"column 4 is {tag!r}, expected one UPOS tag (_ where there is none)")
    return form, tag


def _is_extra(identifier: str, before: int) -> bool:
    """Return whether an id is not a word's; raise ValueError if it is invalid or out of order."""
    match = re.fullmatch(r"([0-9]+)(?:([-.])([0-9]+))?", identifier)
    if not match:
        raise ValueError(f"id {identifier!r}, expected a number, a range 1-2 or a decimal 1.1")
    start, mark, end = match.groups()
    expected = before if mark == "." else before + 1  # an empty node follows its word
    if int(start) != expected or (mark == "-" and int(end) <= expected):
        raise ValueError(f"id {identifier} out of order, expected {before + 1} for the next word")
    return mark is not None
