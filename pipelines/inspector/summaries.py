"""What the table of runs says of a training in one line."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...callbacks.findings.decay import decay
from ...callbacks.findings.finding import Finding
from ...callbacks.recording.rows import Rows, evenly_spaced
from ...callbacks.recording.tables import tables
from .series import Series

POINTS = 60  # of a small curve in the table of runs
_SEVERITIES = ("trouble", "healthy", "unclear")
_KINDS = ("error_flow", "layer_gradients", "gates", "horizon")


class Course(NamedTuple):
    """Figures of one series over training.

    Attributes:
        steps: [N] training steps.
        lines: for each figure, its values [N]; NaN where it is undefined.
    """

    steps: np.ndarray
    lines: dict[str, np.ndarray]


def course_of(series: Series, rows: Rows, limit: int) -> Course:
    """Return what is drawn of a series as lines over training.

    Of the error over time these are `first_to_last`, the share of the error at the last time step
    that arrives at the first one, and `half_life` in time steps, NaN in training steps in which the
    error does not decay. Of the gradients it is `global_norm`. Other kinds have no lines.

    Args:
        series: the series.
        rows: its rows.
        limit: the number of training steps, evenly spaced, that are drawn.
    """
    chosen = rows.take(evenly_spaced(len(rows.steps), limit))
    lines: dict[str, np.ndarray] = {}
    if series.kind == "error_flow" and not series.joined:
        measured = decay(tables(chosen), series.backwards)
        half_lives = [-math.log(2) / rate if rate < 0 else math.nan for rate in measured.rates]
        lines = {"first_to_last": measured.each, "half_life": np.array(half_lives)}
    elif series.kind == "layer_gradients":
        norms = np.nansum(chosen.named()["norm"].astype(np.float64) ** 2, axis=1)
        lines = {"global_norm": np.sqrt(norms)}
    return Course(chosen.steps, lines)


def headline(findings: Iterable[tuple[Series, Sequence[Finding]]]) -> Finding | None:
    """Return the finding that a training is named by: what is wrong before what is well.

    Of several that are equally severe it is that on the error over time, and of several layers that
    whose error changes most.
    """
    ranked = [
        (_SEVERITIES.index(severity(finding)), _KINDS.index(series.kind), _extent(finding), finding)
        for series, of_series in findings
        for finding in of_series
    ]
    return min(ranked, key=lambda one: one[:3])[-1] if ranked else None


def _extent(finding: Finding) -> float:
    """Return a number that is the smaller the further a finding is from a constant error."""
    share = finding.evidence.get("first_to_last")
    if not isinstance(share, float) or math.isnan(share):
        return 0.0
    return -abs(math.log(share)) if 0 < share < math.inf else -math.inf


def severity(finding: Finding) -> str:
    default = (
        "trouble" if finding.remedies else "healthy" if finding.kind == "healthy" else "unclear"
    )
    return getattr(finding, "severity", default)


def in_json(finding: Finding) -> dict[str, Any]:
    """Return a finding for JSON."""
    return {
        "headline": getattr(finding, "headline", finding.kind),
        "severity": severity(finding),
        "kind": finding.kind,
        "layer": finding.layer,
        "text": finding.sentence,
        "evidence": {name: number(value) for name, value in finding.evidence.items()},
        "confidence": number(finding.confidence),
        "remedies": list(finding.remedies),
    }


def number(value: Any) -> Any:
    """Return a value for JSON, which has no infinity and no NaN: they become strings."""
    return value if isinstance(value, str) or np.isfinite(value) else str(value)


def numbers(values: np.ndarray) -> list[float | None]:
    """Return numbers for JSON; None for those that are not finite."""
    return [float(value) if np.isfinite(value) else None for value in values]
