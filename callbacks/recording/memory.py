"""Rows kept in memory, thinned out as a run gets longer. Imports no TensorFlow."""

from collections.abc import Mapping

import numpy as np

from .rows import Rows, join


class Thinning:
    """Decide which training steps to keep, so that a run of any length stays small.

    At first each `stride`-th step is kept. Whenever `limit` bytes have been added, the stride
    doubles. Rows in memory that no longer fit the stride are dropped, which halves them. A file
    that is only appended to holds limit · (1 + n/2) bytes after a run that is 2ⁿ times as long as
    what `limit` holds.
    """

    def __init__(self, stride: int, limit: int):
        self.stride = stride
        self._limit = limit
        self._bytes = 0

    def add(self, size: int) -> bool:
        """Count `size` bytes; return whether the stride doubled."""
        self._bytes += size
        if self._bytes <= self._limit:
            return False
        self.stride *= 2
        self._bytes //= 2
        return True


class Memory:
    """The rows that are kept in memory, by name.

    They take at most LIMIT bytes for all names together (a model of one LSTM on sequences of 100
    steps: about 9,000 rows). Beyond that, every second row is dropped, and from then on only every
    second one is kept, so the rows stay evenly spaced over the whole run.
    """

    LIMIT = 32 * 2**20

    def __init__(self, every: int):
        self._thinning = Thinning(every, self.LIMIT)
        self._parts: dict[str, list[Rows]] = {}

    @property
    def stride(self) -> int:
        """The distance between the training steps that are kept."""
        return self._thinning.stride

    def add(self, new: Mapping[str, Rows]) -> None:
        """Append rows to those of the same name."""
        for name, rows in new.items():
            self._parts.setdefault(name, []).append(rows.every(self.stride))
        if self._thinning.add(sum(parts[-1].nbytes for parts in self._parts.values())):
            for name, parts in self._parts.items():
                self._parts[name] = [join(parts).every(self.stride)]

    def drop_after(self, step: int) -> None:
        """Drop the rows of later training steps."""
        self._parts = {
            name: [rows.take(rows.steps <= step) for rows in parts]
            for name, parts in self._parts.items()
        }

    def all(self) -> dict[str, Rows]:
        """Return all rows, by name."""
        self._parts = {name: [join(parts)] for name, parts in self._parts.items()}
        return {name: rows for name, (rows,) in self._parts.items()}

    def latest(self, count: int) -> dict[str, Rows]:
        """Return the last `count` rows of each name, without touching the many before them."""
        return {name: _latest(parts, count) for name, parts in self._parts.items()}


def _latest(parts, count):
    chosen, held = [], 0
    for part in reversed(parts):
        chosen, held = [part, *chosen], held + len(part.steps)
        if held >= count:
            break
    return join(chosen).take(np.arange(max(held - count, 0), held))
