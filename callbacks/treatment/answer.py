"""The answer of the doctor: which remedies were tried, what they did, and which one is best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from ..findings.remedies import REMEDIES
from .judgement import is_better, judge, targets
from .options import Options
from .outcome import Judgement
from .plan import in_proof, pair_of, treated_with, untreated_of
from .statistics import Estimate, difference, mean
from .trial import Trial
from .wording import counted_seeds, kinds_in_words

if TYPE_CHECKING:
    pass

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
        """The names of the remedies, "clip-norm + learning-rate"."""
        return " + ".join(self.remedies)

    @property
    def text(self) -> str:
        """What the remedies are, in words."""
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


@dataclass(frozen=True)
class Answer:
    """Which remedies were tried on a training, what they did, and which one is best.

    Attributes:
        untreated: the trainings without a remedy, in the order of the seeds.
        treatments: the remedies in the order of promise, two of them together last.
        options: the seeds, the validation figure, and how trials were chosen.
        epochs: the number of epochs of each training.
        task: the name of the task; "" for a model of one's own.
        run: the path of the run; "" for a model of one's own.
    """

    untreated: tuple[Trial, ...]
    treatments: tuple[Treatment, ...]
    options: Options
    epochs: int
    task: str = ""
    run: str = ""

    @classmethod
    def from_trials(
        cls,
        trials: Sequence[Trial],
        remedies: Sequence[str],
        options: Options,
        *,
        epochs: int,
        task: str = "",
        run: str = "",
        settings: Mapping[tuple[str, ...], Mapping[str, Any]] | None = None,
        not_applicable: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the answer that finished trials lead to; more trials may be outstanding.

        Args:
            trials: those that have ended.
            remedies: as for `plan.next_requests`.
            options: as for `plan.next_requests`.
            epochs: of each training.
            task, run: the name of the task and the path of the run, if any.
            settings: what remedies change, by their names.
            not_applicable: why a remedy cannot be applied, by its name.
        """
        treatments = [
            Treatment(
                names,
                judgement,
                tuple(treated_with(names, trials, options)),
                dict((settings or {}).get(names, {})),
            )
            for names, judgement in _judged(trials, remedies, options).items()
        ]
        for name, reason in (not_applicable or {}).items():
            treatments.append(Treatment((name,), Judgement("not applicable", sentence=reason)))
        untreated = tuple(untreated_of(trials, options))
        return cls(untreated, tuple(treatments), options, epochs, task, run)

    @property
    def targets(self) -> tuple[str, ...]:
        """The kinds of findings that most of the untreated trainings show."""
        return targets(self.untreated)

    @property
    def cures(self) -> tuple[Treatment, ...]:
        """The treatments that are cures, that with the best validation figure first."""
        cures = [each for each in self.treatments if each.judgement.status == "cure"]
        return tuple(sorted(cures, key=lambda each: self.options.gain(_score(each), 0)))

    @property
    def best(self) -> Treatment | None:
        """The best cure; two remedies together only if they are better beyond the noise."""
        single = next((each for each in self.cures if len(each.remedies) == 1), None)
        pair = next((each for each in self.cures if len(each.remedies) > 1), None)
        if single is None or pair is None:
            return single
        change = difference(_scores(single.trials), _scores(pair.trials))
        return pair if is_better(change, self.options) else single

    @property
    def score(self) -> Estimate | None:
        """The mean validation figure of the untreated trainings; None if a training has none."""
        scores = _scores(self.untreated)
        return mean(scores) if scores else None

    @property
    def sentence(self) -> str:
        """What came of it all, in one sentence."""
        best = self.best
        if best is not None:
            return f"{best.text} cures it: {best.judgement.sentence}"
        return self._without_cure()

    def verdict(self) -> list[str]:
        """Return the sentence of the answer, then one for each remedy."""
        return [self.sentence, *(each.sentence for each in self.treatments)]

    def _without_cure(self):
        seeds = counted_seeds(len(self.untreated))
        if not self.untreated:
            return "no training has ended yet"
        if not any(trial.troubles for trial in self.untreated):
            failed = [trial.failure for trial in self.untreated if trial.failure]
            if failed:
                return f"the untreated training failed in {len(failed)} of {seeds}: {failed[0]}"
            return f"nothing to treat: the untreated training has no finding in {seeds}"
        if not self.targets:
            kinds = kinds_in_words(sorted(set().union(*(t.troubles for t in self.untreated))))
            return f"nothing to treat: most of {seeds} have no finding, a minority has {kinds}"
        tried = sum(bool(each.trials) for each in self.treatments)
        if not tried:
            return f"no remedy was tried for {kinds_in_words(self.targets)}"
        return f"no cure for {kinds_in_words(self.targets)} is proven: {tried} tried over {seeds}"


def _judged(trials, remedies, options):
    """The judgement of each remedy, and of the two best ones together if they were tried."""
    untreated, tried = untreated_of(trials, options), in_proof(trials, options)
    names = [(name,) for name in remedies]
    pair = pair_of(trials, remedies, options)
    if pair is not None and treated_with(pair, trials, options):
        names.append(pair)
    return {
        each: judge(untreated, treated_with(each, trials, options), options, tried)
        for each in names
    }


def _scores(trials):
    return [trial.score for trial in trials if trial.score is not None]


def _score(treatment):
    return treatment.judgement.score.value
