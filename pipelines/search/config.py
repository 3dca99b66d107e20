"""What a search is told, beside what is trained. Nothing here imports TensorFlow."""

import dataclasses
import functools
import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from ..core.config import Section, TrainingConfig, section_types
from ..core.config_files import load_yaml
from ..core.errors import UserError, require, require_name
from ..core.space import Space
from ..core.space_file import narrow
from ..training.task import Task
from .hyperparameters import suggest


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchSettings(Section):
    """How to search for better settings."""

    oracle: Literal["random", "grid", "bayesian", "hyperband"] = "random"
    """How values are chosen: at random, all in order, where a Gaussian process of the finished
    trials promises most, or in rounds of ever fewer and longer trials."""
    max_trials: int | None = None
    """Trials at most (default: 20; of grid and hyperband, as many as they have)."""
    executions_per_trial: int = 1
    """Trainings of each trial, with different seeds; the mean of their scores counts."""
    objective: str | None = None
    """Figure of an epoch to search by, such as val_accuracy or val_loss; NAME:min or NAME:max where
    the name does not tell (default: what the task's own trainings are judged by)."""
    directory: Path = Path("searches")
    """Folder that holds all searches; all machines of a search must see the same one."""
    project_name: str | None = None
    """Name of the search (default: the task's); the same command goes on with it."""
    max_model_size: int | None = None
    """Fail trials whose network has more parameters."""
    factor: int = 3
    """Of hyperband: each round has so many times fewer trials, and more epochs; the last has
    --epochs."""
    hyperband_iterations: int = 1
    """Of hyperband: how often to go through all its rounds."""
    space: Path | None = None
    """YAML file that narrows or fixes what is searched: `units: [64, 128]`, `model: lstm`,
    `learning_rate: {low: 1e-3, high: 1e-2, log: true}`."""
    keep: int = 3
    """The best so many trials keep their networks."""
    prune: bool = True
    """Stop a trial whose best figure so far is worse than the median of finished trials' at that
    epoch, from the third epoch and the fifth finished trial on."""
    prune_vanishing: bool = False
    """Stop a trial when during its first three epochs less than a thousandth of the last step's
    error reaches the first step."""

    workers: int | None = None
    """Trials at once on this machine; processors and GPUs are divided among them (default: 1, and
    none beside --chief)."""
    chief: str | None = None
    """HOST:PORT, or PORT for this machine alone; let other workers take part, by a service there.
    It has no authentication: only in a network that you trust."""
    worker_of: str | None = None
    """HOST:PORT of a chief; take part in its search. --directory and --project-name must name its
    folder, and everything else is read from there."""

    def check(self) -> None:
        for key in ("max_trials", "executions_per_trial", "max_model_size", "keep"):
            value = getattr(self, key)
            require(value is None or value >= 1, key, "1 or more", value)
        require(self.factor >= 2, "factor", "2 or more", self.factor)
        rounds = self.hyperband_iterations
        require(rounds >= 1, "hyperband_iterations", "1 or more", rounds)
        least = 0 if self.chief else 1
        some = self.workers is None or self.workers >= least
        require(some, "workers", f"{least} or more", self.workers)
        if self.chief and self.worker_of:
            raise UserError("--chief and --worker-of: a process is one or the other")
        for flag in ("chief", "worker_of"):
            if getattr(self, flag) is not None:
                host_and_port(getattr(self, flag), flag)
        if self.project_name is not None:
            check_project(self.project_name)
        if self.objective is not None:
            objective(self.objective)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchCall(Section):
    """How this call is made."""

    overwrite: bool = False
    """Delete an earlier search of the same name first."""
    config: Path | None = None
    """YAML file with any of the settings; flags take precedence over it."""
    print_config: bool = False
    """Print the complete configuration as YAML and exit."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneConfig(TrainingConfig):
    """The settings of a search, and those that all its trials have in common.

    The settings that are searched begin there, for the oracles that need a start.
    """

    training_class: ClassVar[type[TrainingConfig]]

    search: SearchSettings = SearchSettings()
    """How to search."""
    run: SearchCall = SearchCall()  # pyright: ignore[reportIncompatibleVariableOverride]
    """How to call."""

    def training(self) -> TrainingConfig:
        """The settings of the trials."""
        names = [name for name in section_types(self.training_class) if name != "run"]
        return self.training_class(**{name: getattr(self, name) for name in names})

    def check(self) -> None:
        """Raise `UserError` where a value makes no sense."""
        self.search.check()
        self.run.check()
        self.training().resolved().check()
        device = self.hardware.device
        if (self.search.workers or 1) > 1 and device.startswith("gpu:"):
            raise UserError(f"--device {device} with several --workers: they divide all GPUs")


@functools.cache
def tune_config(training_class: type[TrainingConfig]) -> type[TuneConfig]:
    """The class of a task's search settings: a `TuneConfig` with the sections of its trainings."""
    sections = {f.name: f.default for f in dataclasses.fields(training_class) if f.name != "run"}
    defaults = {"search": SearchSettings()} | sections
    fields = [(name, type(v), dataclasses.field(default=v)) for name, v in defaults.items()]
    return dataclasses.make_dataclass(
        "TuneConfig",
        fields,
        bases=(TuneConfig,),
        namespace={"training_class": training_class},
        frozen=True,
        kw_only=True,
    )


@dataclasses.dataclass(frozen=True)
class Search:
    """A search.

    Attributes:
        task, config: what is trained; the settings that all trials have in common.
        space: the settings that differ.
        told: how to search.
        overwrite: whether an earlier search of that name is deleted.
        project: its folder.
        asked: all settings, as they are written for workers.
    """

    task: Task
    config: TrainingConfig
    space: Space
    told: SearchSettings
    overwrite: bool
    project: Path
    asked: TuneConfig

    @property
    def objective(self) -> dict[str, str] | None:
        """As `trial_folder.Request` takes it."""
        return None if self.told.objective is None else objective(self.told.objective)

    def folder(self, trial_id: str) -> Path:
        """The folder of a trial."""
        return self.project / f"trial_{trial_id}"

    def drawn(self, hyperparameters: Any) -> dict[str, Any]:
        """The values of a trial: of the settings that are active in it."""
        return suggest(self.space, hyperparameters)


def read_search(task: Task, asked: TuneConfig) -> Search:
    """The search that the settings and their space file describe.

    Raises:
        UserError: the space file makes no sense.
    """
    told, config, space = asked.search, asked.training(), task.space
    if told.space is not None:
        space, config = narrow(space, load_yaml(told.space), str(told.space), config)
    project = told.directory / (told.project_name or task.name)
    return Search(task, config, space, told, asked.run.overwrite, project, asked)


def check_project(name: str) -> None:
    """Raise `UserError` unless a search's name is one plain folder name."""
    require_name(name, "--project-name")


def objective(text: str) -> dict[str, str]:
    """{"name": …, "direction": …} of val_loss, or of val_this:max."""
    name, colon, direction = text.partition(":")
    if not name or (colon and direction not in ("min", "max")):
        raise UserError(f"--objective {text!r} must be NAME, NAME:min or NAME:max")
    low = re.search(r"loss|wrong|error|_rate\b|mse|mae", name)
    return {"name": name, "direction": direction or ("min" if low else "max")}


def host_and_port(address: str, flag: str) -> tuple[str, int]:
    """Of HOST:PORT, or of PORT on this machine alone."""
    host, _, port = address.rpartition(":")
    host = host or "127.0.0.1"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        shown = flag.replace("_", "-")
        raise UserError(f"--{shown} {address!r} must be HOST:PORT, or a PORT of this machine alone")
    return host, int(port)
