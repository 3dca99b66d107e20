"""The long-lag problems of Hochreiter & Schmidhuber 1997, as endless streams of sequences.

"The paper" is Long short-term memory, Neural Computation 9 (8), 1735-1780; the number
of a problem is that of its experiment there. Importing this module does not load TensorFlow.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...core.errors import UserError


class LagSequences(NamedTuple):
    """N sequences of up to W steps: x [N, W, D], 0 after the end; y [N, C] or [N, W, C]."""

    x: np.ndarray
    y: np.ndarray


@dataclasses.dataclass(frozen=True)
class Problem:
    """One long-lag problem.

    Attributes:
        name: the name on the command line.
        about: the target, in words.
        symbols: the D symbols of one-hot sequences; empty where features are numbers.
        labels: the C classes; empty if the target is a number.
        steps: T, the smallest length.
        longest: W, the largest length.
        draw: (random generator, N) → N sequences.
        every_step: predict the next symbol at every step, not only at the last.
        judged: the steps whose prediction must be correct: "all", or the "last".
        tolerance: the largest absolute error of a correct output.
        in_a_row: the number of consecutive training sequences that must be correct for the problem
            to count as solved; 0 if there is no such criterion.
        tested: the number of fresh sequences that must then be correct too.
        epoch: the number of training sequences in an epoch.
        paper: the number of training sequences that the LSTM of the paper took; None if the paper
            has no result.
    """

    name: str
    about: str
    symbols: tuple[str, ...]
    labels: tuple[str, ...]
    steps: int
    longest: int
    draw: Callable[[np.random.Generator, int], LagSequences]
    every_step: bool = False
    judged: str = "all"
    tolerance: float = 0.3
    in_a_row: int = 2000
    tested: int = 0
    epoch: int = 1000
    paper: int | None = None

    @property
    def features(self) -> int:
        """D, the number of features of a step."""
        return self.draw(np.random.default_rng(0), 1).x.shape[-1]

    @property
    def outputs(self) -> int:
        """C, the number of outputs."""
        return len(self.labels) or 1

    @property
    def padded(self) -> bool:
        """Whether shorter sequences are padded with zeros at their end."""
        return self.longest > self.steps


def make_problem(name: str, steps: int | None = None) -> Problem:
    """Return a problem of the paper by its name.

    Args:
        name: one of PROBLEMS.
        steps: T, by default 100.

    Raises:
        UserError: too few steps, or a number of steps that the problem does not have.
    """
    if name.startswith("order") and steps not in (None, 100):
        raise UserError(f"--steps {steps}: {name} has 100 to 110 steps, as in the paper")
    if steps is not None and steps < 20:
        raise UserError(f"--steps {steps}: must be 20 or more")
    return PROBLEMS[name](steps or 100)


# Experiment 4


def adding(steps: int) -> Problem:
    """Adding: predict the sum of the two marked numbers at the end of the sequence."""
    return Problem(
        name="adding",
        about="the sum of the two marked numbers",
        symbols=(),
        labels=(),
        steps=steps,
        longest=steps + steps // 10,
        draw=lambda random, count: _draw_adding(random, count, steps),
        tolerance=0.04,
        paper={100: 74_000, 500: 209_000, 1000: 853_000}.get(steps),
    )


def _draw_adding(random: np.random.Generator, count: int, steps: int) -> LagSequences:
    """Draw x, a number in [-1, 1] and a mark per step, and y = 0.5 + (X1 + X2) / 4.

    The mark is 1 at the two numbers X1 and X2, -1 at both ends, and 0 elsewhere. One of the first
    ten steps is marked, and another one of the first T/2; if the very first step is marked, its
    number is set to 0.
    """
    longest = steps + steps // 10
    lengths = random.integers(steps, longest + 1, count)
    rows, positions = np.arange(count), np.arange(longest)
    numbers = random.uniform(-1, 1, (count, longest)) * (positions < lengths[:, None])
    first, second = random.integers(0, 10, count), random.integers(0, steps // 2 - 1, count)
    second += second >= first
    numbers[(first == 0) | (second == 0), 0] = 0
    marks = np.zeros((count, longest))
    marks[rows, 0] = marks[rows, lengths - 1] = -1
    marks[rows, first] = marks[rows, second] = 1
    total = numbers[rows, first] + numbers[rows, second]
    return _single(np.stack([numbers, marks], axis=-1), 0.5 + total[:, None] / 4)


# Experiment 6


def temporal_order(relevant: int) -> Callable[[int], Problem]:
    """Temporal order: the order of two or three symbols X or Y among many others is the class."""
    windows = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}[relevant]
    labels = ["X", "Y"]
    for _ in windows[1:]:
        labels = [label + symbol for label in labels for symbol in "XY"]

    def make(steps: int) -> Problem:
        return Problem(
            name={2: "order-6a", 3: "order-6b"}[relevant],
            about=f"the order of {relevant} symbols X or Y",
            symbols=tuple("abcdXYEB"),
            labels=tuple(labels),
            steps=steps,
            longest=steps + 10,
            draw=lambda random, count: _draw_order(random, count, windows, steps),
            paper={2: 31_390, 3: 571_100}[relevant],
        )

    return make


def _draw_order(
    random: np.random.Generator, count: int, windows: Sequence[tuple[int, int]], steps: int
) -> LagSequences:
    """Draw E, then random symbols a to d with an X or Y in each window, then B."""
    lengths = random.integers(steps, steps + 11, count)
    rows, positions = np.arange(count), np.arange(steps + 10)
    symbols, target = random.integers(0, 4, (count, steps + 10)), np.zeros(count, int)
    for low, high in windows:
        which = random.integers(0, 2, count)
        symbols[rows, random.integers(low, high + 1, count)] = 4 + which
        target = 2 * target + which
    symbols[:, 0], symbols[rows, lengths - 1] = 6, 7
    x = np.eye(8)[symbols] * (positions < lengths[:, None])[..., None]
    return _single(x, np.eye(2 ** len(windows))[target])


# Experiment 2


def long_lag(noisy: bool) -> Callable[[int], Problem]:
    """Long lag: the last symbol equals the first, with T - 1 others in between.

    2a: these are a1, a2, … in order; every symbol but the last follows from the one before.
    2b: they are random; only the last symbol can be predicted.
    """

    def make(steps: int) -> Problem:
        symbols = (*(f"a{n}" for n in range(1, steps)), "x", "y")
        return Problem(
            name="lag-2b" if noisy else "lag-2a",
            about="every next symbol" + (", by chance all but the last" if noisy else ""),
            symbols=symbols,
            labels=symbols,
            steps=steps,
            longest=steps,
            draw=lambda random, count: _draw_lag(random, count, steps, noisy),
            every_step=True,
            judged="last" if noisy else "all",
            tolerance=0.25,
            in_a_row=1,
            tested=10_000,
            paper={(100, False): 5_040, (100, True): 5_680}.get((steps, noisy)),
        )

    return make


def _draw_lag(random: np.random.Generator, count: int, steps: int, noisy: bool) -> LagSequences:
    ends = steps - 1 + random.integers(0, 2, (count, 1))
    between = np.tile(np.arange(steps - 1), (count, 1))
    if noisy:
        between = random.integers(0, steps - 1, (count, steps - 1))
    x = np.eye(steps + 1)[np.concatenate([ends, between, ends], axis=1)]
    return _single(x[:, :-1], x[:, 1:])


def _single(x: np.ndarray, y: np.ndarray) -> LagSequences:
    return LagSequences(x.astype(np.float32), y.astype(np.float32))


PROBLEMS: dict[str, Callable[[int], Problem]] = {
    "adding": adding,
    "order-6a": temporal_order(2),
    "order-6b": temporal_order(3),
    "lag-2a": long_lag(noisy=False),
    "lag-2b": long_lag(noisy=True),
}
