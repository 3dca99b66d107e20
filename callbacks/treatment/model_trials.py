"""The trials of the doctor on a Keras model: which one is next, and what they lead to."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..findings.finding import short
from .facts import Facts, NotApplicable
from .model_answer import Function, ModelAnswer, with_remedies
from .of_models import changed_options
from .options import Options
from .plan import Request, next_requests
from .promise import promising
from .training import ShortTraining
from .trial import Trial


class ModelTrials:
    """The trials of a doctor.

    Args:
        training: the training, which starts anew for each trial.
        options: the seeds, and how trials are compared.
        named: the remedies to try, by name, with None for the function of those that errorflow
            knows; None: those for the findings.

    Attributes:
        trials: those that have ended.
    """

    def __init__(
        self,
        training: ShortTraining,
        options: Options,
        named: Mapping[str, Function | None] | None,
    ):
        self._training, self._options, self._named = training, options, named
        self._functions = {name: own for name, own in (named or {}).items() if own is not None}
        self.trials: list[Trial] = []
        self._facts = Facts()
        self._not_applicable: dict[str, str] = {}
        self._settings: dict[tuple[str, ...], Mapping[str, Any]] = {}

    def run(self, note: Callable[[str], None]) -> None:
        """Run trials until the answer is complete, or the user interrupts."""
        try:
            while requests := next_requests(self.trials, self._remedies(), self._options):
                self._try(requests[0], note)
        except KeyboardInterrupt:
            if not self.trials:
                raise
            note("interrupted; the answer is that of the trials that have ended")

    def answer(self, epochs: int) -> ModelAnswer:
        """Return the answer that the trials lead to."""
        answer = ModelAnswer.from_trials(
            self.trials,
            self._remedies(),
            self._options,
            epochs=epochs,
            settings=self._settings,
            not_applicable=self._not_applicable,
        )
        evidence = self._evidence()
        return replace(answer, facts=self._facts, evidence=evidence, functions=self._functions)

    def _try(self, request: Request, note) -> None:
        try:
            trial, facts = self._training.run(request, lambda model: self._treat(model, request))
        except NotApplicable as reason:
            note(f"{' + '.join(request.remedies)}: not applicable, {reason}")
            if len(request.remedies) == 1:
                self._not_applicable[request.remedies[0]] = str(reason)
                return
            trial, facts = _not_run(request, str(reason)), self._facts
        if not self.trials:
            self._facts = facts
        self.trials.append(trial)
        note(_line(trial, self._options))

    def _treat(self, model, request):
        before = model.optimizer
        new = with_remedies(model, request.remedies, self._facts, self._evidence(), self._functions)
        self._settings[request.remedies] = changed_options(before, new.optimizer)
        return new

    def _untreated(self) -> list[Trial]:
        return [trial for trial in self.trials if not trial.remedies]

    def _remedies(self) -> list[str]:
        """Return the names of the remedies to try, the most promising first."""
        names = self._evidence() if self._named is None else self._named
        return [name for name in names if name not in self._not_applicable]

    def _evidence(self) -> dict[str, Mapping[str, Any]]:
        """Return the remedies for the findings of untreated trials, each with its evidence."""
        findings = [
            finding
            for trial in self._untreated()
            for finding in trial.findings
            if finding.severity == "trouble"
        ]
        evidence: dict[str, Mapping[str, Any]] = {}
        for name, finding in promising(findings):
            evidence.setdefault(name, finding.evidence)
        return evidence


def _not_run(request: Request, failure: str) -> Trial:
    """Return a trial that could not run."""
    return Trial(request.remedies, request.seed, None, (), (), 0.0, 0, failure)


def _line(trial: Trial, options: Options) -> str:
    """Return "clip-norm, seed 0: val_loss 0.31, no finding (2.1 s)"."""
    name = " + ".join(trial.remedies) or "untreated"
    if trial.failure is not None:
        figure = trial.failure
    else:
        figure = f"{options.monitor} {'unknown' if trial.score is None else short(trial.score)}"
    kinds = ", ".join(sorted(trial.troubles)) or "nothing wrong found"
    return f"{name}, seed {trial.seed}: {figure}; {kinds} ({short(trial.seconds)} s)"
