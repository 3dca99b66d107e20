"""The plan of a search: what is trained, which settings are searched, and how."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..core.config import TrainingConfig
from ..core.config_files import config_dict, load_yaml
from ..core.console import note
from ..core.files import read_json
from ..core.space import Space
from ..core.space_file import narrow
from ..training.task import Task
from .config import SearchSettings, TuneConfig, parse_objective
from .hyperparameters import suggest

FIXED = "fixed"  # key of search.json: the settings that flags have fixed


@dataclasses.dataclass(frozen=True)
class SearchPlan:
    """The plan of a search.

    Attributes:
        task: the task that is trained.
        config: all settings, as `tune` received them.
        training: the training settings that all trials share.
        space: the searched settings, with their values.
        fixed: the settings of the task's space that flags have fixed, with their values.
    """

    task: Task
    config: TuneConfig
    training: TrainingConfig
    space: Space
    fixed: Mapping[str, Any]

    @property
    def settings(self) -> SearchSettings:
        """How to search."""
        return self.config.search

    @property
    def project(self) -> Path:
        """The folder of the search."""
        return project_folder(self.task, self.settings)

    @property
    def objective(self) -> dict[str, str] | None:
        """The objective, as `trial_folder.Request` holds it; None: chosen by the task."""
        objective = self.settings.objective
        return None if objective is None else parse_objective(objective)

    def trial_folder(self, trial_id: str) -> Path:
        """Return the folder of a trial."""
        return self.project / f"trial_{trial_id}"

    def trial_values(self, hyperparameters: Any) -> dict[str, Any]:
        """Return the values of the settings that are active in a trial."""
        return suggest(self.space, hyperparameters)


def read_plan(task: Task, config: TuneConfig, flags: Collection[str] = ()) -> SearchPlan:
    """Return the plan that the settings and their space file describe.

    Args:
        flags: the settings that were written as flags; those of the space are fixed.

    Raises:
        UserError: the space file is not valid, or a flag contradicts it.
    """
    training, space, file = config.training(), task.space, config.search.space
    for key, value in training.resolved().fixed_settings().items():
        if key in space:
            space, training = narrow(space, {key: value}, key, training)
    flags = _fixing(flags, space, config, project_folder(task, config.search))
    fixed = {
        key: value for key, value in config_dict(training).items() if key in {*flags} & {*space}
    }
    if file is not None or fixed:
        content = {} if file is None else load_yaml(file)
        space, training = narrow(space, content, str(file), training, flags)
    return SearchPlan(task, config, training, space, fixed)


def _fixing(
    flags: Collection[str], space: Space, config: TuneConfig, project: Path
) -> Collection[str]:
    """Return the flags that fix their settings: none in a search that began before they did so."""
    file = project / "search.json"
    if config.run.overwrite or not file.is_file() or FIXED in read_json(file):
        return flags
    if ignored := [key for key in space if key in flags]:
        note(
            f"{project} was begun by an earlier version, which searches {', '.join(ignored)} in"
            " spite of the flags, and goes on so; --overwrite starts anew"
        )
    return ()


def project_folder(task: Task, settings: SearchSettings) -> Path:
    """Return the folder of a search."""
    return settings.directory / (settings.project_name or task.name)
