"""Strings of the Reber grammar (Reber 1967), and strings that break its rules in one place."""

import random
from pathlib import Path

from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.splits import Items, Row, assign_splits

LABELS = ["grammatical", "wrong"]
STRINGS = 3_000
# For each state, the symbols that may follow and the state that each leads to; 6 is the end.
ARROWS = (
    {"b": 1},
    {"t": 2, "p": 3},
    {"s": 2, "x": 4},
    {"t": 3, "v": 5},
    {"x": 3, "s": 6},
    {"p": 4, "v": 6},
    {"e": 7},
)


def is_grammatical(text: str) -> bool:
    """Return whether the grammar generates a string."""
    state = 0
    for symbol in text:
        if state == len(ARROWS) or symbol not in ARROWS[state]:
            return False
        state = ARROWS[state][symbol]
    return state == len(ARROWS)


def read_strings(file: Path | None) -> Items:
    """Return the strings of a file with lines label<TAB>string, or else generated ones.

    Raises:
        UserError: the file is missing or empty, or a line has another form.
    """
    rows = _generated(random.Random(0)) if file is None else _read(file)
    labels = sorted({row.label for row in rows})
    source = "the Reber grammar, generated" if file is None else str(file)
    return Items(assign_splits(rows), labels, [], source)


def _read(file: Path) -> list[Row]:
    if not file.is_file():
        raise UserError(f"--data-dir {file}: no such file")
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = [Row(*line.split("\t")) for line in lines if line.count("\t") == 1]
    if not rows or len(rows) < len(lines):
        raise UserError(f"--data-dir {file}: each line must be label<TAB>string")
    return rows


def _generated(numbers: random.Random) -> list[Row]:
    rows: dict[str, Row] = {}  # without repetitions
    while len(rows) < STRINGS:
        text, state = "", 0
        while state < len(ARROWS):
            symbol = numbers.choice([*ARROWS[state]])
            text, state = text + symbol, ARROWS[state][symbol]
        place = numbers.randrange(len(text))
        changed = text[:place] + numbers.choice("btpsxve") + text[place + 1 :]
        for each in (text, changed):
            rows[each] = Row(LABELS[not is_grammatical(each)], each)
    return [*rows.values()]
