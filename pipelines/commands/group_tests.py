"""Which of several groups is better, by a paired test over their common seeds, in sentences."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from ...callbacks.treatment.direction import direction_of
from ...callbacks.treatment.statistics import PairedDifference, holm, paired_difference
from ..core.run_group import RunGroup, seeds_in_words
from ..core.run_results import is_of_baseline
from .groups import is_comparable

FEWEST = 3  # common seeds that a test needs
LEVEL = 0.05  # a difference counts if its corrected p value is below


@dataclasses.dataclass(frozen=True)
class GroupTest:
    """A figure of two groups over their common seeds.

    Attributes:
        figure: such as "test accuracy".
        first, second: the names of the groups.
        seeds: the common seeds at which the figure is finite.
        difference: by how much that of the first group is larger.
        p: the p value, corrected for the number of tests.
    """

    figure: str
    first: str
    second: str
    seeds: tuple[int, ...]
    difference: PairedDifference
    p: float = 1.0

    @property
    def sentence(self) -> str:
        """The outcome in words, with its numbers."""
        first, second, difference = self.first, self.second, self.difference
        name, count = self.figure.replace("f1", "F1"), len(self.seeds)
        if not self.p < LEVEL:
            return (
                f"no difference between {first} and {second} in {name} beyond the noise of {count}"
                f" seeds: {self._numbers(difference)}"
            )
        if (difference.value > 0) == (direction_of(self.figure) != "min"):
            return f"{first} {self._verb} {second} in {name}: {self._numbers(difference)}"
        return f"{second} {self._verb} {first} in {name}: {self._numbers(_reversed(difference))}"

    @property
    def better(self) -> str | None:
        """The name of the better group; None: no difference, or the figure does not say it."""
        direction = direction_of(self.figure)
        if direction is None or not self.p < LEVEL:
            return None
        return self.first if (self.difference.value > 0) == (direction == "max") else self.second

    @property
    def _verb(self) -> str:
        return "is higher than" if direction_of(self.figure) is None else "is better than"

    def _numbers(self, difference: PairedDifference) -> str:
        value, low, high = (_signed(v) for v in (difference.value, difference.low, difference.high))
        p = "p < 0.0001" if self.p < 1e-4 else f"p = {self.p:.4f}"
        return f"difference {value} (95 % interval {low} to {high}, {p}, {len(self.seeds)} seeds)"


def _signed(value: float) -> str:
    return f"{value:.4f}".replace("-", "−")


def _reversed(difference: PairedDifference) -> PairedDifference:
    """Return the difference of the second group from the first."""
    value, low, high, p = dataclasses.astuple(difference)
    return PairedDifference(-value, -high, -low, p)


def tests_of(groups: Sequence[RunGroup]) -> list[GroupTest]:
    """Return the tests of each figure of the test split, for each pair of comparable groups.

    Left out are pairs with fewer than `FEWEST` common seeds, figures of baselines, and those that
    are the same in all runs of both groups.
    """
    tests = [
        test
        for first, second in itertools.combinations(groups, 2)
        if is_comparable(first, second)
        for figure in _figures(first, second)
        if (test := _test(first, second, figure)) is not None
    ]
    corrected = holm([test.difference.p for test in tests])
    return [dataclasses.replace(t, p=p) for t, p in zip(tests, corrected, strict=True)]


def _figures(first: RunGroup, second: RunGroup) -> Iterator[str]:
    for figure, values in first.values.items():
        other = second.values.get(figure, {})
        is_of_network = figure.startswith("test ") and not is_of_baseline(figure)
        if is_of_network and len({*values.values(), *other.values()}) > 1:
            yield figure


def _test(first: RunGroup, second: RunGroup, figure: str) -> GroupTest | None:
    one, other = first.values[figure], second.values.get(figure, {})
    seeds = tuple(sorted({*one} & {*other}))
    if len(seeds) < FEWEST:
        return None
    difference = paired_difference([other[s] for s in seeds], [one[s] for s in seeds])
    return GroupTest(figure, first.name, second.name, seeds, difference)


def sentences_of(groups: Sequence[RunGroup]) -> list[str]:
    """Return what tests over the common seeds say about some groups, and what they assume."""
    tests = tests_of(groups)
    pairs = itertools.combinations(groups, 2)
    reasons = [reason for pair in pairs for reason in _why_not(*pair)]
    lines = [*(test.sentence for test in tests), *reasons]
    return [*lines, _assumptions(tests)] if tests else lines


def _why_not(first: RunGroup, second: RunGroup) -> Iterator[str]:
    """Yield why two groups, or some of their figures, are not tested."""
    both = f"{first.name} and {second.name}"
    if not is_comparable(first, second):
        yield f"{both} were not trained on the same task and data: no test"
        return
    common = sorted({*first.finished} & {*second.finished})
    if len(common) < FEWEST:
        which = f"{len(common)} finished seed{'' if len(common) == 1 else 's'} in common"
        which += f" ({seeds_in_words(common)})" * bool(common)
        yield f"{both} have {which}: no test, which needs {FEWEST} or more"
        return
    figures = [*_figures(first, second)]
    if not figures:
        yield f"{both} have the same figures on the test split in every run: nothing to test"
    for figure in figures:
        if _test(first, second, figure) is None:
            yield f"{both} have {figure} in fewer than {FEWEST} common seeds: no test of it"


def _assumptions(tests: Sequence[GroupTest]) -> str:
    least = min(len(test.seeds) for test in tests)
    text = (
        "paired t tests over the common seeds, two-sided; they assume that the differences of the"
        f" seeds are independent and normally distributed, which {least} seeds cannot show"
    )
    if len(tests) == 1:
        return text
    return (
        f"{text}; the p values are corrected for these {len(tests)} comparisons (Holm), the"
        " intervals are those of each one alone"
    )
