"""What a doctor prints while it is at work: the budget, and a line about each training."""

import math
import statistics
import time
from collections.abc import Sequence

from ...callbacks.treatment.plan import Request
from ...callbacks.treatment.trial import Trial
from ..core.console import duration_in_words, note
from ..core.run_folder import read_history
from ..datasets.listing import printable
from .choice import Choice, applicable
from .plan import TreatmentPlan

START_UP = 10  # seconds that the process of a training needs before it trains


class Progress:
    """Reports the progress of a doctor.

    Args:
        plan: what is treated, and how.
    """

    def __init__(self, plan: TreatmentPlan):
        self.plan = plan
        self.began: dict[Request, float] = {}
        self.kept: set[Request] = set()
        self.seconds: list[float] = []  # of each training, its start-up included
        self.done = 0

    def report_start(self) -> None:
        """Print the budget: how long each training is, and how many there can be."""
        plan, seeds = self.plan, len(self.plan.seeds)
        note(printable(f"{plan.task.name}: treating {plan.run.path}; files go to {plan.folder}"))
        few = "" if plan.limit is None else f" of at most {plan.limit:,} examples"
        note(
            f"each training: {_counted(plan.epochs, 'epoch')}{few} (the run:"
            f" {_counted(plan.original.optimisation.epochs, 'epoch')}); judged on the validation"
            " split, never on the test split"
        )
        most = most_trainings(plan, len(applicable(plan.original, plan.settings.allowed)))
        first = f"a first one that cures takes {2 * seeds} trainings{self._estimate(2 * seeds)}, "
        note(
            f"{seeds} seeds without a remedy, then the remedies for what is found:"
            f" {first * (most > 2 * seeds)}all of them take at most {most} trainings"
            f"{self._estimate(most)}"
        )

    def _estimate(self, trainings: int) -> str:
        """Return how long trainings take, as those of the run did; "" if that is unknown."""
        seconds = [row["seconds"] for row in read_history(self.plan.run)]
        if not seconds or self.plan.settings.limit is not None:
            return ""
        each = START_UP + (self.plan.epochs - 1) * statistics.median(seconds) + max(seconds)
        return f" ({duration_in_words(each * trainings / self.plan.settings.workers)})"

    def report_choice(self, untreated: Sequence[Trial], choice: Choice) -> None:
        """Print what was found in the untreated trainings, and which remedies are tried for it."""
        findings = {
            (finding.layer, finding.kind): finding
            for trial in reversed(untreated)
            for finding in trial.findings
            if finding.severity == "trouble"
        }
        for finding in findings.values():
            where = f"{finding.layer}: " if finding.layer else ""
            note(f"found: {where}{finding.headline}")
        if not findings:
            return
        names = ", ".join(choice.names) or "none that can be applied"
        most = most_trainings(self.plan, len(choice.names))
        note(f"remedies for it: {names}; at most {most} trainings in all")

    def begin(self, request: Request, is_kept: bool) -> None:
        """Print that a training begins, unless an earlier one is used."""
        self.began[request] = time.monotonic()
        if is_kept:
            self.kept.add(request)
        else:
            note(f"{_name(request)} …")

    def report(self, trial: Trial, monitor: str, left: int) -> None:
        """Print a line about a training that has ended.

        Args:
            monitor: the name of the validation figure.
            left: the number of trainings that are left, as far as it is known.
        """
        request = Request(trial.remedies, trial.seed)
        self.done += 1
        if request not in self.kept:
            self.seconds.append(time.monotonic() - self.began[request])
        kept = " (earlier)" if request in self.kept else ""
        parts = [f"{_name(request)}{kept}: {_outcome(trial, monitor)}"]
        parts.append(f"{self.done} done{self._remaining(left)}")
        note("  ".join(parts))

    def _remaining(self, left: int) -> str:
        if not left:
            return ""
        if not self.seconds:
            return f", {left} or more to go"
        seconds = statistics.fmean(self.seconds) * math.ceil(left / self.plan.settings.workers)
        return f", {left} or more to go, {duration_in_words(seconds)}"


def most_trainings(plan: TreatmentPlan, remedies: int) -> int:
    """Return how many trainings a number of remedies can take: untreated ones, and a pair, too."""
    has_pair = remedies > 1 and not plan.settings.first_cure
    return len(plan.seeds) * (1 + remedies + has_pair)


def _name(request: Request) -> str:
    return f"{' + '.join(request.remedies) or 'untreated'}, seed {request.seed}"


def _outcome(trial: Trial, monitor: str) -> str:
    kinds = ", ".join(sorted(trial.troubles)) or "no finding"
    if trial.failure is not None:
        return f"{trial.failure}; {kinds}" if trial.troubles else trial.failure
    score = "not finite" if trial.score is None else f"{trial.score:.4g}"
    return f"{monitor} {score} in {trial.seconds:.0f} s; {kinds}"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
