"""Area under the ROC curve, precision and recall."""

import math
from collections.abc import Sequence

import numpy as np


def area(present: Sequence[float], absent: Sequence[float]) -> float:
    """Return the area under the ROC curve: the share of pairs in which `present` scores higher.

    Ties count half. NaN if one of them is empty.
    """
    if not len(present) or not len(absent):
        return math.nan
    difference = np.subtract.outer(np.asarray(present, float), np.asarray(absent, float))
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def precision_and_recall(present: Sequence[bool], alarms: Sequence[bool]) -> tuple[float, float]:
    """Return both as shares; NaN if there is no alarm, or nothing is present."""
    right = sum(p and a for p, a in zip(present, alarms, strict=True))
    return _share(right, sum(alarms)), _share(right, sum(present))


def _share(count, of):
    return count / of if of else math.nan


def best_threshold(present: Sequence[float], absent: Sequence[float]) -> float:
    """Return the score above which recall minus false alarms is largest: halfway to the next."""
    values = np.unique(np.concatenate([present, absent]))
    between = (values[:-1] + values[1:]) / 2
    if not len(between):
        return math.nan
    gain = [np.mean(np.asarray(present) > t) - np.mean(np.asarray(absent) > t) for t in between]
    return float(between[int(np.argmax(gain))])
