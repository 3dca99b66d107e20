"""The settings of a training, as one dataclass per section.

A task's config is composed of these sections:

    network         the task's own: which network, how large
    data            what it is trained on
    optimisation    how it is trained
    hardware        on which devices and in which precision it is trained
    tracking        where else the run is logged
    run             where the results go, and options of this call; flags, never keys of a file
    recurrent       how recurrent layers begin and learn over time, if the task has any

Every setting has one name in all places: `--learning-rate` on the command line, `learning_rate` in
a YAML file (which has no sections), in a search space and in `pipelines.train(...)`, and
`config.optimisation.learning_rate` in code. Therefore each name is used in one section only.

Nothing here imports TensorFlow: help, a bad flag and `--print-config` answer at once.
"""

import dataclasses
import re
import typing
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from .bounds import check_bounds
from .errors import UserError, brief, require, require_name
from .stop_when import stop_kinds

Schedule = Literal["constant", "cosine", "step"]
T = TypeVar("T")
MOST_SEEDS = 1000  # of one command, and workers


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """Settings that belong together."""

    def check(self) -> None:
        """Raise `UserError` if a value is not valid."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSettings(Section):
    """What a network is trained on."""

    dataset: str | None = None
    """Name of a prepared TensorFlow dataset."""
    data_dir: Path | None = None
    """Folder with your own data, used in place of --dataset."""
    ready_splits: bool = True
    """Use the files or folders of --data-dir that are named train, val and test (or training,
    valid, validation, dev, testing, eval) as splits. --no-ready-splits: such folders are
    classes."""
    limit: int | None = None
    """Maximum number of training examples; validation and test are reduced in proportion (default:
    all)."""

    def check(self) -> None:
        require(self.limit is None or self.limit >= 1, "limit", "1 or more", self.limit)
        if self.dataset and self.data_dir:
            raise UserError("--dataset and --data-dir are two sources: give one of them")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimisation(Section):
    """How a network is trained."""

    epochs: int = 10
    """Maximum number of passes over the training data."""
    batch_size: int = 64
    """Number of examples per training step."""
    learning_rate: float = 1e-3
    """Learning rate at the start."""
    schedule: Schedule = "constant"
    """Schedule of the learning rate. cosine: down to 0 over all epochs; step: divided by 10 after
    half of the epochs and again after three quarters."""
    warm_up: int = 0
    """Number of training steps in which the learning rate first rises to its value (Goyal et al.
    2017); 0: none."""
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd", "momentum"] = "adam"
    """Optimizer; momentum is SGD with Nesterov momentum 0.9."""
    weight_decay: float = 0.0
    """Decoupled weight decay: each step reduces each weight by the fraction weight decay times
    learning rate; biases are exempt."""
    clip_norm: float = 1.0
    """Maximum global norm of the gradients; larger gradients are scaled down. 0: no clipping."""
    patience: int = 10
    """Stop after this number of epochs without a better validation result; 0: never."""
    stop_when: str = ""
    """Stop early if this goes wrong: stuck, dead, vanishing, exploding, diverged; several are
    separated by commas (default: only warn)."""
    seed: int = 1
    """Seed of the initial weights, the order of the examples and dropout."""

    def check(self) -> None:
        require(self.epochs >= 1, "epochs", "1 or more", self.epochs)
        if isinstance(self.batch_size, int):
            require(self.batch_size >= 1, "batch_size", "1 or more", self.batch_size)
        require(self.learning_rate > 0, "learning_rate", "above 0", self.learning_rate)
        require(self.warm_up >= 0, "warm_up", "0 or more", self.warm_up)
        require(self.weight_decay >= 0, "weight_decay", "0 or more", self.weight_decay)
        require(self.clip_norm >= 0, "clip_norm", "0 or more", self.clip_norm)
        require(self.patience >= 0, "patience", "0 or more", self.patience)
        stop_kinds(self.stop_when)
        require(0 <= self.seed < 2**31, "seed", "from 0 to 2147483647", self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hardware(Section):
    """On which devices a network is trained, and in which precision."""

    device: str = "auto"
    """auto, cpu, gpu, or one of several GPUs: gpu:0, gpu:1, ..."""
    mixed_precision: Literal["off", "float16", "bfloat16"] = "off"
    """Compute in 16 bits; weights stay in 32 bits."""
    jit: Literal["auto", "on", "off"] = "auto"
    """Compile the training step with XLA."""
    strategy: Literal["none", "mirrored", "multi-worker", "auto"] = "none"
    """mirrored: one replica per GPU; on a machine without GPUs, two replicas on the CPU, to try it
    out. multi-worker: several processes, on one machine or several, as TF_CONFIG or Slurm names
    them. auto: multi-worker if there are several workers, mirrored if there are several GPUs."""

    def check(self) -> None:
        is_known = re.fullmatch(r"auto|cpu|gpu(:\d{1,4})?", self.device) is not None
        require(is_known, "device", "auto, cpu, gpu or gpu:N", self.device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tracking(Section):
    """Where else a run is logged."""

    log: Literal["none", "mlflow"] = "none"
    """Log the run also to an experiment tracker. mlflow (extra [mlflow]): settings, figures of each
    epoch, findings, plots, model card and best model, to MLFLOW_TRACKING_URI and
    MLFLOW_EXPERIMENT_NAME; without these variables to mlflow.db in the current folder, experiment
    errorflow/TASK."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings(Section):
    """Where the results go."""

    name: str | None = None
    """Name of the run (default: the model and the time)."""
    run_dir: Path = Path("runs")
    """Folder of all runs; this one goes to RUN_DIR/TASK/NAME."""
    resume: bool = False
    """Resume an interrupted run (the latest one unless --name is given)."""
    overwrite: bool = False
    """Replace an earlier run of the same name as soon as the new one is finished."""
    seeds: int | None = None
    """Train this number of runs, NAME-seed1, NAME-seed2, ..., with the seeds SEED, SEED + 1, ...,
    and report the mean of their figures with its 95 % interval; the same command goes on if it was
    interrupted."""
    workers: int = 1
    """Number of runs of --seeds that train at the same time; CPU cores and GPUs are divided among
    them."""
    config: Path | None = None
    """YAML file with any of the settings; flags take precedence over it."""
    print_config: bool = False
    """Print the complete configuration as YAML and exit."""

    def check(self) -> None:
        if self.name is not None:
            require_name(self.name)
        if self.resume and self.overwrite:
            raise UserError("--resume and --overwrite contradict each other: give one of them")
        self._check_counts()
        if self.seeds is not None and self.resume:
            raise UserError("--seeds goes on without --resume: give the same command again")

    def _check_counts(self) -> None:
        for name in ("seeds", "workers"):
            value = getattr(self, name)
            if value is not None and not (type(value) is int and 1 <= value <= MOST_SEEDS):
                raise UserError(f"--{name} must be from 1 to {MOST_SEEDS:,}, got {brief(value)}")
        if self.seeds is None and self.workers != 1:
            raise UserError("--workers is the number of runs at the same time: give --seeds, too")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunChoice(Section):
    """Which trained run to use."""

    name: str | None = None
    """Name of the run (default: the latest finished one)."""
    run_dir: Path = Path("runs")
    """Folder of all runs."""
    run: Path | None = None
    """Path of a run folder, in place of --name and --run-dir; for example best/ of a search."""

    def check(self) -> None:
        if self.run is not None and self.name is not None:
            raise UserError("--run and --name both choose the run: give one of them")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig(Section):
    """The settings of a training, in sections; precedence: default < YAML file < flags."""

    network: Any
    """The network."""
    data: DataSettings = DataSettings()
    """The data to train on."""
    optimisation: Optimisation = Optimisation()
    """How to train."""
    hardware: Hardware = Hardware()
    """Devices and precision."""
    tracking: Tracking = Tracking()
    """Where else to log the run."""
    run: RunSettings = RunSettings()
    """Where the results go, and how to call."""

    @property
    def kind(self) -> str:
        """The first part of an automatic run name."""
        return self.network.model

    def resolved(self) -> Self:
        """Return a copy in which the defaults that depend on other settings are filled in."""
        return self

    def fixed_settings(self) -> dict[str, Any]:
        """Return the settings that others determine, by name: a search must not vary them."""
        return {}

    def check(self) -> None:
        """Raise `UserError` if a value, or a combination of values, is not valid."""
        for section in sections(self).values():
            section.check()
        check_bounds(flat(self))


