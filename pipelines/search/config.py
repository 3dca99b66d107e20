"""The settings of `tune`. Nothing here imports TensorFlow."""

import dataclasses
import functools
from pathlib import Path
from typing import ClassVar, Literal

from ...callbacks.treatment.direction import direction_of
from ..core.bounds import check_bounds
from ..core.config import Section, TrainingConfig, section_types
from ..core.errors import UserError, brief, require, require_name

ONE_PROCESS = (
    "a search trains each network in one process; to use several machines, give `tune --chief"
    " HOST:PORT` on one of them and `tune --worker-of HOST:PORT` on the others"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchSettings(Section):
    """How to search for better settings."""

    oracle: Literal["random", "grid", "bayesian", "hyperband"] = "random"
    """Search algorithm. random: random values; grid: all combinations in order; bayesian: values
    that a Gaussian process, fitted to the finished trials, expects to be best; hyperband: rounds
    with fewer trials and more epochs each."""
    max_trials: int | None = None
    """Maximum number of trials (default: 20; for grid and hyperband, no limit)."""
    executions_per_trial: int = 1
    """Number of trainings per trial, each with another seed; the trial's score is their mean."""
    objective: str | None = None
    """Column of history.csv to optimize, such as val_accuracy or val_loss; append :min or :max if
    the name does not imply the direction (default: the metric that selects the best epoch)."""
    directory: Path = Path("searches")
    """Folder of all searches; all machines of a search need access to it."""
    project_name: str | None = None
    """Name of the search (default: name of the task); the same command resumes it."""
    max_model_size: int | None = None
    """Maximum number of parameters; trials with larger networks fail."""
    factor: int = 3
    """Hyperband only: each round has 1/FACTOR of the trials and FACTOR times the epochs of the
    round before; the last round trains for --epochs."""
    hyperband_iterations: int = 1
    """Hyperband only: number of times that the whole algorithm is run."""
    space: Path | None = None
    """YAML file that restricts or fixes the searched settings: `units: [64, 128]`, `model: lstm`,
    `learning_rate: {low: 1e-3, high: 1e-2, log: true}`. A flag, such as --model lstm, fixes its
    setting, too."""
    keep: int = 3
    """Number of best trials whose models are kept."""
    prune: bool = True
    """Stop a trial whose best result so far is worse than the median of the finished trials at the
    same epoch; starts at the third epoch, after five finished trials."""
    prune_vanishing: bool = False
    """Stop a trial if, in each of its first three epochs, less than a thousandth of the error at
    the last time step reaches the first time step."""

    workers: int | None = None
    """Number of trials that run at the same time on this machine; CPU cores and GPUs are divided
    among them (default: 1; with --chief, 0)."""
    chief: str | None = None
    """HOST:PORT, or PORT for this machine only: start a service there, so that workers on other
    machines can take part. It has no authentication: use it in trusted networks only."""
    worker_of: str | None = None
    """HOST:PORT of a chief: run trials of its search. --directory and --project-name must name the
    folder of that search; all other settings are read from it."""

    def check(self) -> None:
        for name in ("max_trials", "executions_per_trial", "max_model_size", "keep"):
            value = getattr(self, name)
            require(value is None or value >= 1, name, "1 or more", value)
        check_bounds(vars(self))
        require(self.factor >= 2, "factor", "2 or more", self.factor)
        iterations = self.hyperband_iterations
        require(iterations >= 1, "hyperband_iterations", "1 or more", iterations)
        minimum = 0 if self.chief else 1
        is_enough = self.workers is None or self.workers >= minimum
        require(is_enough, "workers", f"{minimum} or more", self.workers)
        if self.chief and self.worker_of:
            raise UserError("--chief and --worker-of exclude each other: give one of them")
        if self.chief is not None:
            parse_address(self.chief, "--chief")
        if self.worker_of is not None:
            parse_address(self.worker_of, "--worker-of")
        if self.project_name is not None:
            require_name(self.project_name, "--project-name")
        if self.objective is not None:
            parse_objective(self.objective)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchCall(Section):
    """Options of this call."""

    overwrite: bool = False
    """Delete an earlier search of the same name first."""
    config: Path | None = None
    """YAML file with any of the settings; flags take precedence over it."""
    print_config: bool = False
    """Print the complete configuration as YAML and exit."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _SearchSection(Section):
    search: SearchSettings = SearchSettings()
    """How to search for better settings."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneConfig(TrainingConfig, _SearchSection):  # the last base has the first fields
    """The settings of a search, and the training settings that all its trials share.

    A training setting of the task's space is searched unless a flag gives its value; a value of a
    --config file is its default.
    """

    training_class: ClassVar[type[TrainingConfig]]

    run: SearchCall = SearchCall()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Options of this call."""

    def training(self) -> TrainingConfig:
        """Return the settings of the trainings."""
        names = [name for name in section_types(self.training_class) if name != "run"]
        return self.training_class(**{name: getattr(self, name) for name in names})

    def check(self) -> None:
        """Raise `UserError` if a value is not valid."""
        self.search.check()
        self.run.check()
        self.training().resolved().check()
        if self.hardware.strategy == "multi-worker":
            raise UserError(f"--strategy multi-worker: {ONE_PROCESS}")
        device = self.hardware.device
        if (self.search.workers or 1) > 1 and device.startswith("gpu:"):
            raise UserError(
                f"--device {device} and several --workers: the workers divide all GPUs among them"
            )


@functools.cache
def tune_config(training_class: type[TrainingConfig]) -> type[TuneConfig]:
    """Return the config class of a task's searches: `search` and the sections of its trainings."""
    defaults = {f.name: f.default for f in dataclasses.fields(training_class) if f.name != "run"}
    fields = [(name, type(v), dataclasses.field(default=v)) for name, v in defaults.items()]
    return dataclasses.make_dataclass(
        "TuneConfig",
        fields,
        bases=(TuneConfig,),
        namespace={"training_class": training_class},
        frozen=True,
        kw_only=True,
    )


def parse_objective(text: str) -> dict[str, str]:
    """Return {"name": …, "direction": …} of an objective such as "val_loss" or "val_f1:max"."""
    name, colon, direction = text.partition(":")
    if not name or (colon and direction not in ("min", "max")):
        raise UserError(f"--objective {text!r} must be NAME, NAME:min or NAME:max")
    return {"name": name, "direction": direction or direction_of(name) or "max"}


def parse_address(address: str, flag: str) -> tuple[str, int]:
    """Return host and port of "HOST:PORT", or of "PORT" on this machine."""
    host, _, port = address.rpartition(":")
    host = host or "127.0.0.1"
    if not port.isdecimal() or len(port) > 5 or not 0 < int(port) < 65536:
        raise UserError(f"{flag} {brief(address)} must be HOST:PORT, or PORT for this machine only")
    return host, int(port)
