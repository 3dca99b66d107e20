"""Intervals of means and of their difference, from the few seeds of a treatment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def mean(scores: Sequence[float]) -> Estimate:
    """Return the mean of some scores with its 95 % interval (Student's t)."""
    value = float(np.mean(scores))
    if len(scores) < 2:
        return Estimate(value)
    half = _quantile(len(scores) - 1, 1) * np.std(scores, ddof=1) / np.sqrt(len(scores))
    return Estimate(value, value - float(half), value + float(half))


def difference(before: Sequence[float], after: Sequence[float], comparisons: int = 1) -> Estimate:
    """Return how much larger the mean is after than before, with its 95 % interval.

    It is Student's interval with one spread for both, since a remedy that does nothing leaves the
    spread as it is. With three seeds it finds more than Welch's interval, and under pure noise it
    is wrong as rarely as it says.

    Args:
        before, after: the scores of the seeds.
        comparisons: the number of differences that are looked at; the probability that any of the
            intervals is wrong is to stay at 5 % (Bonferroni).
    """
    counts = np.array([len(before), len(after)])
    value = float(np.mean(after) - np.mean(before))
    if counts.min() < 2:
        return Estimate(value)
    freedom = int(counts.sum() - 2)
    squares = sum(float(np.sum((np.asarray(x) - np.mean(x)) ** 2)) for x in (before, after))
    least = LEAST_SPREAD * max(abs(float(np.mean(before))), abs(float(np.mean(after))))
    spread = max(np.sqrt(squares / freedom), least)
    half = float(_quantile(freedom, comparisons) * spread * np.sqrt((1 / counts).sum()))
    return Estimate(value, value - half, value + half)


def _quantile(freedom, comparisons):
    from scipy.special import stdtrit  # noqa: PLC0415 (a second, and readers of answers need none)

    return stdtrit(freedom, 1 - (1 - CONFIDENCE) / 2 / comparisons)
