"""A trial from its settings to its result: prepare its folder, then let a process train it."""

import dataclasses
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core.config import TrainingConfig, replace
from ..core.config_files import dump_config
from ..core.files import write_json, write_text
from ..core.stop_request import SIGNALS
from ..training.mlflow_store import ID_FILE
from .plan import SearchPlan
from .processes import PATIENCE, TrialProcess
from .trial import BUSY, UNFIT
from .trial_folder import INTERRUPTED, Request, read_result

MAX_DEATHS = 2  # processes of a trial that end without a result, before it counts as failed
# What others send to a process; the remaining signals are those of a crash.
FROM_OUTSIDE = {signal.SIGKILL, *SIGNALS}
BUSY_WAIT = 2.0  # seconds before the next attempt, while another process still trains the trial


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
    process: TrialProcess,
    wait: Callable[[], None],
    pause: Callable[[float], None],
    patience: float = PATIENCE,
) -> dict[str, Any]:
    """Let a process train a trial until there is a result; return the content of result.json.

    If it has died `MAX_DEATHS` times, the result has no score, and the reason.

    Args:
        wait, patience: those of `run_process`.
        pause: function that waits a number of seconds; an exception in it ends the trial.
    """
    code, deaths = 0, 0
    while not (result := read_result(folder)) and deaths < MAX_DEATHS:
        is_alone = code not in (0, BUSY)
        code = run_process(folder, process, wait, patience, is_alone)
        if code == BUSY:  # an earlier process was asked to stop, but has not stopped yet
            pause(BUSY_WAIT)
        elif code != UNFIT:
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
    folder: Path,
    process: TrialProcess,
    wait: Callable[[], None],
    patience: float,
    is_alone: bool = False,
) -> int:
    """Let a process train the trial of a folder; return its exit code.

    Args:
        wait: function that waits a short time; an exception in it ends the process.
        patience: seconds that the process has to stop by itself.
        is_alone: whether it is a process of its own.
    """
    try:
        process.begin(folder, is_alone)
        while (code := process.code()) is None:
            wait()
    except BaseException:
        process.end(patience)
        raise
    return code
