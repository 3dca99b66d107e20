"""Intervals of means and of their difference, from a few seeds.

In a treatment, losses and errors, which are to be low and are positive, differ by factors: one seed
may end at a hundred times the loss of another. So they are compared on a logarithmic scale, and
their mean is the geometric one. Other figures, such as accuracies, are compared as they are. Groups
of runs (`arithmetic_mean`, `paired_difference`) show and compare every figure as it is.
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


@dataclass(frozen=True)
class PairedDifference:
    """A mean difference of pairs, its 95 % interval, and the p value of "there is none"."""

    value: float
    low: float
    high: float
    p: float


def mean(scores: Sequence[float], direction: Direction) -> Estimate:
    """Return the mean of some scores with its 95 % interval (Student's t).

    Args:
        scores: of the seeds.
        direction: "min" if they are to be low. Then it is the geometric mean if all are positive.
    """
    if _differ_by_factors(scores, direction):
        logarithms = arithmetic_mean(np.log(scores))
        return _each(logarithms, np.exp)
    return arithmetic_mean(scores)


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


def arithmetic_mean(values: Sequence[float] | np.ndarray) -> Estimate:
    """Return the mean of some values with its 95 % interval (Student's t)."""
    value = float(np.mean(values))
    if len(values) < 2:
        return Estimate(value)
    half = _quantile(len(values) - 1, 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return Estimate(value, value - float(half), value + float(half))


def paired_difference(before: Sequence[float], after: Sequence[float]) -> PairedDifference:
    """Return how much larger values are after than before, by the paired t test (Student 1908).

    t = mean(d) / (std(d) / sqrt(n)) of the differences d of the n pairs, with n - 1 degrees of
    freedom; two-sided. It assumes that the differences are independent and normally distributed.
    A std(d) below `LEAST_SPREAD` of the larger mean counts as that share: seeds that agree more
    closely do so by chance.

    Args:
        before, after: the values of the same n seeds, in the same order; n is 2 or more.
    """
    from scipy.special import stdtr  # noqa: PLC0415 (see `_quantile`)

    differences = np.subtract(after, before)
    value, freedom = float(np.mean(differences)), len(differences) - 1
    least = LEAST_SPREAD * max(abs(float(np.mean(before))), abs(float(np.mean(after))))
    spread = max(float(np.std(differences, ddof=1)), least)
    if spread == 0:  # all values are 0
        return PairedDifference(value, value, value, 1.0)
    error = spread / np.sqrt(len(differences))
    half = float(_quantile(freedom, 1) * error)
    p = float(2 * stdtr(freedom, -abs(value) / error))
    return PairedDifference(value, value - half, value + half, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number by the step-down method of Holm (1979).

    If those below 5 % count, the probability that any of them counts wrongly is 5 % at most.
    """
    order, corrected, largest = np.argsort(p_values), [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


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