# Access by setting name


def sections(config: Section) -> dict[str, Section]:
    """Return the sections of a config, by field name."""
    values = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    return {name: value for name, value in values.items() if isinstance(value, Section)}


def section_types(cls: type[Section]) -> dict[str, type[Section]]:
    """Return the class of each section of a config class."""
    hints = typing.get_type_hints(cls)
    return {
        name: hint
        for name, hint in hints.items()
        if isinstance(hint, type) and issubclass(hint, Section)
    }


def setting_types(cls: type[TrainingConfig]) -> dict[str, Any]:
    """Return the type of every setting that a file may hold, by name."""
    return {
        field.name: typing.get_type_hints(section)[field.name]
        for name, section in section_types(cls).items()
        if name != "run"
        for field in dataclasses.fields(section)
    }


def flat(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings by name, without those of the section `run`."""
    return {
        field.name: getattr(section, field.name)
        for name, section in sections(config).items()
        if name != "run"
        for field in dataclasses.fields(section)
    }


def replace(config: T, **settings: Any) -> T:
    """Return a copy of a config with new values for some settings, by name.

    Raises:
        KeyError: no section has a setting of that name.
    """
    places = {
        field.name: name
        for name, section in sections(typing.cast(Section, config)).items()
        for field in dataclasses.fields(section)
    }
    changes: dict[str, dict[str, Any]] = {}
    for setting, value in settings.items():
        changes.setdefault(places[setting], {})[setting] = value
    return dataclasses.replace(  # pyright: ignore[reportReturnType]
        typing.cast(Any, config),
        **{
            name: dataclasses.replace(getattr(config, name), **values)
            for name, values in changes.items()
        },
    )
