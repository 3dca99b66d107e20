"""The plan of `train --seeds`: which runs are trained, and where their files are.

RUN_DIR/TASK/
    NAME-seed1/  NAME-seed2/ ...    ordinary run folders
    NAME-seeds/
        config.yaml                 the settings of the runs, with the first seed
        seeds.json                  figures and findings over the seeds: `RunGroup.as_json`
        seed-1/  seed-2/ ...        trials as those of a search: see `trial_folder`; log.txt holds
                                    what the training has printed
"""

import dataclasses
import datetime
import os
import shutil
from pathlib import Path

from ..core.cluster import training_cluster
from ..core.config import TrainingConfig, replace
from ..core.config_files import dump_config, load_config
from ..core.errors import UserError, require_name
from ..core.files import write_text
from ..core.replacement import run_at
from ..core.run_config import other_settings, run_config
from ..core.run_folder import RunFolder
from ..core.run_group import is_over
from ..core.run_lifecycle import MACHINE_SETTINGS, check_can_begin
from ..core.run_lock import hold
from ..training.task import Task
from .full_training import begun_run
from .trial_folder import Request, read_request, read_result
from .trial_process import write_trial

SEEDS = 2**31  # the number of seeds
SUFFIX = "-seeds"
MAY_DIFFER = MACHINE_SETTINGS | {"seed"}


@dataclasses.dataclass(frozen=True)
class SeedPlan:
    """The plan of a training with several seeds.

    Attributes:
        task: the task that is trained.
        config: the settings of all runs, with the first seed.
        name: what the names of the runs begin with.
    """

    task: Task
    config: TrainingConfig
    name: str

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, that of the settings first."""
        first = self.config.optimisation.seed
        return tuple((first + number) % SEEDS for number in range(self.config.run.seeds or 1))

    @property
    def place(self) -> Path:
        """The folder of the task's runs."""
        return self.config.run.run_dir / self.task.name

    @property
    def folder(self) -> Path:
        """The folder of what is no run."""
        return self.place / f"{self.name}{SUFFIX}"

    @property
    def config_file(self) -> Path:
        """The settings of the runs."""
        return self.folder / "config.yaml"

    @property
    def lock_file(self) -> Path:
        """Held while the runs are trained."""
        return self.folder / "lock.json"

    @property
    def report_file(self) -> Path:
        """Figures and findings over the seeds."""
        return self.folder / "seeds.json"

    def run_path(self, seed: int) -> Path:
        """Return where the run of a seed belongs."""
        return self.place / f"{self.name}-seed{seed}"

    def trial_folder(self, seed: int) -> Path:
        """Return the folder of a seed's training."""
        return self.folder / f"seed-{seed}"

    def config_of(self, seed: int) -> TrainingConfig:
        """Return the settings of a run."""
        return replace(self.config, seed=seed)

    def run(self, seed: int) -> RunFolder | None:
        """Return the run of a seed; None: it has not begun."""
        path, config = self.run_path(seed), self.config_of(seed)
        return begun_run(path, config, overwrite=self.replaces(seed))

    def over(self, seed: int) -> RunFolder | None:
        """Return the run of a seed if there is nothing left to train."""
        run = self.run(seed)
        return run if run is not None and is_over(run) else None

    def replaces(self, seed: int) -> bool:
        """Whether a run is to be replaced, as --overwrite says, and is still in its place."""
        folder = self.trial_folder(seed)
        if not (folder / "trial_request.json").exists():
            return False
        is_finished = read_result(folder).get("status", "failed") != "failed"
        return read_request(folder).overwrite and not is_finished


def make_plan(task: Task, config: TrainingConfig) -> SeedPlan:
    """Return the plan of a training with `config.run.seeds` seeds.

    Without --name it has the name of the latest one with the same settings, or a new name.

    Args:
        config: the settings, resolved and checked.

    Raises:
        UserError: several processes are to train one network, or the name is not free.
    """
    _check_one_process(config)
    place = config.run.run_dir / task.name
    name = config.run.name or _name_of_earlier(place, config) or _new_name(place, config)
    plan = SeedPlan(task, config, name)
    require_name(f"{name}-seed{SEEDS}")
    for seed in plan.seeds:
        _check_run(plan, seed)
    if not config.run.overwrite and any(plan.place.glob(f"{name}-seed[0-9]*")):
        _check_settings(plan)
    return plan


