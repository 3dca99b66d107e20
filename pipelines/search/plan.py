"""The plan of a search: what is trained, which settings are searched, and how."""

import dataclasses
from pathlib import Path
from typing import Any

from ..core.config import TrainingConfig
from ..core.config_files import load_yaml
from ..core.space import Space
from ..core.space_file import narrow
from ..training.task import Task
from .config import SearchSettings, TuneConfig, parse_objective
from .hyperparameters import suggest


@dataclasses.dataclass(frozen=True)
class SearchPlan:
    """The plan of a search.

    Attributes:
        task: the task that is trained.
        config: all settings, as `tune` received them.
        training: the training settings that all trials share.
        space: the searched settings, with their values.
    """

    task: Task
    config: TuneConfig
    training: TrainingConfig
    space: Space

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


def read_plan(task: Task, config: TuneConfig) -> SearchPlan:
    """Return the plan that the settings and their space file describe.

    Raises:
        UserError: the space file is not valid.
    """
    training, space, file = config.training(), task.space, config.search.space
    for key, value in training.resolved().fixed_settings().items():
        if key in space:
            space, training = narrow(space, {key: value}, key, training)
    if file is not None:
        space, training = narrow(space, load_yaml(file), str(file), training)
    return SearchPlan(task, config, training, space)


def project_folder(task: Task, settings: SearchSettings) -> Path:
    """Return the folder of a search."""
    return settings.directory / (settings.project_name or task.name)
