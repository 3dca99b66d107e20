"""The sequences of a long-lag problem: a fixed number of them, or drawn while a network trains."""

import dataclasses

import numpy as np

from .problems import Problem

TEST, VALIDATION = 2560, 256  # numbers of sequences; the paper tests on 2,560
SEED_STREAM = 1_000_003  # no training shares its sequences with the validation or test split


@dataclasses.dataclass(frozen=True)
class LagSplit:
    """N sequences of a problem; x and y as in `Drawn`."""

    problem: Problem
    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def sample(self) -> "LagSplit":
        return self


@dataclasses.dataclass(frozen=True)
class LagStream:
    """Sequences that are drawn while a network trains, N of them at most."""

    problem: Problem
    count: int

    def __len__(self) -> int:
        return self.count

    def sample(self) -> LagSplit:
        """Some of them, to look at."""
        return fresh(self.problem, VALIDATION, 3)


def fresh(made: Problem, count: int, number: int) -> LagSplit:
    """Sequences that no training sees, the same ones every time."""
    return LagSplit(made, *made.draw(np.random.default_rng([SEED_STREAM, number]), count))
