"""The table of the doctor's answer, as the TensorBoard tab and the report show it."""

from collections.abc import Sequence
from typing import NamedTuple

from ...callbacks.treatment.answer import Answer
from ...callbacks.treatment.table import Line
from ...callbacks.treatment.treatment import Treatment
from ..core.run_results import in_words


class Row(NamedTuple):
    """A treatment, or the untreated trainings.

    Attributes:
        key: its remedies joined by "+"; "" is untreated.
        kind: that of the first finding that it is for; "" if it is untreated.
        title, source: the remedy in words, and who proposes it.
        status, sentence: what it came to, and why; "" if it is untreated.
        cells: the other columns.
    """

    key: str
    kind: str
    title: str
    source: str
    status: str
    sentence: str
    cells: Sequence[str]


def head_of(answer: Answer) -> list[str]:
    """Return the titles of the columns: remedy, result, and those of the other cells."""
    figure = in_words(answer.options.monitor)
    others = (
        "Finding before",
        "Finding after",
        f"{figure[:1].upper()}{figure[1:]}, ± 95% interval",
    )
    return ["Remedy", "Result", *others, "Time", "Parameters"]


def rows_of(answer: Answer) -> list[Row]:
    """Return the rows of the table: first the untreated trainings, then the treatments."""
    first, *lines = answer.table()
    untreated = Row("", "", first.remedy, "", "", "", _cells(first))
    treated = zip(answer.treatments, lines, strict=True)
    return [untreated, *(_row(treatment, line) for treatment, line in treated)]


def _row(treatment: Treatment, line: Line) -> Row:
    key, judgement = "+".join(treatment.remedies), treatment.judgement
    kind = next(iter(judgement.aims), "")
    words = treatment.text, line.source, line.result, judgement.sentence
    return Row(key, kind, *words, _cells(line))


def _cells(line: Line) -> list[str]:
    return [line.before, line.after, line.figure, line.time, line.parameters]
