"""Time series in memory: named columns of numbers over equally long steps of time."""

import dataclasses
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class SeriesTable:
    """One or several time series that share their columns.

    Attributes:
        series: values float64 [T_i, D] of each series, by its id; nan where a value is missing. A
            table with a single series has the id "".
        times: time stamps datetime64 [T_i] of each series, by the same ids; None if the steps are
            only counted.
        columns: the D names of the columns, the targets first.
        targets: K ≥ 1, the number of targets; the other D - K columns are covariates, whose
            future is not known.
        season: m, the number of steps after which a pattern repeats; None if unknown.
        frequency: one step, as pandas writes it: "MS", "D", "15min"; "" if unknown.
        source: where the numbers are from, in a few words.

    Raises:
        ValueError: the shapes, ids or names do not fit together.
    """

    series: Mapping[str, np.ndarray]
    times: Mapping[str, np.ndarray] | None
    columns: tuple[str, ...]
    targets: int = 1
    season: int | None = None
    frequency: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not self.series:
            raise ValueError("a SeriesTable needs at least one series")
        if not 1 <= self.targets <= len(self.columns):
            raise ValueError(f"targets must be from 1 to {len(self.columns)}, got {self.targets}")
        if self.times is not None and self.times.keys() != self.series.keys():
            raise ValueError("times must have the ids of series")
        for name, values in self.series.items():
            if values.ndim != 2 or values.shape[1] != len(self.columns):
                expected = f"[T, {len(self.columns)}]"
                raise ValueError(f"series {name!r} has shape {values.shape}, expected {expected}")
            if self.times is not None and len(self.times[name]) != len(values):
                raise ValueError(f"series {name!r}: as many time stamps as rows are needed")

    def __len__(self) -> int:
        return sum(map(len, self.series.values()))

    @property
    def target_names(self) -> tuple[str, ...]:
        """The K names of the targets."""
        return self.columns[: self.targets]
