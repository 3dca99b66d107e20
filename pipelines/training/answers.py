"""Writing the answers of `predict` to stdout: for people, as JSON lines, or as CSV."""

import csv
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...callbacks.recording.printable import escaped
from ..core.console import one_line, say

Row = Mapping[str, Any]
Words = Callable[[Sequence[Row]], Iterable[str]]  # the lines for people of a batch of rows


class Answers:
    """Write rows of predictions, a batch at a time.

    Args:
        kind: "words", "json" (one object per line) or "csv".
        key: the name of the input in JSON and CSV, "text" or "file"; the first item of each row.
        words: returns the lines for people.
        top: the number of labels or predictions per row, for the columns of CSV.
    """

    def __init__(self, kind: str, key: str, words: Words, top: int):
        self._kind, self._key, self._words, self._top = kind, key, words, top
        self._csv: csv.DictWriter | None = None

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows, and flush them."""
        if self._kind == "words":
            for line in self._words(rows):
                say(line)
            return
        for row in rows:
            first, *others = row.items()
            named = {self._key: first[1]} | dict(others)
            if self._kind == "json":
                line = json.dumps(plain(named), ensure_ascii=False, allow_nan=False)
                print(escaped(line), file=_Stdout())
            else:
                self._write_csv(columns(plain(named), self._top))
        sys.stdout.flush()

    def _write_csv(self, cells: Mapping[str, Any]) -> None:
        if self._csv is None:
            self._csv = csv.DictWriter(
                _Stdout(), list(cells), restval="", extrasaction="ignore", lineterminator="\n"
            )
            self._csv.writeheader()
        self._csv.writerow(cells)


class _Stdout:
    """Stdout, where control characters do not reach a terminal; a pipe gets them as they are."""

    def write(self, text: str) -> None:
        lines = text.split("\n")
        sys.stdout.write("\n".join(map(one_line, lines)) if sys.stdout.isatty() else text)


def plain(value: Any) -> Any:
    """Return a value for JSON: no NaN, no paths, no half characters; (text, score) as objects."""
    if isinstance(value, Mapping):
        return {str(key): _named(key, item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (str, Path)):
        return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", str(value))
    return value


def _named(key: str, value: Any) -> Any:
    if key == "predictions":
        return [{"text": plain(text), "score": plain(score)} for text, score in value]
    return plain(value)


def columns(row: Row, top: int) -> dict[str, Any]:
    """Return the cells of a row: further labels and predictions are numbered, from 2 on."""
    cells: dict[str, Any] = {}
    for key, value in row.items():
        if key == "probabilities":
            cells |= _numbered("label", "probability", [*value.items()], top)
        elif key == "predictions":
            pairs = [(item["text"], item["score"]) for item in value]
            cells |= _numbered("prediction", "score", pairs, top)
        else:
            cells[key] = " ".join(map(str, value)) if isinstance(value, list) else value
    return cells


def _numbered(name: str, number: str, pairs: Sequence[tuple], top: int) -> dict[str, Any]:
    padded = [*pairs, *[("", "")] * (top - len(pairs))][:top]
    return {
        f"{key}_{place}" if place > 1 else key: cell
        for place, pair in enumerate(padded, start=1)
        for key, cell in zip((name, number), pair, strict=True)
    }
