"""The answer of the doctor: which remedies were tried, what they did, and which one is best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from .judgement import is_better, targets
from .judgements import judgements
from .options import Options
from .outcome import Judgement
from .plan import next_requests, treated_with, untreated_of
from .rows import treatment_of, treatment_row, trials_of, trials_row
from .statistics import Estimate, difference, mean
from .table import Line, columns, frame, lines
from .treatment import Treatment, cure_in_words, no_cure_in_words
from .trial import Trial

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

VERSION = 1  # of the JSON


@dataclass(frozen=True)
class Answer:
    """Which remedies were tried on a training, what they did, and which one is best.

    Attributes:
        untreated: the trainings without a remedy, in the order of the seeds.
        treatments: the remedies in the order of promise, then two of them together, then those that
            cannot be applied.
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
            remedies, options: as for `plan.next_requests`.
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
            for names, judgement in judgements(trials, remedies, options).items()
        ]
        treatments += [
            Treatment((name,), Judgement("not applicable", sentence=reason))
            for name, reason in (not_applicable or {}).items()
        ]
        untreated = tuple(untreated_of(trials, options))
        return cls(untreated, tuple(treatments), options, epochs, task, run)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trainings, the untreated ones first."""
        return (*self.untreated, *(trial for each in self.treatments for trial in each.trials))

    @property
    def targets(self) -> tuple[str, ...]:
        """The kinds of findings that most of the untreated trainings show."""
        return targets(self.untreated)

    @property
    def is_complete(self) -> bool:
        """Whether no trial is outstanding."""
        applicable = [each for each in self.treatments if each.status != "not applicable"]
        names = [each.remedies[0] for each in applicable if len(each.remedies) == 1]
        return not next_requests(self.trials, names, self.options)

    @property
    def cures(self) -> tuple[Treatment, ...]:
        """The treatments that are cures, that with the best validation figure first."""
        cures = [each for each in self.treatments if each.status == "cure"]
        return tuple(sorted(cures, key=lambda each: self.options.gain(_score(each), 0)))

    @property
    def best(self) -> Treatment | None:
        """The cure with the best validation figure; None if there is none.

        Two remedies together are the best cure only if they are better than the best one alone
        beyond the noise.
        """
        single = next((each for each in self.cures if len(each.remedies) == 1), None)
        pair = next((each for each in self.cures if len(each.remedies) > 1), None)
        if single is None or pair is None:
            return single
        change = difference(_scores(single.trials), _scores(pair.trials), self.options.direction)
        return pair if is_better(change, self.options) else single

    @property
    def score(self) -> Estimate | None:
        """The mean validation figure of the untreated trainings; None if none has one."""
        scores = _scores(self.untreated)
        return mean(scores, self.options.direction) if scores else None

    @property
    def sentence(self) -> str:
        """What came of it all, in one sentence."""
        best = self.best
        if best is None:
            return no_cure_in_words(self.untreated, self.targets, self.treatments)
        return cure_in_words(best, [each for each in self.cures if each is not best])

    def verdict(self) -> list[str]:
        """Return the sentence of the answer, then one for each remedy."""
        return [self.sentence, *(each.sentence for each in self.treatments)]

    def table(self) -> list[Line]:
        """Return a row of texts for the untreated trainings and for each remedy.

        `table.columns` has the titles of the columns.
        """
        return lines(self.untreated, self.score, self.treatments, self.targets)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each training.

        Its columns are in `table.frame`; the untreated trainings have the remedy "".
        """
        return frame(self.untreated, self.treatments, self.targets)

    def plot(self) -> "Figure":
        """Return a figure of the validation figures of all seeds, and of their course.

        Raises:
            ValueError: no training has a validation figure.
        """
        from ..drawing.treatment import treatment_figure  # noqa: PLC0415

        return treatment_figure(self.untreated, self.treatments, self.best, self.options)

    def _repr_html_(self) -> str:
        from ..drawing.treatment_html import treatment_html  # noqa: PLC0415

        has_figure = any(trial.score is not None for trial in self.trials)
        figure = self.plot() if has_figure else None
        return treatment_html(self.verdict(), columns(self.options.monitor), self.table(), figure)

    def as_json(self) -> dict[str, Any]:
        """Return the answer as JSON; what is not finite or unknown is null.

        The keys:

        * `version`: 1; keys may come new without a change of it.
        * `task`, `run`: "" for a model of one's own.
        * `monitor`, `direction`: the name of the validation figure; "min" or "max" is better.
        * `epochs`, `seeds`: of each training; of a remedy that was screened out, the first seed
          only.
        * `first_cure`: whether remedies were tried one after the other, up to the first cure.
        * `is_complete`: false while trials are outstanding.
        * `sentence`: the answer in one sentence.
        * `targets`: the kinds of findings that most of the untreated trainings show.
        * `findings`: those of an untreated training, see `Finding.as_json`.
        * `best`: the names of the remedies that are the best cure, or null.
        * `untreated`: score (mean; the geometric one if lower is better and all are
          positive), interval ([low, high], 95 %), seconds (mean of one training), parameters, and
          trials: seed, score (best over the epochs), curve (by epoch), findings, seconds,
          parameters, failure (a line, or null).
        * `remedies`: for each remedy, the keys of `untreated` and: remedies (names), text, source,
          settings (what it changed), status and sentence (see `outcome.Judgement`), aims (the kinds
          of findings that it is for), gone (in how many seeds they are), comparisons (the number
          that the interval is corrected for), finding_before and finding_after (texts), difference
          (of the score to the untreated one) and difference_interval, seconds_ratio and
          parameters_ratio (to the untreated ones).
        """
        best = self.best
        return {
            "version": VERSION,
            "task": self.task,
            "run": self.run,
            "monitor": self.options.monitor,
            "direction": self.options.direction,
            "epochs": self.epochs,
            "seeds": [*self.options.seeds],
            "first_cure": self.options.first_cure,
            "is_complete": self.is_complete,
            "sentence": self.sentence,
            "targets": [*self.targets],
            "findings": [finding.as_json() for finding in self._findings()],
            "best": None if best is None else [*best.remedies],
            "untreated": trials_row(self.untreated, self.score),
            "remedies": [treatment_row(each, self.untreated) for each in self.treatments],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the answer of what `as_json` returned.

        Raises:
            ValueError: it is damaged, or of a later version.
        """
        try:
            if content["version"] != VERSION:
                raise ValueError(f"its version is {content['version']!r}, not {VERSION}")
            options = Options(
                tuple(map(int, content["seeds"])),
                str(content["monitor"]),
                content["direction"],
                bool(content["first_cure"]),
            )
            return cls(
                trials_of(content["untreated"]["trials"]),
                tuple(map(treatment_of, content["remedies"])),
                options,
                int(content["epochs"]),
                str(content["task"]),
                str(content["run"]),
            )
        except KeyError as error:
            raise ValueError(f"it has no {error}") from error
        except (TypeError, AttributeError) as error:
            raise ValueError(f"it is no answer of the doctor ({error})") from error

    def _findings(self):
        """The findings of the first untreated training that shows all the targets."""
        kinds = {*self.targets}
        showing = [trial for trial in self.untreated if trial.troubles >= kinds]
        return next((trial.findings for trial in [*showing, *self.untreated]), ())


def _scores(trials):
    return [trial.score for trial in trials if trial.score is not None]


def _score(treatment):
    return treatment.judgement.score.value
