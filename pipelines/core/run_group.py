"""A group of runs: equal settings with different seeds, and what their results have in common."""

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...callbacks.findings.finding import Finding, Severity
from ...callbacks.treatment.statistics import Estimate, arithmetic_mean
from .recorded_findings import findings_in
from .run_folder import RunFolder
from .run_results import figure_in_words, named_figures

_ORDER: tuple[Severity, ...] = ("trouble", "unclear", "healthy")
_OF_SEEDS = re.compile(r"(.+)-seed\d+")  # the name of a run of `train --seeds`
_NOT_FINITE = "LossNotFinite"  # begins the error of a run whose loss is no finite number

Results = Mapping[str, Any]  # the content of results.json


def group_name(run: RunFolder) -> str | None:
    """Return NAME of a run that is called NAME-seed and a number; None: it is not."""
    match = _OF_SEEDS.fullmatch(run.name)
    return match and match[1]


def is_over(run: RunFolder) -> bool:
    """Whether a run is finished, or ended because its loss is no finite number: a result, too."""
    if run.damage is not None:
        return False
    error = str(run.results().get("error", ""))
    return run.status == "finished" or (run.status == "failed" and error.startswith(_NOT_FINITE))


@dataclasses.dataclass(frozen=True)
class Spread:
    """In how many seeds there is a finding of a kind.

    Attributes:
        kind, severity: those of the findings.
        layers: the layers that it was found in, over all seeds.
        seeds: the seeds in which there is one.
    """

    kind: str
    severity: Severity
    layers: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class RunGroup:
    """Runs of the same settings with different seeds.

    Attributes:
        name: what the group is called.
        runs: the runs by seed, whether they have ended or not; at least one.
        others: further runs of the same settings and one of these seeds, which do not count.
    """

    name: str
    runs: Mapping[int, RunFolder]
    others: Sequence[RunFolder] = ()

    @property
    def first(self) -> RunFolder:
        """The run of the first seed."""
        return next(iter(self.runs.values()))

    @property
    def title(self) -> str:
        """Task and name."""
        return f"{self.first.task}/{self.name}"

    @functools.cached_property
    def status(self) -> dict[int, str]:
        """The status of each run, by seed."""
        return {seed: run.status for seed, run in self.runs.items()}

    @functools.cached_property
    def ended(self) -> dict[int, Results]:
        """The results of the runs that are over, by seed: those of `is_over`."""
        return {seed: run.results() for seed, run in self.runs.items() if is_over(run)}

    @property
    def finished(self) -> dict[int, Results]:
        """The results of the finished runs, by seed."""
        return {seed: r for seed, r in self.ended.items() if self.status[seed] == "finished"}

    @property
    def without_figures(self) -> dict[int, str]:
        """Why a run has no figures, by seed: "failed: the loss is not finite", "interrupted"."""
        return {
            seed: _ending(self.runs[seed], status)
            for seed, status in self.status.items()
            if status != "finished"
        }

    @functools.cached_property
    def values(self) -> dict[str, dict[int, float]]:
        """The finite figures of the finished runs, such as "test accuracy", by seed."""
        values: dict[str, dict[int, float]] = {}
        for seed, results in self.finished.items():
            for name, value in _figures(results).items():
                values.setdefault(name, {}).update({} if value is None else {seed: value})
        return values

    @property
    def figures(self) -> dict[str, Estimate]:
        """The mean of each figure with its 95 % interval, if any run has it."""
        return {
            name: arithmetic_mean([*by_seed.values()])
            for name, by_seed in self.values.items()
            if by_seed
        }

    @property
    def findings(self) -> list[Spread]:
        """In how many of the runs that are over there is a finding of each kind; troubles first."""
        found = [(seed, f) for seed, results in self.ended.items() for f in findings_in(results)]
        kinds = dict.fromkeys(finding.kind for _, finding in found)
        spreads = [_spread([each for each in found if each[1].kind == kind]) for kind in kinds]
        return sorted(spreads, key=lambda s: (_ORDER.index(s.severity), -len(s.seeds)))

    def as_json(self) -> dict[str, Any]:
        """Return the group for JSON.

        name, seeds      the group, and the seeds of its runs
        runs             the folder of the run of each seed
        figures          {name: {"mean", "low", "high", "values": {seed: value}}}; the bounds are
                         those of the 95 % interval, null if there are fewer than two values
        findings         [{"kind", "severity", "layers", "seeds"}, …], those with the finding
        without_figures  {seed: reason} of the runs that have failed or not ended
        """
        figures = {
            name: {"mean": e.value, "low": e.low, "high": e.high, "values": self.values[name]}
            for name, e in self.figures.items()
        }
        return {
            "name": self.name,
            "seeds": [*self.runs],
            "runs": {seed: str(run.path) for seed, run in self.runs.items()},
            "figures": figures,
            "findings": [dataclasses.asdict(spread) for spread in self.findings],
            "without_figures": self.without_figures,
        }


def _ending(run: RunFolder, status: str) -> str:
    if status == "damaged":
        return f"damaged: {run.damage}"
    if status != "failed":
        return status
    return f"failed: {str(run.results().get('error', '')).partition(': ')[2] or 'unknown'}"


def _figures(results: Results) -> dict[str, float | None]:
    seconds = {"seconds": results["seconds"]} if "seconds" in results else {}
    return named_figures(results) | seconds


def _spread(found: list[tuple[int, Finding]]) -> Spread:
    first = found[0][1]
    layers = dict.fromkeys(finding.layer for _, finding in found if finding.layer)
    seeds = sorted({seed for seed, _ in found})
    return Spread(first.kind, first.severity, tuple(layers), tuple(seeds))


# In words


def estimate_in_words(estimate: Estimate) -> str:
    """Return "0.7950 (0.7812 to 0.8088)"; without the interval if there is none."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4f}"
    return f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})"


def rows_of(group: RunGroup) -> dict[str, str]:
    """Return what the runs of a group have in common, as text: figures and findings by name."""
    return {
        "seeds": seeds_in_words([*group.runs]),
        **{f"seed {seed}": reason for seed, reason in group.without_figures.items()},
        **{name: _figure(group, name) for name in group.values},
        **{
            f"finding {spread.kind}": f"{len(spread.seeds)} of {len(group.ended)} seeds"
            for spread in group.findings
        },
    }


def _figure(group: RunGroup, name: str) -> str:
    """Return a figure as text; if a run does not have it, also how many do."""
    by_seed, count = group.values[name], len(group.finished)
    if not by_seed:
        return figure_in_words(None)
    if name == "seconds":
        return f"{group.figures[name].value:.0f}"
    text = estimate_in_words(group.figures[name])
    return text if len(by_seed) == count else f"{text}, finite in {len(by_seed)} of {count} seeds"


def seeds_in_words(seeds: list[int]) -> str:
    """Return "1 to 5", or "1, 2, 7"."""
    ordered = sorted(seeds)
    if len(ordered) > 2 and ordered == [*range(ordered[0], ordered[-1] + 1)]:
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))
