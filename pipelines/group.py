"""A group of trained runs, which differ in their seed only, as a Python object."""

import dataclasses
from typing import TYPE_CHECKING

from .core.run_group import RunGroup, Spread
from .run import Run

if TYPE_CHECKING:
    import pandas


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs of the same settings with different seeds: `train(task, seeds=5)`.

    Attributes:
        runs: the finished runs by seed.
        figures: a DataFrame with one row per figure, such as "test accuracy": mean, low and high
            (Student's 95 % interval; NaN of a single seed) and the number of seeds.
        values: a DataFrame with one row per seed and a column per figure; NaN: not finite.
        findings: in which seeds there is a finding of each kind, troubles first.
        without_figures: why a seed has no figures, such as a loss that is not finite, by seed.
    """

    group: RunGroup

    @property
    def name(self) -> str:
        """What the names of the runs begin with."""
        return self.group.name

    @property
    def runs(self) -> dict[int, Run]:
        return {seed: Run(self.group.runs[seed].path) for seed in self.group.finished}

    @property
    def figures(self) -> "pandas.DataFrame":
        import pandas

        rows = {
            name: {"mean": e.value, "low": e.low, "high": e.high, "seeds": len(values)}
            for name, e in self.group.figures.items()
            if (values := self.group.values[name])
        }
        columns = {"mean": float, "low": float, "high": float, "seeds": int}
        return pandas.DataFrame.from_dict(rows, orient="index", columns=[*columns]).astype(columns)

    @property
    def values(self) -> "pandas.DataFrame":
        import pandas

        return pandas.DataFrame(self.group.values, index=[*self.group.finished])

    @property
    def findings(self) -> list[Spread]:
        return self.group.findings

    @property
    def without_figures(self) -> dict[int, str]:
        return self.group.without_figures

    def __repr__(self) -> str:
        return f"Group({self.group.title!r}: {len(self.runs)} of {len(self.group.runs)} seeds)"
