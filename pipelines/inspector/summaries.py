"""What the table of runs says of a training in one line."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ...callbacks.findings.decay import decay
from ...callbacks.findings.encoder_decoder import first_to_largest
from ...callbacks.findings.finding import Finding
from ...callbacks.findings.over_depth import first_to_last
from ...callbacks.recording.depth_tables import without_outputs
from ...callbacks.recording.rows import Rows, evenly_spaced
from ...callbacks.recording.tables import join_layers
from .readings import depth_history
from .series import OF_LAYERS, Series

POINTS = 60  # of a small curve in the table of runs
_SEVERITIES = ("trouble", "healthy", "unclear")
_KINDS = ("error_flow", "layer_gradients", "depth_flow", "gates", "horizon", "lyapunov")


class Course(NamedTuple):
    """Figures of one series over training.

    Attributes:
        steps: [N] training steps.
        lines: for each figure, its values [N]; NaN where it is undefined.
    """

    steps: np.ndarray
    lines: dict[str, np.ndarray]


def course_of(series: Series, parts: Sequence[Rows], limit: int) -> Course:
    """Return what is drawn of a series as lines over training.

    Of the error over time these are `first_to_last`, the share of the error at the last time step
    that arrives at the first one, and `half_life` in time steps, NaN in training steps in which the
    error does not decay; of two joined layers it is `first_to_largest`, of the gradients
    `global_norm`, and of the error over depth `over_depth`, that of the first quarter of the layers
    over that of the last. Other kinds have no lines.

    Args:
        series: the series.
        parts: the rows of each of its `parts_of`.
        limit: the number of training steps, evenly spaced, that are drawn.
    """
    if series.joined:
        both = join_layers(series.tables(parts[0]), series.tables(parts[1], 1), series.backwards)
        chosen = evenly_spaced(len(both["step"]), limit)
        return Course(both["step"][chosen], {"first_to_largest": first_to_largest(both)[chosen]})
    rows = parts[0].take(evenly_spaced(len(parts[0].steps), limit))
    return Course(rows.steps, _lines(series, rows))


def _lines(series: Series, rows: Rows) -> dict[str, np.ndarray]:
    if series.kind == "error_flow":
        measured = decay(series.tables(rows), series.backwards)
        half_lives = [-math.log(2) / rate if rate < 0 else math.nan for rate in measured.rates]
        return {"first_to_last": measured.each, "half_life": np.array(half_lives)}
    if series.kind == "layer_gradients":
        squares = np.nansum(rows.named()["norm"].astype(np.float64) ** 2, axis=1)
        return {"global_norm": np.sqrt(squares)}
    if series.kind == "depth_flow" and series.name == OF_LAYERS:
        inside = without_outputs(depth_history(series, rows))
        return {"over_depth": first_to_last(inside["rms"])[0]}
    return {}


def headline(findings: Iterable[tuple[Series, Sequence[Finding]]]) -> Finding | None:
    """Return the finding that a training is named by: what is wrong before what is well.

    Of several that are equally severe it is that on the error over time, and of several layers that
    whose error changes most.
    """
    ranked = [
        (_SEVERITIES.index(finding.severity), _KINDS.index(series.kind), _extent(finding), finding)
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
