"""The sequences of a long-lag problem: a fixed number of them, or drawn while a network trains."""

import dataclasses

import numpy as np

from .problems import Problem

TEST, VALIDATION = 2560, 256  # numbers of sequences; the paper tests on 2,560
SEEDS_APART = 1_000_003  # no training shares its sequences with the validation or test split


@dataclasses.dataclass(frozen=True)
class Part:
    """N sequences of a problem; x and y as in `Drawn`."""

    problem: Problem
    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def kept(self) -> "Part":
        return self


@dataclasses.dataclass(frozen=True)
class Endless:
    """Sequences that are drawn while a network trains, N of them at most."""

    problem: Problem
    count: int

    def __len__(self) -> int:
        return self.count

    def kept(self) -> Part:
        """Some of them, to look at."""
        return fresh(self.problem, VALIDATION, 3)


def fresh(made: Problem, count: int, number: int) -> Part:
    """Sequences that no training sees, the same ones every time."""
    return Part(made, *made.draw(np.random.default_rng([SEEDS_APART, number]), count))
