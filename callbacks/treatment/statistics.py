"""Intervals of means and of their difference, from the few seeds of a treatment.

Losses and errors, which are to be low and are positive, differ by factors: one seed may end at a
hundred times the loss of another. So they are compared on a logarithmic scale, and their mean is
the geometric one. Other figures, such as accuracies, are compared as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .options import Direction

CONFIDENCE = 0.95
# Seeds that agree more closely than this share of the figure agree by chance, or because a dead
# network answers the same to every input; it is no proof that the figure has no noise.
LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class Estimate:
    """A figure and its confidence interval; the bounds are None if there are too few seeds."""

    value: float
    low: float | None = None
    high: float | None = None


def mean(scores: Sequence[float], direction: Direction) -> Estimate:
    """Return the mean of some scores with its 95 % interval (Student's t).

    Args:
        scores: of the seeds.
        direction: "min" if they are to be low. Then it is the geometric mean if all are positive.
    """
    if _differ_by_factors(scores, direction):
        logarithms = _mean(np.log(scores))
        return _each(logarithms, np.exp)
    return _mean(np.asarray(scores))


def difference(
    before: Sequence[float],
    after: Sequence[float],
    direction: Direction,
    comparisons: int = 1,
) -> Estimate:
    """Return how much larger the mean is after than before, with its 95 % interval.

    It is Student's interval with one spread for both, since a remedy that does nothing leaves the
    spread as it is. With three seeds it finds more than Welch's interval, and under pure noise it
    is wrong as rarely as it says.

    Args:
        before, after: the scores of the seeds.
        direction: as of `mean`. If all scores differ by factors, the factor is estimated, and the
            result is what it makes of the geometric mean before.
        comparisons: the number of differences that are looked at; the probability that any of the
            intervals is wrong is to stay at 5 % (Bonferroni).
    """
    if _differ_by_factors([*before, *after], direction):
        center = float(np.exp(np.mean(np.log(before))))
        factor = _difference(np.log(before), np.log(after), LEAST_SPREAD, comparisons)
        return _each(factor, lambda logarithm: center * np.expm1(logarithm))
    least = LEAST_SPREAD * max(abs(float(np.mean(before))), abs(float(np.mean(after))))
    return _difference(np.asarray(before), np.asarray(after), least, comparisons)


def _differ_by_factors(scores, direction):
    return direction == "min" and min(scores) > 0


def _mean(values):
    value = float(np.mean(values))
    if len(values) < 2:
        return Estimate(value)
    half = _quantile(len(values) - 1, 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return Estimate(value, value - float(half), value + float(half))


def _difference(before, after, least, comparisons):
    counts = np.array([len(before), len(after)])
    value = float(np.mean(after) - np.mean(before))
    if counts.min() < 2:
        return Estimate(value)
    freedom = int(counts.sum() - 2)
    squares = sum(float(np.sum((x - np.mean(x)) ** 2)) for x in (before, after))
    spread = max(np.sqrt(squares / freedom), least)
    half = float(_quantile(freedom, comparisons) * spread * np.sqrt((1 / counts).sum()))
    return Estimate(value, value - half, value + half)


def _each(estimate, function):
    """Apply an increasing function to the figure and its bounds."""
    with np.errstate(over="ignore"):
        low, high = (
            None if b is None else float(function(b)) for b in (estimate.low, estimate.high)
        )
        return Estimate(float(function(estimate.value)), low, high)


def _quantile(freedom, comparisons):
    from scipy.special import stdtrit  # noqa: PLC0415 (a second, and readers of answers need none)

    return stdtrit(freedom, 1 - (1 - CONFIDENCE) / 2 / comparisons)
