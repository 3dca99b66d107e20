"""A trial that is trained as `train` does it: into an ordinary run folder, with its test split."""

from pathlib import Path

from ..core.config import TrainingConfig, replace
from ..core.replacement import run_at, settle
from ..core.run_config import other_settings, run_config
from ..core.run_folder import RunFolder
from ..core.run_group import is_over
from ..core.run_lifecycle import MACHINE_SETTINGS
from ..training import workflow
from ..training.task import Task


def train_in_full(task: Task, config: TrainingConfig, path: Path, overwrite: bool) -> None:
    """Train a run, unless it is over; resume one that was interrupted.

    Args:
        config: all settings but the place of the run.
        path: the folder of the run, RUN_DIR/TASK/NAME.
        overwrite: replace the run at that path as soon as the new one is finished.

    Raises:
        UserError: see `workflow.train`.
    """
    begun = begun_run(path, config, overwrite)
    if begun is not None and is_over(begun):
        settle(path)  # if the process was killed before the new run took the place
        return
    place = {"run_dir": path.parent.parent, "name": path.name}
    how = {"resume": begun is not None, "overwrite": overwrite and begun is None}
    workflow.train(task, replace(config, **place, **how), begun)


def begun_run(path: Path, config: TrainingConfig, overwrite: bool = False) -> RunFolder | None:
    """Return the run of these settings at a path, the one that is to replace it first.

    Args:
        overwrite: look only for the one that is to replace it.
    """
    places = [RunFolder(path).replacement, *([] if overwrite else [run_at(path)])]
    return next((run for run in places if _has_settings(run, config)), None)


def _has_settings(run: RunFolder, config: TrainingConfig) -> bool:
    if run.damage is not None:
        return False
    return not other_settings(run_config(type(config), run), config, MACHINE_SETTINGS)