def _check_one_process(config: TrainingConfig) -> None:
    strategy = config.hardware.strategy
    if strategy == "multi-worker" or training_cluster(strategy).size > 1:
        raise UserError(
            "--seeds trains each network in one process: give another --strategy, or train one seed"
            " after the other"
        )
    device = config.hardware.device
    if config.run.workers > 1 and device.startswith("gpu:"):
        raise UserError(
            f"--device {device} and several --workers: the workers divide all GPUs among them"
        )


def _name_of_earlier(place: Path, config: TrainingConfig) -> str | None:
    """Return the name of the latest training of several seeds with these settings."""
    files = sorted(place.glob(f"*{SUFFIX}/config.yaml"), key=os.path.getmtime, reverse=True)
    names = (file.parent.name.removesuffix(SUFFIX) for file in files if not _changed(file, config))
    return next(names, None)


def _changed(file: Path, config: TrainingConfig) -> list[str]:
    """Return the settings that are other than those of a file; one that cannot be read is other."""
    try:
        return other_settings(load_config(type(config), file), config, MAY_DIFFER)
    except UserError as error:
        return [str(error)]


def _new_name(place: Path, config: TrainingConfig) -> str:
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name, count = f"{config.kind}-{stamp}", 1
    while (place / f"{name}{SUFFIX}").exists():
        count += 1
        name = f"{config.kind}-{stamp}-{count}"
    return name


def _check_run(plan: SeedPlan, seed: int) -> None:
    """Raise `UserError` if there is something else in the place of a run."""
    path, config = plan.run_path(seed), plan.config_of(seed)
    run = run_at(path)
    if plan.config.run.overwrite or not run.path.exists() or plan.run(seed) is not None:
        named = replace(config, name=path.name, overwrite=True)
        check_can_begin(plan.task.name, named, None)
        return
    if not run.config_file.exists() or not run.results_file.exists():
        raise UserError(f"{path} exists and is not a run: move it or choose another --name")
    if (damage := run.damage) is not None:
        raise UserError(f"run {path} is damaged ({damage}): --overwrite replaces it")
    changed = other_settings(run_config(type(config), run), config, MACHINE_SETTINGS)
    raise _refusal(f"run {path}", changed)


def _check_settings(plan: SeedPlan) -> None:
    """Raise `UserError` if earlier seeds of this name have other settings."""
    if plan.config_file.exists() and (changed := _changed(plan.config_file, plan.config)):
        raise _refusal(str(plan.folder), changed)


def _refusal(place: str, changed: list[str]) -> UserError:
    return UserError(
        f"{place} has other settings: {', '.join(changed)}; give the same ones to go on,"
        " --overwrite to replace the runs, or another --name"
    )


def begin(plan: SeedPlan) -> None:
    """Write the settings and, with --overwrite, which runs are to be replaced."""
    if plan.config.run.overwrite:
        for seed in plan.seeds:
            _forget_replacement(plan, seed)
            shutil.rmtree(plan.trial_folder(seed), ignore_errors=True)
            prepare(plan, seed)
    write_text(plan.config_file, dump_config(plan.config))


def _forget_replacement(plan: SeedPlan, seed: int) -> None:
    """Delete a run that was to replace another one, and is not finished."""
    new = RunFolder(plan.run_path(seed)).replacement
    if new.path.exists() and run_at(plan.run_path(seed)) != new:
        with hold(new.lock_file):
            shutil.rmtree(new.path)


def prepare(plan: SeedPlan, seed: int) -> Path:
    """Write what to train for a seed into the folder of its trial; return the folder."""
    folder = plan.trial_folder(seed)
    has_earlier = run_at(plan.run_path(seed)).path.exists()
    overwrite = plan.replaces(seed) or (plan.config.run.overwrite and has_earlier)
    (folder / "result.json").unlink(missing_ok=True)
    run = os.path.relpath(plan.run_path(seed), folder)
    request = Request(task=plan.task.name, run=run, overwrite=overwrite)
    write_trial(folder, plan.config_of(seed), request)
    return folder
