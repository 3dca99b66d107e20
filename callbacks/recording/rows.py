"""What was recorded, as rows of numbers: one for each training step, thinned when a run is long."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """N rows of figures.

    Attributes:
        steps: [N] int64, the training step of each row.
        lengths: [N] int64, how many of the W columns each row fills.
        values: [S, N, W] float32, one table for each of S statistics; NaN behind `lengths`.
    """

    steps: np.ndarray
    lengths: np.ndarray
    values: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.values.nbytes

    def every(self, stride: int) -> "Rows":
        """The rows of each `stride`-th training step."""
        chosen = self.steps % stride == 0
        return Rows(self.steps[chosen], self.lengths[chosen], self.values[:, chosen])


def join(parts: Iterable[Rows]) -> Rows:
    """Rows one after the other; narrower ones are filled up with NaN.

    Where some say their statistics twice, those who say them once are repeated.
    """
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    statistics = max(p.values.shape[0] for p in parts)
    width = max(p.values.shape[-1] for p in parts)
    return Rows(
        np.concatenate([p.steps for p in parts]),
        np.concatenate([p.lengths for p in parts]),
        np.concatenate([_grow(p.values, statistics, width) for p in parts], axis=1),
    )


def one_row(step: int, figures: Mapping[str, np.ndarray]) -> Rows:
    """What was seen at one step, each figure [W], as rows."""
    values = np.stack([*figures.values()])[:, None]  # [S, 1, W]
    return Rows(np.array([step]), np.array([values.shape[-1]]), values)


REACHED = 0.02  # of the rows


def reached(table: np.ndarray) -> slice:
    """The columns of a table [N, W] that more than a few rows fill, from the first to the last.

    Where sequences differ in length, a handful of long ones would take most of a picture.
    """
    share = (~np.isnan(table)).sum(axis=0) / max(len(table), 1)
    (filled,) = np.nonzero(share >= REACHED * share.max(initial=0))
    return slice(filled[0], filled[-1] + 1) if len(filled) else slice(None)


def evenly(count: int, most: int) -> np.ndarray:
    """Indices of at most `most` of `count` things, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _grow(values, statistics, width):
    missing = width - values.shape[-1]
    values = np.tile(values, [statistics // len(values), 1, 1])
    return np.pad(values, [(0, 0), (0, 0), (0, missing)], constant_values=np.nan)


class Thinning:
    """Says which training steps are worth keeping, so that a run of any length stays small.

    At first each `stride`-th. Whenever `limit` bytes have gathered, the stride doubles. Who keeps
    rows in memory drops those that no longer fit it, which halves them. Who only appends will have
    written limit · (1 + n/2) bytes of a run that is 2ⁿ times as long as what `limit` holds.
    """

    def __init__(self, stride: int, limit: int):
        self.stride = stride
        self._limit = limit
        self._bytes = 0

    def has_doubled(self, more: int) -> bool:
        """Counts `more` bytes; was that too many?"""
        self._bytes += more
        if self._bytes <= self._limit:
            return False
        self.stride *= 2
        self._bytes //= 2
        return True


class Memory:
    """The rows that are kept in memory, by name.

    At most LIMIT bytes for all names together (a model of one LSTM on sequences of 100 steps: about
    27,000 rows). When there are more, every second row is dropped, and from then on only every
    second one is kept: the rows stay evenly spaced over the whole run.
    """

    LIMIT = 64 * 2**20

    def __init__(self, every: int):
        self._thinning = Thinning(every, self.LIMIT)
        self._parts: dict[str, list[Rows]] = {}

    @property
    def stride(self) -> int:
        return self._thinning.stride

    def add(self, new: Mapping[str, Rows]) -> None:
        for name, rows in new.items():
            self._parts.setdefault(name, []).append(rows.every(self.stride))
        if self._thinning.has_doubled(sum(parts[-1].nbytes for parts in self._parts.values())):
            for name, parts in self._parts.items():
                self._parts[name] = [join(parts).every(self.stride)]

    def all(self) -> dict[str, Rows]:
        self._parts = {name: [join(parts)] for name, parts in self._parts.items()}
        return {name: rows for name, (rows,) in self._parts.items()}
