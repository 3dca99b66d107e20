"""The process of a trial: prepare its folder, then run `trial` in a process of its own."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core.cluster import without_cluster
from ..core.config import TrainingConfig, replace
from ..core.config_files import dump_config
from ..core.files import write_json, write_text
from ..core.stop_request import PARENT, SIGNALS
from ..training.mlflow_store import ID_FILE
from .plan import SearchPlan
from .resources import WorkerResources
from .trial import BUSY
from .trial_folder import INTERRUPTED, Request, read_result

MAX_DEATHS = 2  # processes of a trial that end without a result, before it counts as failed
# What others send to a process; the remaining signals are those of a crash.
FROM_OUTSIDE = {signal.SIGKILL, *SIGNALS}
BUSY_WAIT = 2.0  # seconds before the next attempt, while another process still trains the trial
PATIENCE = 60  # seconds that a process has to stop by itself


def prepare(plan: SearchPlan, trial_id: str, hyperparameters: Any) -> None:
    """Write the configuration and the request of a trial into its folder.

    Args:
        hyperparameters: keras-tuner's `HyperParameters` of the trial.
    """
    folder = plan.trial_folder(trial_id)
    values = plan.trial_values(hyperparameters)
    config = replace(plan.training, **values | _hyperband_epochs(hyperparameters.values))
    if earlier := hyperparameters.values.get("tuner/trial_id"):
        _copy_runs(plan.trial_folder(earlier), folder)
    write_trial(folder, config, _request(plan, values))


def write_trial(folder: Path, config: TrainingConfig, request: Request) -> None:
    """Write the configuration and the request of a trial into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "config.yaml", dump_config(config))
    write_json(folder / "trial_request.json", dataclasses.asdict(request))


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
    folder.mkdir(parents=True, exist_ok=True)
    for run in earlier.glob("run*"):
        if not (folder / run.name).exists():
            incomplete = folder / f".copying-{run.name}"
            shutil.rmtree(incomplete, ignore_errors=True)
            shutil.copytree(run, incomplete, ignore=shutil.ignore_patterns(ID_FILE))
            incomplete.rename(folder / run.name)


def run_to_result(
    folder: Path,
    resources: WorkerResources,
    wait: Callable[[], None],
    pause: Callable[[float], None],
    patience: float = PATIENCE,
) -> dict[str, Any]:
    """Run the process of a trial until there is a result; return the content of result.json.

    If its process has died `MAX_DEATHS` times, the result has no score, and the reason.

    Args:
        wait, patience: those of `run_process`.
        pause: function that waits a number of seconds; an exception in it ends the trial.
    """
    code, deaths = 0, 0
    while not (result := read_result(folder)) and deaths < MAX_DEATHS:
        code = run_process(folder, resources, wait, patience)
        if code == BUSY:  # an earlier process was asked to stop, but has not stopped yet
            pause(BUSY_WAIT)
        else:
            deaths += 1
    return result or {"score": None, "reason": _death(code)}


def _death(code: int) -> str:
    """Return the reason of a trial whose process ended without a result."""
    number = -code if code < 0 else code - 128
    if number in FROM_OUTSIDE:
        name = signal.Signals(number).name
        return f"{INTERRUPTED} by {name}, twice; the next start tries it again"
    end = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"its process {end}; its output is in log.txt"


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
