"""A remedy, or two together, with its trainings and what came of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..findings.remedies import REMEDIES
from .judgement import is_gone
from .outcome import Judgement
from .trial import Trial
from .wording import counted_seeds, kinds_in_words

_BY_NAME = {each.name: each for each in REMEDIES}


@dataclass(frozen=True)
class Treatment:
    """A remedy, or two together, and what it did.

    Attributes:
        remedies: the names of the remedies.
        judgement: its status, its figures and a sentence.
        trials: the trainings with it, in the order of the seeds.
        settings: what it changed, by name: {"clip_norm": 1.5}; empty if that has no name.
    """

    remedies: tuple[str, ...]
    judgement: Judgement
    trials: tuple[Trial, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The names of the remedies: "clip-norm + learning-rate"."""
        return " + ".join(self.remedies)

    @property
    def text(self) -> str:
        """What the remedies are, in words; the name of a remedy that errorflow does not know."""
        return " and ".join(_BY_NAME[n].text if n in _BY_NAME else n for n in self.remedies)

    @property
    def source(self) -> str:
        """Authors and years of the works that propose the remedies; "" if there are none."""
        sources = [_BY_NAME[n].source for n in self.remedies if n in _BY_NAME]
        return "; ".join(filter(None, sources))

    @property
    def sentence(self) -> str:
        """The name of the remedies and the judgement."""
        return f"{self.name}: {self.judgement.sentence}"

    @property
    def status(self) -> str:
        """The status of the judgement, see `outcome.Judgement`."""
        return self.judgement.status


def finding_in_words(trials: Sequence[Trial], kinds: Collection[str]) -> str:
    """Return the findings of some kinds in trainings, each with the number of seeds that show it.

    → "vanishing, half-life 3.1 steps, step 1 gets 2e-4 (2 of 3 seeds)", or "gone (3 of 3 seeds)";
    "" without trials.
    """
    if not trials:
        return ""
    seen = [text for kind in kinds if (text := _shown(trials, kind))]
    if seen:
        return "; ".join(seen)
    return f"gone ({_share(sum(is_gone(trial, kinds) for trial in trials), trials)})"


def _shown(trials, kind):
    by_trial = [[each for each in trial.findings if each.fault == kind] for trial in trials]
    showing = [findings for findings in by_trial if findings]
    if not showing:
        return ""
    headline = showing[0][0].headline
    head = headline if headline.startswith(kind) else f"{kind}: {headline}"
    return f"{head} ({_share(len(showing), trials)})"


def _share(count, trials):
    return f"{count} of {counted_seeds(len(trials))}"


def mean_seconds(trials: Sequence[Trial]) -> float | None:
    """Return how long one of the trainings took on average; None without trainings."""
    return float(np.mean([trial.seconds for trial in trials])) if trials else None


def parameters(trials: Sequence[Trial]) -> int | None:
    """Return the number of parameters of the trained network; None without trainings."""
    return max((trial.parameters for trial in trials), default=None)


def ratio(after: float | None, before: float | None) -> float | None:
    """Return how many times as large a cost is as that of the untreated trainings."""
    return after / before if after and before else None


def cure_in_words(best: Treatment, others: Sequence[Treatment]) -> str:
    """Return the sentence of an answer that has a cure.

    Args:
        best: the best cure.
        others: the other ones.
    """
    verb = "cures" if len(best.remedies) == 1 else "cure"
    text = f"{best.name} {verb} it ({best.text}): {best.judgement.sentence}"
    names = [each.name for each in others]
    return f"{text}; other cures: {', '.join(names)}" if names else text


def no_cure_in_words(
    untreated: Sequence[Trial], targets: Sequence[str], treatments: Sequence[Treatment]
) -> str:
    """Return the sentence of an answer that has no cure."""
    seeds = counted_seeds(len(untreated))
    if not untreated:
        return "no training has ended yet"
    shown = sorted(set().union(*(trial.troubles for trial in untreated)))
    failures = [trial.failure for trial in untreated if trial.failure]
    if not shown and failures:
        return f"the untreated training failed in {len(failures)} of {seeds}: {failures[0]}"
    if not shown:
        return f"nothing to treat: no finding in {_share(len(untreated), untreated)}"
    if not targets:
        return f"nothing to treat: {kinds_in_words(shown)} in a minority of {seeds} only"
    tried = [each for each in treatments if each.trials]
    if not tried:
        return f"{kinds_in_words(targets)}: no remedy was tried"
    count = "1 remedy was" if len(tried) == 1 else f"{len(tried)} remedies were"
    return f"{kinds_in_words(targets)}: no cure is proven; {count} tried"
