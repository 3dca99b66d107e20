"""Recorded numbers as rows, one per training step or epoch. Imports no TensorFlow."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """N rows of recorded statistics.

    Attributes:
        steps: [N] int64, the training step (or epoch) of each row.
        lengths: [N] int64, the number of columns that each row fills.
        values: [S, N, W] float32, one table for each statistic; NaN beyond `lengths`. Of recurrent
            layers with masked steps there are 2 · S tables: all statistics, then the same with the
            last valid step of every example in column `lengths` - 1.
        statistics: S names.
        skipped: [N] bool, whether dynamic loss scaling skipped the training step, because its
            gradient overflowed; None: none of them.
    """

    steps: np.ndarray
    lengths: np.ndarray
    values: np.ndarray
    statistics: Sequence[str]
    skipped: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        return self.values.nbytes

    def named(self) -> dict[str, np.ndarray]:
        """Return "step" [N] and the table [N, W] of each statistic, read from the first step."""
        return {"step": self.steps, **dict(zip(self.statistics, self.values, strict=False))}

    @property
    def were_skipped(self) -> np.ndarray:
        """`skipped` as an array [N]."""
        return np.zeros(len(self.steps), bool) if self.skipped is None else self.skipped

    def mark(self, skipped: np.ndarray) -> "Rows":
        """Return the same rows, those of these training steps marked as skipped."""
        return self._replace(skipped=np.isin(self.steps, skipped))

    def take(self, chosen: np.ndarray) -> "Rows":
        """Return the rows at these indices, or those where a mask is true."""
        return Rows(
            self.steps[chosen],
            self.lengths[chosen],
            self.values[:, chosen],
            self.statistics,
            self.were_skipped[chosen],
        )

    def every(self, stride: int) -> "Rows":
        """Return the rows whose training step is divisible by `stride`."""
        return self.take(self.steps % stride == 0)

    def latest(self, count: int) -> "Rows":
        """Return the last `count` rows."""
        return self.take(np.arange(max(len(self.steps) - count, 0), len(self.steps)))

    def newest(self) -> "Rows":
        """Return the rows sorted by training step; of several of one step, the last one.

        A training that was killed and resumed has repeated the steps after its last backup.
        """
        _, last = np.unique(self.steps[::-1], return_index=True)
        return self.take(len(self.steps) - 1 - last)


def join(parts: Iterable[Rows]) -> Rows:
    """Concatenate rows; narrower ones are padded with NaN.

    If only some parts have the second half of the tables (see `Rows.values`), the first half of the
    others is repeated.
    """
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    tables = max(part.values.shape[0] for part in parts)
    width = max(part.values.shape[-1] for part in parts)
    return Rows(
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([_expand(part.values, tables, width) for part in parts], axis=1),
        parts[0].statistics,
        np.concatenate([part.were_skipped for part in parts]),
    )


def _expand(values, tables, width):
    if values.shape[0] == tables and values.shape[-1] == width:
        return values
    values = np.tile(values, [tables // len(values), 1, 1])
    padding = [(0, 0), (0, 0), (0, width - values.shape[-1])]
    return np.pad(values, padding, constant_values=np.nan)


def single_row(step: int, figures: Mapping[str, np.ndarray]) -> Rows:
    """Return the figures of one step or epoch, each [W], as one row."""
    values = np.stack([*figures.values()])[:, None]  # [S, 1, W]
    return Rows(np.array([step]), np.array([values.shape[-1]]), values, [*figures])


MIN_FILLED = 0.02  # share of the rows


def filled_columns(table: np.ndarray) -> slice:
    """Return the columns of a table [N, W] that more than a few rows fill.

    Where sequences differ in length, a handful of long ones would take up most of a plot.
    """
    share = (~np.isnan(table)).sum(axis=0) / max(len(table), 1)
    (filled,) = np.nonzero(share >= MIN_FILLED * share.max(initial=0))
    return slice(filled[0], filled[-1] + 1) if len(filled) else slice(None)


def evenly_spaced(count: int, limit: int) -> np.ndarray:
    """Return at most `limit` evenly spaced indices below `count`, the first and last included."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(int))
