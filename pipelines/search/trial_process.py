"""The process of a trial: prepare its folder, then run `trial` in a process of its own."""

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core.cluster import without_cluster
from ..core.config import replace
from ..core.config_files import dump_config
from ..core.files import write_json, write_text
from ..core.stop_request import PARENT
from .plan import SearchPlan
from .resources import WorkerResources
from .trial_folder import Request


def prepare(plan: SearchPlan, trial_id: str, hyperparameters: Any) -> None:
    """Write the configuration and the request of a trial into its folder.

    Args:
        hyperparameters: keras-tuner's `HyperParameters` of the trial.
    """
    folder = plan.trial_folder(trial_id)
    folder.mkdir(parents=True, exist_ok=True)
    values = plan.trial_values(hyperparameters)
    config = replace(plan.training, **values | _hyperband_epochs(hyperparameters.values))
    if earlier := hyperparameters.values.get("tuner/trial_id"):
        _copy_runs(plan.trial_folder(earlier), folder)
    write_text(folder / "config.yaml", dump_config(config))
    write_json(folder / "trial_request.json", dataclasses.asdict(_request(plan, values)))


def _hyperband_epochs(values: Mapping[str, Any]) -> dict[str, int]:
    return {"epochs": values["tuner/epochs"]} if "tuner/epochs" in values else {}


def _request(plan: SearchPlan, values: Mapping[str, Any]) -> Request:
    settings = plan.settings
    finished = sorted(file.parent.name for file in plan.project.glob("trial_*/result.json"))
    return Request(
        task=plan.task.name,
        objective=plan.objective,
        executions=settings.executions_per_trial,
        hyperparameters=values,
        median={} if settings.prune else None,
        vanishing={} if settings.prune_vanishing else None,
        finished=[f"../{name}" for name in finished],
        most_parameters=settings.max_model_size,
    )


def _copy_runs(earlier: Path, folder: Path) -> None:
    """Copy the runs of a shorter trial with the same values, so that this one continues them."""
    for run in earlier.glob("run*"):
        if not (folder / run.name).exists():
            incomplete = folder / f".copying-{run.name}"
            shutil.rmtree(incomplete, ignore_errors=True)
            shutil.copytree(run, incomplete)
            incomplete.rename(folder / run.name)


def run_process(
    folder: Path, resources: WorkerResources, wait: Callable[[], None], patience: float
) -> int:
    """Train the trial of a folder in a process of its own; return its exit code.

    Args:
        wait: function that waits a short time; an exception in it ends the process.
        patience: seconds that the process has to stop by itself.
    """
    environment = without_cluster(os.environ) | {PARENT: str(os.getpid())}
    if resources.gpus is not None:
        environment["CUDA_VISIBLE_DEVICES"] = resources.gpus
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "errorflow.pipelines.search.trial", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches it once, from `_end`
        )
    try:
        resources.pin(process.pid)
        while process.poll() is None:
            wait()
    except BaseException:
        _end(process, patience)
        raise
    return process.returncode


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
