"""What a run is told: one dataclass per task, and what makes its values sensible.

Nothing here imports TensorFlow, so that help, a bad flag and `--print-config` answer at once.
"""

import dataclasses
import re
from pathlib import Path
from typing import Annotated, Literal, Self

import tyro

# These say where a run goes and how this call is made, not what is trained: flags, never keys.
CALL_FLAGS = frozenset({"name", "run_dir", "resume", "overwrite", "config", "print_config"})


Switch = Annotated[bool, tyro.conf.FlagCreatePairsOff]  # --flag alone, no --no-flag


class UserError(Exception):
    """Something the user can put right: what is wrong, where, and what to do, in one line."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunChoice:
    """Which run to use."""

    name: str | None = None
    """Name of the run (default: the latest finished one)."""
    run_dir: Path = Path("runs")
    """Folder that holds all runs."""
    run: Path | None = None
    """Folder of a run, wherever it is, in place of --name and --run-dir; such as best/ of a
    search."""

    def check(self) -> None:
        """Raises `UserError` where a value makes no sense."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommonConfig:
    """What every task's `train` takes. Precedence: default < --config FILE < flags."""

    name: str | None = None
    """Name of the run (default: the model and the time)."""
    run_dir: Path = Path("runs")
    """Folder that holds all runs; this one goes to RUN_DIR/TASK/NAME."""
    resume: Switch = False
    """Go on with an interrupted run (the latest one unless --name is given)."""
    overwrite: Switch = False
    """Throw away a run of the same name first."""
    config: Path | None = None
    """YAML file with any of the keys below; flags win over it."""
    print_config: Switch = False
    """Print the complete configuration as YAML and stop."""

    dataset: str | None = None
    """Name of a prepared TensorFlow dataset."""
    data_dir: Path | None = None
    """Folder with your own data, used in place of --dataset."""
    limit: int | None = None
    """Use at most so many training examples, and as large a share of the others."""

    seed: int = 1
    """Seed of weights, order and dropout."""
    epochs: int = 10
    """Passes over the training data at most."""
    batch_size: int = 64
    """Examples per step."""
    learning_rate: float = 1e-3
    """Learning rate at the start."""
    schedule: Literal["constant", "cosine", "step"] = "constant"
    """cosine: lower the learning rate to 0 over all epochs; step: to a tenth after half of them and
    again after three quarters."""
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd", "momentum"] = "adam"
    """Optimizer; momentum is SGD with Nesterov momentum 0.9."""
    weight_decay: float = 0.0
    """Share of a weight, times the learning rate, taken off in each step; biases keep all."""
    clip_norm: float = 1.0
    """Clip the gradients' global norm here; 0: never."""
    patience: int = 10
    """Stop after so many epochs without a better validation figure; 0: never."""

    device: str = "auto"
    """auto, cpu, gpu, or one of several GPUs as gpu:0, gpu:1 ..."""
    mixed_precision: Literal["off", "float16", "bfloat16"] = "off"
    """Compute in 16 bits, keep weights in 32."""
    jit: Literal["auto", "on", "off"] = "auto"
    """Compile the training step with XLA."""
    strategy: Literal["none", "mirrored"] = "none"
    """mirrored: one replica per GPU; on a machine without GPUs, two on the CPU, to try it out."""

    def check(self) -> None:
        """Raises `UserError` where a value makes no sense."""
        require(self.epochs >= 1, "epochs", "1 or more", self.epochs)
        if isinstance(self.batch_size, int):
            require(self.batch_size >= 1, "batch_size", "1 or more", self.batch_size)
        require(self.learning_rate > 0, "learning_rate", "above 0", self.learning_rate)
        require(self.weight_decay >= 0, "weight_decay", "0 or more", self.weight_decay)
        require(self.clip_norm >= 0, "clip_norm", "0 or more", self.clip_norm)
        require(self.patience >= 0, "patience", "0 or more", self.patience)
        require(0 <= self.seed < 2**31, "seed", "from 0 to 2147483647", self.seed)
        require(self.limit is None or self.limit >= 1, "limit", "1 or more", self.limit)
        known_device = re.fullmatch(r"auto|cpu|gpu(:\d+)?", self.device)
        require(known_device is not None, "device", "auto, cpu, gpu or gpu:N", self.device)
        if self.name is not None:
            check_name(self.name)
        if self.dataset and self.data_dir:
            raise UserError("--dataset and --data-dir are two sources: give one of them")
        if self.resume and self.overwrite:
            raise UserError("--resume and --overwrite contradict each other: give one of them")

    @property
    def kind(self) -> str:
        """What a run without a name is called after."""
        return "run"

    def resolved(self) -> Self:
        """With all that is left open decided."""
        return self

    @classmethod
    def file_keys(cls) -> list[str]:
        """The keys a configuration file may hold."""
        return [f.name for f in dataclasses.fields(cls) if f.name not in CALL_FLAGS]

    def without_call_flags(self) -> Self:
        """The same training, said without where it goes."""
        defaults = {f.name: f.default for f in dataclasses.fields(self) if f.name in CALL_FLAGS}
        return dataclasses.replace(self, **defaults)


def require(holds: bool, key: str, wanted: str, got: object) -> None:
    """Raises `UserError` naming flag and key, unless `holds`."""
    if not holds:
        raise UserError(f"--{key.replace('_', '-')} (key {key}) must be {wanted}, got {got!r}")


def check_name(name: str) -> None:
    """A run's name is one plain folder name."""
    if not re.fullmatch(r"[\w][\w.+=-]*", name):
        raise UserError(
            f"--name {name!r} must be letters, digits and . _ - + = (no path; no space)"
        )
