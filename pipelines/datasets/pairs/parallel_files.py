"""Parallel files, as translation data sets have them: line n of train.en and of train.fr."""

import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..listing import printable, visible
from ..tables.table import is_table
from ..utf8 import numbered_lines
from .pair_rows import FLAGS, Pair, PairColumns, PairReading, clean, usable

_LANGUAGE = re.compile(r"\.(?!txt|md|gz)[a-z]{2,3}(_[A-Z]{2})?")
_DIRECTION = {("src", "tgt"), ("src", "trg")}  # suffixes that say which is the source


class Parallel(NamedTuple):
    """The file of sources and the file of their targets."""

    sources: Path
    targets: Path


def find_parallel_files(folder: Path, columns: PairColumns) -> dict[str, Parallel]:
    """Return {name: its two files} of a folder of files <name>.<language>; empty if it is none.

    Raises:
        UserError: it is in doubt which of the two languages is the source.
    """
    languages_of: dict[str, set[str]] = defaultdict(set)
    for path in visible(folder):
        if path.is_file() and _LANGUAGE.fullmatch(path.suffix) and not is_table(path):
            languages_of[path.stem].add(path.suffix[1:])
    languages = sorted(set().union(*languages_of.values()))
    if len(languages) != 2 or any(len(of) != 2 for of in languages_of.values()):
        return {}
    source, target = _direction(folder, languages, columns)
    return {
        name: Parallel(folder / f"{name}.{source}", folder / f"{name}.{target}")
        for name in languages_of
    }


def _direction(folder: Path, languages: list[str], columns: PairColumns) -> tuple[str, str]:
    first, second = languages
    if (first, second) in _DIRECTION:
        return first, second
    if (columns.source, columns.target) in ((first, second), (first, None), (None, second)):
        return first, second
    if (columns.source, columns.target) in ((second, first), (second, None), (None, first)):
        return second, first
    raise UserError(
        f"--data-dir {printable(folder)}: files in {first} and {second}; choose the languages with"
        f" {FLAGS}, such as --source-column {first} --target-column {second}"
    )


def read_parallel(files: Parallel, encoding: str | None) -> PairReading:
    """Read the pairs of two files; those with an empty side are left out.

    Raises:
        UserError: a file cannot be read, or the two have different numbers of lines.
    """
    counts = [sum(1 for _ in numbered_lines(path, encoding)) for path in files]
    if counts[0] != counts[1]:
        raise UserError(
            f"{printable(files.sources)} has {counts[0]:,} lines, but"
            f" {printable(files.targets)} {counts[1]:,}: line n must translate line n"
        )
    shown = printable(files.sources)
    sources, targets = (numbered_lines(path, encoding) for path in files)
    pairs = (
        Pair(f"{shown}:{number}", clean(source), clean(target))
        for (number, source), (_, target) in zip(sources, targets, strict=True)
    )
    return usable(pairs, has_header=False)
