"""Rows kept in memory, thinned out as a run gets longer. Imports no TensorFlow."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from .rows import Rows, join


class Thinning:
    """Decide which rows to write, so that the file of a run of any length stays small.

    At first each one is written. Whenever `limit` bytes have been added, the stride doubles. A file
    holds limit · (1 + n/2) bytes after a run that is 2ⁿ times as long as what `limit` holds.
    """

    def __init__(self, limit: int):
        self.stride = 1
        self._limit = limit
        self._bytes = 0

    def add(self, size: int) -> None:
        """Count `size` bytes."""
        self._bytes += size
        if self._bytes > self._limit:
            self.stride *= 2
            self._bytes //= 2


class Memory:
    """The rows that are kept in memory, by name.

    They take at most LIMIT bytes for all names together (a model of one LSTM on sequences of 100
    steps: about 9,000 rows). Beyond that, every second row is dropped, and from then on only every
    second one is kept, so the rows stay evenly spaced over the whole run. Which rows are kept does
    not depend on the parts in which they were added.
    """

    LIMIT = 32 * 2**20

    def __init__(self, every: int):
        self._stride = every
        self._parts: dict[str, list[Rows]] = {}
        self._sizes: dict[str, _Size] = {}

    @property
    def stride(self) -> int:
        """The distance between the training steps that are kept."""
        return self._stride

    @property
    def count(self) -> int:
        """The number of rows of all names."""
        return sum(len(rows.steps) for parts in self._parts.values() for rows in parts)

    def add(self, new: Mapping[str, Rows]) -> dict[str, Rows]:
        """Append rows to those of the same name; return those that `stride` does not leave out."""
        kept = {name: rows.every(self._stride) for name, rows in new.items()}
        for name, rows in kept.items():
            self._parts.setdefault(name, []).append(rows)
            self._sizes[name] = self._sizes.get(name, _Size()).with_rows(rows)
        while sum(size.nbytes for size in self._sizes.values()) > self.LIMIT:
            self._stride *= 2
            self._keep(lambda rows: rows.every(self._stride))
        return kept

    def drop_after(self, step: int) -> None:
        """Drop the rows of later training steps."""
        self._keep(lambda rows: rows.take(rows.steps <= step))

    def _keep(self, chosen: Callable[[Rows], Rows]) -> None:
        self._parts = {name: [chosen(join(parts))] for name, parts in self._parts.items()}
        self._sizes = {name: _Size().with_rows(rows) for name, (rows,) in self._parts.items()}

    def all(self) -> dict[str, Rows]:
        """Return all rows, by name."""
        self._parts = {name: [join(parts)] for name, parts in self._parts.items()}
        return {name: rows for name, (rows,) in self._parts.items()}

    def latest(self, count: int) -> dict[str, Rows]:
        """Return the last `count` rows of each name, without touching the many before them."""
        return {name: _latest(parts, count) for name, parts in self._parts.items()}


class _Size(NamedTuple):
    """The size of rows without their padding, which depends on the rows beside them."""

    tables: int = 0
    columns: int = 0  # of all rows together

    def with_rows(self, rows: Rows) -> "_Size":
        tables = max(self.tables, len(rows.values))
        return _Size(tables, self.columns + int(rows.lengths.sum()))

    @property
    def nbytes(self) -> int:
        return 4 * self.tables * self.columns  # float32


def _latest(parts, count):
    chosen, held = [], 0
    for part in reversed(parts):
        chosen, held = [part, *chosen], held + len(part.steps)
        if held >= count:
            break
    return join(chosen).latest(count)
