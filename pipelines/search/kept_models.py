"""Which models of a search are kept: best/, and the checkpoints of the best trials."""

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from ..core.run_folder import RunFolder
from .plan import SearchPlan
from .trial_folder import run_path


def copy_best(plan: SearchPlan, trial_id: str) -> None:
    """Make best/ a copy of the run of a trial; it is replaced as a whole, by renaming."""
    best, run = plan.project / "best", RunFolder(run_path(plan.trial_folder(trial_id), 1))
    if RunFolder(best).results().get("trial") == trial_id:
        return
    new = best.with_name(".new-best")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(run.path, new, ignore=shutil.ignore_patterns("backup", "last.keras", "logs"))
    RunFolder(new).update(trial=trial_id, task=plan.task.name, name="best")
    shutil.copyfile(RunFolder(new).best, new / "best.keras")
    _replace(best, new)


def _replace(folder: Path, new: Path) -> None:
    old = folder.with_name(f".old-{folder.name}")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def delete_checkpoints(plan: SearchPlan, trials: Iterable[str], kept: Collection[str]) -> None:
    """Delete the checkpoints of all trials but the kept ones."""
    for trial_id in trials:
        if trial_id not in kept:
            for run in plan.trial_folder(trial_id).glob("run*"):
                shutil.rmtree(run / "checkpoints", ignore_errors=True)
