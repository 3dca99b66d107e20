"""`doctor`: try the remedies for what is wrong with a run, and say which one helps.

The untreated training and those with remedies are short, and run as the trials of a search do: in
processes of their own, which the same command resumes. Which ones to run next, and what they prove,
is decided by `callbacks.treatment`; `plan` describes the files.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator, Sequence

from ...callbacks.treatment.answer import Answer
from ...callbacks.treatment.facts import NotApplicable
from ...callbacks.treatment.options import Options
from ...callbacks.treatment.plan import PROBES, Request, next_requests, untreated_of
from ...callbacks.treatment.trial import Trial
from ..core.errors import UserError
from ..core.files import write_json
from ..core.run_lock import check_not_held, hold
from ..core.system_errors import writing
from ..search.pool import Pool, open_pool
from ..search.trial_folder import read_result
from ..training.task import Task
from ..training.workflow import find_before_tensorflow
from .best import write_best, write_picture
from .choice import Choice, choose, for_other_findings
from .config import DoctorConfig
from .plan import TreatmentPlan, other_settings, read_plan
from .progress import Progress
from .trials import check_data, check_untreated, facts_about, not_built, prepare, read_trial

KEPT = "finished trainings stay usable, and the same command goes on"


def treat(task: Task, settings: DoctorConfig) -> tuple[TreatmentPlan, Answer]:
    """Try the remedies on a run; go on with a doctor that was interrupted.

    Args:
        settings: which run, and how much to train; checked.

    Raises:
        UserError: the run, its data or the folder do not allow it, or the untreated training failed
            for a reason that is no finding.
        KeyboardInterrupt: Ctrl-C; the message says how to go on.
    """
    plan = read_plan(task, settings)
    check_not_held(plan.lock_file)
    if not settings.overwrite:
        _check_same_settings(plan)
    find_before_tensorflow(task, plan.trial_config({}, plan.seeds[0]))
    with writing(plan.folder, lambda: KEPT), _folder(plan):
        return plan, _treat(plan)


def _check_same_settings(plan: TreatmentPlan) -> None:
    if changed := other_settings(plan):
        raise UserError(
            f"{plan.folder} was made with other settings: {', '.join(changed)}; give the same ones"
            " to go on, or --overwrite to begin anew"
        )


@contextlib.contextmanager
def _folder(plan: TreatmentPlan) -> Iterator[None]:
    """Hold the folder during the block; delete it again if no training has ended in it."""
    with hold(plan.lock_file):
        if plan.settings.overwrite:
            for path in {*plan.folder.iterdir()} - {plan.lock_file}:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        write_json(plan.folder / "settings.json", plan.common_settings())
        try:
            yield
        except UserError:
            if not any(plan.folder.glob("trials/*/seed-*")):
                shutil.rmtree(plan.folder, ignore_errors=True)
            raise


def _treat(plan: TreatmentPlan) -> Answer:
    progress = Progress(plan)
    progress.report_start()
    with open_pool(plan.settings.workers) as pool:
        course = _Course(plan, progress, pool)
        try:
            course.run()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_interruption(plan)) from None
    answer = course.answer
    write_best(plan, answer)
    write_picture(plan, answer)
    return answer


def _interruption(plan: TreatmentPlan) -> str:
    count = len([*plan.folder.glob("trials/*/*/result.json")])
    command = "the same command" + " without --overwrite" * plan.settings.overwrite
    return f"interrupted after {count} finished trainings; {command} goes on"


class _Course:
    """The trainings of a doctor, from the first to the last.

    Attributes:
        trials: those that have ended.
    """

    def __init__(self, plan: TreatmentPlan, progress: Progress, pool: Pool):
        self.plan, self.progress, self.pool = plan, progress, pool
        self.trials: list[Trial] = []
        self.choice: Choice | None = None
        self.options = Options(seeds=plan.seeds, monitor="", first_cure=plan.settings.first_cure)

    @property
    def remedies(self) -> Choice:
        """The remedies; none, until they are chosen."""
        return self.choice or Choice()

    def run(self) -> None:
        """Run trainings until the answer is complete."""
        while requests := self._next_requests():
            self._start(requests)
            if self.pool.running:
                for request, result in self.pool.next_results():
                    self._end(request, read_trial(self.plan, request, result))
        self._write_answer()

    def _next_requests(self) -> list[Request]:
        """Return the trainings that are left, those that run last."""
        requests = next_requests(self.trials, self.remedies.names, self.options)
        running = self.pool.running
        return [*(each for each in requests if each not in running), *running]

    def _start(self, requests: Sequence[Request]) -> None:
        running = self.pool.running
        for request in requests:
            if not self.pool.has_room:
                return
            if request not in running:
                self._start_one(request)

    def _start_one(self, request: Request) -> None:
        try:
            changes = self.remedies.changes_of(request.remedies, self.plan.original)
        except NotApplicable as reason:
            self.trials.append(not_built(request, str(reason)))
            return
        objective = None
        if self.options.monitor:
            objective = {"name": self.options.monitor, "direction": self.options.direction}
        folder = prepare(self.plan, request, changes, objective)
        self.progress.begin(request, is_kept=bool(read_result(folder)))
        self.pool.start(request, folder)

    def _end(self, request: Request, trial: Trial) -> None:
        check_data(self.plan, trial)
        if not request.remedies:
            check_untreated(self.plan, trial)
            self._read_monitor(request)
        self.trials.append(trial)
        chosen_for = self._choose()
        self._write_answer()
        self.progress.report(trial, self.options.monitor, len(self._next_requests()))
        if chosen_for:
            self.progress.report_choice(chosen_for, self.remedies)

    def _read_monitor(self, request: Request) -> None:
        """Take the validation figure from the untreated training: it depends on the network."""
        result = read_result(self.plan.trial_folder((), request.seed))
        name, direction = result["objective"]["name"], result["objective"]["direction"]
        self.options = dataclasses.replace(self.options, monitor=name, direction=direction)

    def _choose(self) -> list[Trial]:
        """Choose the remedies once, when the first untreated trainings have ended; return these."""
        seeds = self.options.seeds[:PROBES]
        probes = [t for t in untreated_of(self.trials, self.options) if t.seed in seeds]
        if self.choice is not None or len(probes) < PROBES:
            return []
        config, allowed = self.plan.original, self.plan.settings.allowed
        self.choice = choose(probes, config, facts_about(self.plan, probes[0]), allowed)
        return probes

    @property
    def answer(self) -> Answer:
        """The answer so far."""
        return Answer.from_trials(
            self.trials,
            self.remedies.names,
            self.options,
            epochs=self.plan.epochs,
            task=self.plan.task.name,
            run=str(self.plan.run.path),
            settings=self._settings(),
            not_applicable=self._not_applicable(),
        )

    def _not_applicable(self) -> dict[str, str]:
        """Return why remedies are not tried; once it is known what was found."""
        if self.choice is None:
            return {}
        others = for_other_findings(self.choice, self.plan.settings.named)
        return {**self.choice.not_applicable, **others}

    def _settings(self) -> dict[tuple[str, ...], dict[str, object]]:
        """Return what each remedy, and each pair of them that was tried, changes."""
        names = {(name,) for name in self.remedies.names} | {t.remedies for t in self.trials}
        settings = {}
        for each in names:
            with contextlib.suppress(NotApplicable):
                settings[each] = self.remedies.changes_of(each, self.plan.original)
        return settings

    def _write_answer(self) -> None:
        write_json(self.plan.answer_file, self.answer.as_json())
