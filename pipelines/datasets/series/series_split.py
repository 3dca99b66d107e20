"""The examples of the task `series`: windows of long series, or short series with answers."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np

from .scaling import Scaling

Kind = Literal["forecast", "classify", "regress"]
Chosen = np.ndarray | slice


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of P + F rows of long series: the past, and the next F values of the targets.

    Attributes:
        values: float64 [R, D], the rows of all series, one series after the other.
        filled: which values were missing, and take the value before them, [R, D].
        starts: the first row of each window, [N].
        begins: the first row of each window's part of its series, without a gap since, [N].
        series: the number of each window's series, [N].
        firsts: the first row of each series, [S].
        steps: P and F.
        targets: K; the targets are the first K columns.
    """

    values: np.ndarray
    filled: np.ndarray
    starts: np.ndarray
    begins: np.ndarray
    series: np.ndarray
    firsts: np.ndarray
    steps: tuple[int, int]
    targets: int

    def __len__(self) -> int:
        return len(self.starts)

    def past(self, chosen: Chosen = slice(None)) -> np.ndarray:
        """Return what is read, [N, P, D]."""
        return self.values[self.starts[chosen][:, None] + np.arange(self.steps[0])]

    def target(self, chosen: Chosen = slice(None)) -> np.ndarray:
        """Return what is predicted, [N, F, K]."""
        return self.values[self._future(chosen)][..., : self.targets]

    def truth(self, chosen: Chosen = slice(None)) -> np.ndarray:
        """Return what a forecast is compared with, [N, F, K]: nan where it was missing."""
        is_filled = self.filled[self._future(chosen)][..., : self.targets]
        return np.where(is_filled, np.nan, self.target(chosen))

    def _future(self, chosen: Chosen) -> np.ndarray:
        """Return the rows that are predicted, [N, F]."""
        return self.starts[chosen][:, None] + self.steps[0] + np.arange(self.steps[1])

    def history(self, steps: int) -> np.ndarray:
        """Return the targets of the last steps before the future, [N, steps, K].

        It is nan where it would begin before the part of the series without a gap.
        """
        rows = (self.starts + self.steps[0])[:, None] + np.arange(-steps, 0)
        known = rows >= self.begins[:, None]
        found = self.values[np.maximum(rows, 0)][..., : self.targets]
        return np.where(known[..., None], found, np.nan)

    def place(self, number: int) -> tuple[int, int]:
        """Return the number of a window's series, and the window's first row in it."""
        series = int(self.series[number])
        return series, int(self.starts[number] - self.firsts[series])

    def only(self, chosen: np.ndarray) -> "Windows":
        """Return some of the windows."""
        parts = {name: getattr(self, name)[chosen] for name in ("starts", "begins", "series")}
        return dataclasses.replace(self, **parts)


@dataclasses.dataclass(frozen=True)
class Answered:
    """Series of up to T steps, each with an answer.

    Attributes:
        x: float32 [N, T, D], nan after the end of a shorter series.
        y: class indices int32 [N] or [N, T], or values float32 [N, K] or [N, T, K].
    """

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def past(self, chosen: Chosen = slice(None)) -> np.ndarray:
        """Return what is read, [N, T, D]."""
        return self.x[chosen]

    def target(self, chosen: Chosen = slice(None)) -> np.ndarray:
        """Return what is predicted."""
        return self.y[chosen]

    truth = target

    @property
    def answered(self) -> np.ndarray:
        """Which series [N] or steps [N, T] have an answer: not those after the end of a series."""
        every_step = self.y.ndim == (2 if self.y.dtype.kind == "i" else 3)
        return np.asarray(~np.isnan(self.x).all(axis=2)) if every_step else np.ones(len(self), bool)

    def only(self, chosen: np.ndarray) -> "Answered":
        """Return some of the series."""
        return Answered(self.x[chosen], self.y[chosen])


@dataclasses.dataclass(frozen=True)
class SeriesProblem:
    """What is read and what is predicted.

    Attributes:
        kind: the next values, a class, or values.
        every_step: whether there is an answer at each step.
        columns: the D names of the columns that are read.
        targets: the K names of what is predicted; the classes of a classification.
        steps: P, or T, the number of steps that are read.
        future: F, the number of steps that are forecast; 0 if none are.
        season: m, the steps of a season; None: unknown.
        scaling: fitted on the training part.
        train: the training examples, which simple forecasts are fitted to as well.
        history: the training part of each series, [T, K], for the scale of errors.
        names: the name of each series, and the time stamps of its rows if there are any.
        frequency: a step, as pandas writes it; "" if unknown.
        padded: whether some series are shorter than others.
    """

    kind: Kind
    every_step: bool
    columns: tuple[str, ...]
    targets: tuple[str, ...]
    steps: int
    future: int
    season: int | None
    scaling: Scaling
    train: Windows | Answered
    history: tuple[np.ndarray, ...] = ()
    names: tuple[str, ...] = ()
    times: Mapping[int, np.ndarray] = dataclasses.field(default_factory=dict)
    frequency: str = ""
    padded: bool = False


@dataclasses.dataclass(frozen=True)
class SeriesSplit:
    """The examples of one split, and the problem that they belong to."""

    problem: SeriesProblem
    examples: Windows | Answered

    def __len__(self) -> int:
        return len(self.examples)
