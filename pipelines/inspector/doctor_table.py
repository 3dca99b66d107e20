"""The table of the doctor's answer, as the TensorBoard tab and the report show it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...callbacks.findings.finding import short
from ..core.run_results import in_words

HEAD = ("Remedy", "Result", "Finding before", "Finding after", "", "Time", "Parameters")
_FIGURE = 4  # the column of the validation figure, whose name is that of the monitored one


class Row(NamedTuple):
    """A treatment, or the untreated training.

    Attributes:
        key: its remedies joined by "+"; "" is untreated.
        title, source: the remedy and who proposes it; of several, joined.
        status: what it came to, "cure"; "" if it is untreated.
        sentence: the same with its figures.
        cells: the other columns.
    """

    key: str
    title: str
    source: str
    status: str
    sentence: str
    cells: Sequence[str]


def head_of(answer: Mapping[str, Any]) -> list[str]:
    """Return the titles of the columns."""
    head = [*HEAD]
    head[_FIGURE] = f"{in_words(answer['monitor'])}, 95% interval".capitalize()
    return head


def rows_of(answer: Mapping[str, Any]) -> list[Row]:
    """Return the rows of the table: first the untreated training, then the treatments."""
    untreated = answer["untreated"]
    finding = "; ".join(one["headline"] for one in answer["findings"])
    cells = [finding, "", _figure(untreated), *_cost(untreated, untreated)]
    first = Row("", "untreated", "", "", "", cells)
    return [first, *(_row(one, untreated) for one in answer["remedies"])]


def _row(treatment: Mapping[str, Any], untreated: Mapping[str, Any]) -> Row:
    before, after = treatment["finding_before"], treatment["finding_after"]
    cells = [before or "", after or "", _figure(treatment), *_cost(treatment, untreated)]
    title, source = treatment["text"], treatment["source"]
    key = "+".join(treatment["remedies"])
    return Row(key, title, source, treatment["status"], treatment["sentence"], cells)


def _figure(treatment: Mapping[str, Any]) -> str:
    """Return "0.4123 (0.4011 to 0.4235)"; the interval is left out where there is none."""
    score, interval = treatment["score"], treatment["interval"]
    if score is None:
        return "not finite" if treatment["trials"] else ""
    ends = f" ({interval[0]:.4g} to {interval[1]:.4g})" if interval else ""
    return f"{score:.4g}{ends}"


def _cost(treatment: Mapping[str, Any], untreated: Mapping[str, Any]) -> Iterator[str]:
    """Yield the time and the parameters, and how many times those of the untreated training."""
    for key, unit in (("seconds", " s"), ("parameters", "")):
        value, usual = treatment[key], untreated[key]
        if value is None:
            yield ""
            continue
        ratio = f" ({value / usual:.2g} ×)" if usual and treatment is not untreated else ""
        yield f"{_number(value)}{unit}{ratio}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else short(value)
