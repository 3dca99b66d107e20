"""The plan of a doctor: the run, the short training that all trials share, and where they are.

RUN/doctor/
    settings.json           what the trials have in common; a doctor with other settings refuses
    trials/untreated/seed-1/  trials/clip-norm/seed-1/  trials/clip-norm+lstm/seed-1/
                            trials as those of a search: see `search.trial_folder`
    doctor.json             the answer so far, `Answer.as_json()`
    answer.png              the trainings before and after
    best/config.yaml        the run's settings with the best cure
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.config import TrainingConfig, replace
from ..core.config_files import config_dict
from ..core.files import read_json
from ..core.run_config import run_config
from ..core.run_folder import RunFolder, read_history
from ..core.run_lifecycle import MACHINE_SETTINGS
from ..core.run_selection import configured_run
from ..training.task import Task
from .config import DoctorConfig

SHARE, FEWEST = 1 / 3, 3  # of the run's epochs, that each training has
SEEDS = 2**31  # the number of seeds


@dataclasses.dataclass(frozen=True)
class TreatmentPlan:
    """The plan of a doctor.

    Attributes:
        task: the task of the run.
        run: the run that is treated.
        original: the settings of the run.
        settings: the settings of the doctor.
        epochs: number of epochs of each training.
    """

    task: Task
    run: RunFolder
    original: TrainingConfig
    settings: DoctorConfig
    epochs: int

    @property
    def folder(self) -> Path:
        """The folder of all files."""
        return self.run.path / "doctor"

    @property
    def lock_file(self) -> Path:
        """Held while a doctor is at work."""
        return self.folder / "lock.json"

    @property
    def answer_file(self) -> Path:
        """The answer so far."""
        return self.folder / "doctor.json"

    @property
    def best_config_file(self) -> Path:
        """The run's settings with the best cure; there is none without a cure."""
        return self.folder / "best" / "config.yaml"

    @property
    def runs(self) -> Path:
        """The folder of all runs: that of the run, unless it is best/ of a search."""
        is_of_search = (self.run.path.parent / "search.json").exists()
        if is_of_search or self.run.task != self.task.name:
            return self.settings.run.run_dir
        return self.run.path.parent.parent

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the trainings, that of the run first."""
        first = self.original.optimisation.seed
        return tuple((first + number) % SEEDS for number in range(self.settings.seeds))

    @property
    def limit(self) -> int | None:
        """Maximum number of training examples."""
        return self.settings.limit or self.original.data.limit

    def trial_folder(self, remedies: Sequence[str], seed: int) -> Path:
        """Return the folder of a training with some remedies, or untreated."""
        return self.folder / "trials" / ("+".join(remedies) or "untreated") / f"seed-{seed}"

    def trial_config(self, changes: Mapping[str, Any], seed: int) -> TrainingConfig:
        """Return the settings of a short training with some changes.

        It is never ended for a warning: figures of fewer epochs could not be compared. No tracker
        lists it.
        """
        short = {"epochs": self.epochs, "limit": self.limit, "seed": seed, "stop_when": ""}
        own = {**_of_one_process(self), **short, "log": "none"}
        return replace(self.original, **own, **changes).resolved()

    def common_settings(self) -> dict[str, Any]:
        """Return what must not change between two doctors that share trainings."""
        config = config_dict(self.original)
        return {
            "epochs": self.epochs,
            "limit": self.limit,
            "config": {key: value for key, value in config.items() if key not in MACHINE_SETTINGS},
        }


def _of_one_process(plan: TreatmentPlan) -> dict[str, Any]:
    """Return the changes with which a run of several workers, or of one GPU, is a trial."""
    hardware, changes = plan.original.hardware, {}
    if hardware.strategy in ("multi-worker", "auto"):
        changes["strategy"] = "none"
    if plan.settings.workers > 1 and hardware.device.startswith("gpu:"):
        changes["device"] = "gpu"  # the workers divide all GPUs among them
    return changes


def read_plan(task: Task, settings: DoctorConfig) -> TreatmentPlan:
    """Return the plan that the flags and the run describe.

    Raises:
        UserError: there is no such run, or its settings cannot be used.
    """
    run = configured_run(settings.run, task.name)
    config = run_config(task.config, run).resolved()
    epochs = settings.epochs or default_epochs(_epochs_of(run, config))
    plan = TreatmentPlan(task, run, config, settings, epochs)
    plan.trial_config({}, plan.seeds[0]).check()
    return plan


def _epochs_of(run: RunFolder, config: TrainingConfig) -> int:
    """Return the number of epochs of a run, or of a run that did not finish, of its settings."""
    results = run.results()
    is_whole = results.get("status") == "finished" and not results.get("stopped")
    return (len(read_history(run)) if is_whole else 0) or config.optimisation.epochs


def default_epochs(epochs: int) -> int:
    """Return the number of epochs of each training, from that of the run: a third of them."""
    return min(epochs, max(FEWEST, math.ceil(SHARE * epochs)))


def data_hash(run: RunFolder) -> str | None:
    """Return the hash of the data of a run; None: it is unknown."""
    return run.results().get("data", {}).get("content_hash")


def other_settings(plan: TreatmentPlan) -> list[str]:
    """Return the settings in which earlier trainings differ: "epochs (3 → 5)"."""
    earlier, current = read_json(plan.folder / "settings.json"), plan.common_settings()
    if not earlier:
        return []
    old, new = (_flattened(each) for each in (earlier, current))
    common = [key for key in old if key in new]  # an earlier version had fewer settings
    return [f"{key} ({old[key]} → {new[key]})" for key in common if old[key] != new[key]]


def _flattened(settings: Mapping[str, Any]) -> dict[str, Any]:
    config = {f"{key} of the run": value for key, value in settings.get("config", {}).items()}
    return {key: settings.get(key) for key in ("epochs", "limit")} | config
