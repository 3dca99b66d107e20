"""The folder of a trial: what to train, the runs, and the result.

FOLDER/
    trial_request.json   what to train: see `Request`
    config.yaml          the task's complete configuration
    run/  run-2/ ...     the run folders, one for each execution; or that of `Request.run`
    result.json          the result, once there is one: see `trial.run_trial`
    log.txt              the output of the trial's process
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import json_forms as form
from ..core.errors import DamagedFile, UserError, require
from ..core.files import read_json
from ..core.run_folder import RunFolder

NO_OBJECTIVE = "no objective"  # the beginning of a failure's reason that holds for every trial
OTHER_DATA = "the data have changed"  # the same of a trial whose data are not those of its run
INTERRUPTED = "its process was killed from outside"  # the same of a trial that is tried again


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """The content of trial_request.json.

    Attributes:
        task: name of the task.
        objective: {"name": a column of history.csv, "direction": "min" or "max"}; None: the metric
            by which the task's trainings choose their best epoch.
        executions: number of trainings, each with the next seed; their mean is the trial's score.
        hyperparameters: values of the searched settings, for TensorBoard.
        median: arguments of `pruning.MedianRule`, {"warm_up": 3, "trials": 5}; None: not used.
        vanishing: arguments of `pruning.VanishingRule`, {"epochs": 3, "threshold": 1e-3}; None:
            not used.
        finished: folders of other trials, for the median; relative paths start from FOLDER.
        most_parameters: maximum number of parameters; the trial of a larger network fails.
        content_hash: that of the data; a trial of other data fails. None: any data.
        plots: whether plots are drawn, of a trial that is the best so far.
        run: the folder of the run if it is trained as `train` does it, with its test split;
            a relative path starts from FOLDER. None: run/ in FOLDER, without the test split.
        overwrite: whether the run replaces an earlier one in the same folder.
    """

    task: str
    objective: Mapping[str, Any] | None = None
    executions: int = 1
    hyperparameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    median: Mapping[str, Any] | None = None
    vanishing: Mapping[str, Any] | None = None
    finished: Sequence[str] = ()
    most_parameters: int | None = None
    content_hash: str | None = None
    plots: bool = True
    run: str | None = None
    overwrite: bool = False


def read_result(folder: Path) -> dict[str, Any]:
    """Return the content of result.json; empty if there is no result yet, or a damaged one.

    The trial is then run again, which repeats none of its finished trainings.
    """
    try:
        return stored_result(folder)
    except DamagedFile:
        return {}


def stored_result(folder: Path) -> dict[str, Any]:
    """Return the content of result.json.

    Raises:
        DamagedFile: there is none, or it is damaged.
    """
    file = folder / "result.json"
    result = read_json(file)
    problem = form.problem_of(result, _FORMS) if result or file.exists() else "missing"
    if problem is None and result.get("score") is not None and not result.get("objective"):
        problem = "a score without its objective"
    if problem is not None:
        raise DamagedFile(file, problem)
    return result


def read_request(folder: Path) -> Request:
    """Return the request of a trial.

    Raises:
        UserError: the folder has no request, or it is not valid.
    """
    file = folder / "trial_request.json"
    content = read_json(file)
    if not content:
        raise UserError(f"{folder} is not a trial: it has no trial_request.json")
    try:
        request = Request(**content)
    except TypeError as error:
        raise UserError(f"{file}: {str(error).partition(' ')[2]}") from None
    require(request.executions >= 1, "executions", "1 or more", request.executions)
    return request


def existing_runs(folder: Path, request: Request) -> list[RunFolder]:
    """Return the runs of the executions that have begun."""
    paths = [run_path(folder, number) for number in range(1, request.executions + 1)]
    paths = paths if request.run is None else [full_run_path(folder, request.run)]
    return [RunFolder(path) for path in paths if (path / "results.json").exists()]


def run_path(folder: Path, number: int) -> Path:
    """Return the run folder of an execution, counted from 1."""
    return folder / ("run" if number == 1 else f"run-{number}")


def full_run_path(folder: Path, run: str) -> Path:
    """Return the run folder that `Request.run` names."""
    return Path(os.path.normpath(folder / run))


_COUNT = ("a whole number or null", form.or_null(form.is_count))
_CURVE = form.list_of(form.or_null(form.is_number))
_OBJECTIVE = form.record(name=form.is_text, direction=lambda value: value in ("min", "max"))

_FORMS: form.Forms = {
    "status": ("text", form.is_text),
    "reason": ("text or null", form.or_null(form.is_text)),
    "objective": ("a name and a direction", form.or_null(_OBJECTIVE)),
    "score": ("a finite number or null", form.or_null(form.is_finite)),
    "best_epoch": _COUNT,
    "curve": ("a list of numbers", _CURVE),
    "epochs": _COUNT,
    "seconds": ("a number or null", form.or_null(form.is_number)),
    "parameters": _COUNT,
    "verdict": ("a list of sentences", form.list_of(form.is_text)),
    "devices": ("a list of names", form.list_of(form.is_text)),
}


def was_interrupted(reason: str | None) -> bool:
    """Whether a trial without a result was killed from outside, as its reason says."""
    return str(reason).startswith(INTERRUPTED)
