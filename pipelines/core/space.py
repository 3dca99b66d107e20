"""The space that `tune` searches: a task declares it by `Choice` and `Range`.

The keys of a space are settings of the task's config, so that the values of a trial go straight
into `config.replace`. A setting that is given as a flag or in --config is searched all the same; a
--space file fixes settings (`space_file`).
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .config import TrainingConfig, flat

Value = str | int | float | bool | None
When = Mapping[str, Sequence[Value]]


@dataclasses.dataclass(init=False)
class Choice:
    """One of some values.

    Attributes:
        values: of a config key.
        when: {earlier key: some of its values}; searched only where each of these keys is searched
            too, and has one of these values.

    Raises:
        ValueError: two values are written alike.
    """

    values: tuple[Value, ...]
    when: When

    def __init__(self, *values: Value, when: When | None = None):
        self.values, self.when = values, when or {}
        if len({str(value) for value in values}) < len(values):
            raise ValueError(f"two values are alike in {', '.join(map(str, values))}")

    def under(self, when: When) -> "Choice":
        """The same on other conditions."""
        return Choice(*self.values, when=when)

    def holds(self, value: Any) -> bool:
        """Whether this is one of the values."""
        return value in self.values


@dataclasses.dataclass
class Range:
    """Numbers between two ends, which count too: whole ones if both ends are, else fractions.

    Attributes:
        low, high: the ends.
        step: from a number to the next; with `log` a factor. None: any number.
        log: draw small and large numbers alike, as many below the ends' geometric mean as above.
        when: as of `Choice`.

    Raises:
        ValueError: there is no such range.
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

    def under(self, when: When) -> "Range":
        """The same on other conditions."""
        return dataclasses.replace(self, when=when)

    @property
    def values(self) -> Sequence[float] | None:
        """All numbers; None where there is no end to them."""
        low, high, step = self.low, self.high, self.step
        if isinstance(low, int) and (step is None or not self.log):
            return range(low, int(high) + 1, int(step or 1))
        if low == high:
            return (low,)
        if step is None:
            return None
        steps = math.log(high / low, step) if self.log else (high - low) / step
        numbers = [
            low * step**n if self.log else low + step * n for n in range(int(steps + 1e-9) + 1)
        ]
        return [n if isinstance(n, int) else float(f"{n:.12g}") for n in numbers]  # 0.1 · 3 is 0.3

    def holds(self, value: Any) -> bool:
        """Whether this is one of the numbers."""
        if self.values is not None:
            return value in self.values
        return isinstance(value, int | float) and self.low <= value <= self.high


Space = Mapping[str, Choice | Range]

# How the networks of most tasks are trained; rates and batches differ from task to task.
TRAINING: Space = {
    "optimizer": Choice("adam", "adamw", "rmsprop"),
    "weight_decay": Range(1e-4, 1e-1, log=True, when={"optimizer": ("adamw",)}),
    "clip_norm": Choice(0.25, 1.0, 5.0),
}


# What is drawn


def suggest(space: Space, hp: Any, start: TrainingConfig | None = None) -> dict[str, Any]:
    """Makes a space known to `keras_tuner.HyperParameters`; gives the values of the active keys.

    start: its values are the defaults, where the space holds them; else a choice's first value and
        a range's lower end are.
    """
    from keras_tuner.engine.hyperparameters import deserialize

    for key in space:
        hp.merge([deserialize(_parameter(key, space, start))], overwrite=False)
    return {key: _back(space[key], hp.get(key)) for key in space if hp.is_active(key)}


def _parameter(key: str, space: Space, start: TrainingConfig | None) -> dict[str, Any]:
    """A key as keras-tuner writes it to a file.

    It knows several conditions on one key, but its `conditional_scope` takes a second one only on a
    key that hangs on the first one itself.
    """
    given = space[key]
    conditions = [
        {"name": earlier, "values": [_carried(space[earlier], value) for value in values]}
        for earlier, values in given.when.items()
    ]
    kind, settings = _kind(given)
    settings |= {
        "name": key,
        "conditions": [{"class_name": "Parent", "config": one} for one in conditions],
    }
    values = {} if start is None else flat(start)
    if given.holds(values.get(key)):
        settings["default"] = _carried(given, values[key])
    return {"class_name": kind, "config": settings}


def _kind(given: Choice | Range) -> tuple[str, dict[str, Any]]:
    """keras-tuner's class and what it takes.

    Fractions with a step are a choice: `Float` loses the upper end of 0.0, 0.1 … 0.5.
    """
    if isinstance(given, Choice) and _is_switch(given):
        return "Boolean", {}
    if isinstance(given, Choice):
        return "Choice", {"values": [_carried(given, value) for value in given.values]}
    sampling = "log" if given.log else "linear"
    ends = {"min_value": given.low, "max_value": given.high, "sampling": sampling}
    if isinstance(given.low, int):
        return "Int", ends | {"step": given.step}
    if given.values is None:
        return "Float", ends
    return "Choice", {"values": [*given.values]}


def _carried(given: Choice | Range, value: Any) -> Any:
    """A value as keras-tuner takes it: as text, unless all values are of one type that it knows."""
    if isinstance(given, Range) or _is_switch(given):
        return value
    kinds = {type(one) for one in given.values}
    return value if kinds in ({int}, {float}, {str}) else str(value)


def _back(given: Choice | Range, value: Any) -> Any:
    """The other way round."""
    if isinstance(given, Range):
        return value
    return next(one for one in given.values if _carried(given, one) == value)


def _is_switch(given: Choice) -> bool:
    return len(given.values) == 2 and all(isinstance(value, bool) for value in given.values)


def size(space: Space) -> float:
    """How many different combinations there are: infinity where a range has no steps."""
    earlier = {key for given in space.values() for key in given.when}
    counts = Counter({(): 1})  # values of keys that others hang on → combinations of all keys
    for key, given in space.items():
        grown = Counter()
        for state, count in counts.items():
            values = dict(state)
            if not all(values.get(k, _INACTIVE) in wanted for k, wanted in given.when.items()):
                grown[state] += count
            elif given.values is None:
                return math.inf
            elif key in earlier:
                grown.update({(*state, (key, value)): count for value in given.values})
            else:
                grown[state] += count * len(given.values)
        counts = grown
    return sum(counts.values())


_INACTIVE = object()  # unlike None, no key has it for a value
