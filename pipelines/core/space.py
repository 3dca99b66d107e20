"""The space that `tune` searches: a task declares it by `Choice` and `Range`.

The keys of a space are settings of the task's config, so that the values of a trial go straight
into `config.replace`. A flag such as `tune --units 16` fixes its setting, as a line of a --space
file does (`space_file`). A setting in a --config file, which holds all keys, is still searched.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Value = str | int | float | bool | None
MOST_STEPS = 1_000_000  # of a range; all its values are listed
When = Mapping[str, Sequence[Value]]


@dataclasses.dataclass(init=False)
class Choice:
    """A choice between values.

    Attributes:
        values: the values to choose from.
        when: {earlier key: some of its values}; the key is searched only where each of these keys
            is searched too and has one of these values.

    Raises:
        ValueError: two values are equal as text.
    """

    values: tuple[Value, ...]
    when: When

    def __init__(self, *values: Value, when: When | None = None):
        self.values, self.when = values, when or {}
        if len({str(value) for value in values}) < len(values):
            raise ValueError(f"two values are equal in {', '.join(map(str, values))}")

    def under(self, when: When) -> "Choice":
        """A copy with other conditions."""
        return Choice(*self.values, when=when)

    def holds(self, value: Any) -> bool:
        """Return whether a value is one of the choices."""
        return value in self.values


@dataclasses.dataclass
class Range:
    """Numbers from `low` to `high`, both included: integers if both are integers, else floats.

    Attributes:
        low, high: the ends.
        step: difference between neighbouring numbers, with `log` their ratio; None: every number.
        log: draw on a logarithmic scale.
        when: as in `Choice`.

    Raises:
        ValueError: the range is empty or not finite.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    when: When = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if not (isinstance(self.low, int) and isinstance(self.high, int)):
            self.low, self.high = float(self.low), float(self.high)
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"low and high must be finite, got {self.low} and {self.high}")
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"with log, low must be above 0, got {self.low}")
        if self.step is not None:
            self._check_step(self.step)

    def _check_step(self, step: float) -> None:
        if self.log and not step > 1:
            raise ValueError(f"with log, step is a factor: it must be above 1, got {step}")
        if not step > 0:
            raise ValueError(f"step must be above 0, got {step}")
        if step > (self.high / self.low if self.log else self.high - self.low):
            raise ValueError(f"step {step} is larger than the range, {self.low} to {self.high}")
        if self._steps(step) >= MOST_STEPS:
            raise ValueError(f"step {step} divides the range into more than {MOST_STEPS:,} values")

    def _steps(self, step: float) -> float:
        """Return the number of steps from low to high."""
        if self.log:
            return math.log(self.high / self.low) / math.log(step)
        return (self.high - self.low) / step

    def under(self, when: When) -> "Range":
        """A copy with other conditions."""
        return dataclasses.replace(self, when=when)

    @property
    def values(self) -> Sequence[float] | None:
        """All numbers of the range; None if there are infinitely many."""
        low, high, step = self.low, self.high, self.step
        if isinstance(low, int) and (step is None or not self.log):
            return range(low, int(high) + 1, int(step or 1))
        if low == high:
            return (low,)
        if step is None:
            return None
        places = range(int(self._steps(step) + 1e-9) + 1)
        numbers = [low * step**n if self.log else low + step * n for n in places]
        return [n if isinstance(n, int) else float(f"{n:.12g}") for n in numbers]  # 0.1 · 3 is 0.3

    def holds(self, value: Any) -> bool:
        """Return whether a value is one of these numbers."""
        if self.values is not None:
            return value in self.values
        return isinstance(value, int | float) and self.low <= value <= self.high


Space = Mapping[str, Choice | Range]

# Optimisation settings that most tasks search; learning rates and batch sizes differ by task.
TRAINING: Space = {
    "optimizer": Choice("adam", "adamw", "rmsprop"),
    "weight_decay": Range(1e-4, 1e-1, log=True, when={"optimizer": ("adamw",)}),
    "clip_norm": Choice(0.25, 1.0, 5.0),
}


def size(space: Space) -> float:
    """Return the number of combinations; infinity if a range of floats has no step."""
    conditioning = {key for domain in space.values() for key in domain.when}
    counts = Counter({(): 1})  # values of the keys in conditions → combinations of all keys
    for key, domain in space.items():
        grown = Counter()
        for state, count in counts.items():
            values = dict(state)
            if not all(values.get(k, _INACTIVE) in wanted for k, wanted in domain.when.items()):
                grown[state] += count
            elif domain.values is None:
                return math.inf
            elif key in conditioning:
                grown.update({(*state, (key, value)): count for value in domain.values})
            else:
                grown[state] += count * len(domain.values)
        counts = grown
    return sum(counts.values())


_INACTIVE = object()  # unlike None, it is never the value of a key
