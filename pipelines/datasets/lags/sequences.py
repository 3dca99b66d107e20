"""The sequences of a long-lag problem: fixed ones, or those drawn during training."""

import dataclasses

import numpy as np

from ...core.memory import require_memory
from .problems import Problem

TEST, VALIDATION = 2560, 256  # numbers of sequences; the paper tests on 2,560
BYTES = 16  # of a number: x in 64 and 32 bits, and y
SEED_STREAM = 1_000_003  # seed of validation and test sequences, which training never draws


@dataclasses.dataclass(frozen=True)
class LagSplit:
    """N fixed sequences of a problem; x and y as in `LagSequences`."""

    problem: Problem
    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def sample(self) -> "LagSplit":
        """Return the sequences themselves."""
        return self


@dataclasses.dataclass(frozen=True)
class LagStream:
    """Sequences that are drawn during training, `count` of them at most."""

    problem: Problem
    count: int

    def __len__(self) -> int:
        return self.count

    def sample(self) -> LagSplit:
        """Return a few sequences, to evaluate a network on."""
        return fresh(self.problem, VALIDATION, 3)


def fresh(problem: Problem, count: int, number: int) -> LagSplit:
    """Return sequences that are never used in training, the same ones in every call.

    Args:
        problem: the problem.
        count: the number of sequences.
        number: number of the stream; different streams share no sequences.

    Raises:
        UserError: they would not fit into memory.
    """
    width = len(problem.symbols) or 1
    size = count * problem.longest * width * BYTES
    require_memory(size, f"{count:,} sequences of {problem.longest:,} steps", ["steps"])
    return LagSplit(problem, *problem.draw(np.random.default_rng([SEED_STREAM, number]), count))
