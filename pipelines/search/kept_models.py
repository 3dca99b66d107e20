"""Which models of a search are kept: best/, and the checkpoints of the best trials."""

import shutil
from collections.abc import Collection, Iterable

from ..core.console import note
from ..core.replacement import take_place
from ..core.run_folder import RunFolder
from .plan import SearchPlan
from .trial_folder import run_path


def copy_best(plan: SearchPlan, trial_ids: Iterable[str], damaged: Collection[str] = ()) -> None:
    """Make best/ a copy of the run of the best trial; it is replaced as a whole, by renaming.

    Args:
        trial_ids: the trials that have a score, the best first. A trial whose run is damaged does
            not stand in the way of the next one.
        damaged: the trials whose results can no longer be read; best/ stays if it is of one.
    """
    best = RunFolder(plan.project / "best")
    held = None if best.damage else best.results().get("trial")
    if held in damaged:
        return
    for trial_id in trial_ids:
        if trial_id == held:
            return
        run = RunFolder(run_path(plan.trial_folder(trial_id), 1))
        if problem := run.damage or (not run.best.is_file() and "no best.keras"):
            note(f"trial {trial_id} is not copied to {best.path}: {problem}")
        else:
            _copy(plan, run, trial_id)
            return


def _copy(plan: SearchPlan, run: RunFolder, trial_id: str) -> None:
    best = RunFolder(plan.project / "best")
    copy, new = RunFolder(best.path.with_name(".copying-best")), best.replacement
    for path in (copy.path, new.path):
        shutil.rmtree(path, ignore_errors=True)
    patterns = ("backup", "last.keras", "logs", run.lock_file.name)
    shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns(*patterns))
    copy.update(trial=trial_id, task=plan.task.name, name="best")
    shutil.copyfile(copy.best, copy.path / "best.keras")
    copy.path.rename(new.path)  # complete
    take_place(new)


def delete_checkpoints(plan: SearchPlan, trials: Iterable[str], kept: Collection[str]) -> None:
    """Delete the checkpoints of all trials but the kept ones."""
    for trial_id in trials:
        if trial_id not in kept:
            for run in plan.trial_folder(trial_id).glob("run*"):
                shutil.rmtree(run / "checkpoints", ignore_errors=True)
