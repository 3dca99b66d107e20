"""The folder of a trial: what to do, the runs, and how it went.

FOLDER/
    trial_request.json   what to do: see `Request`
    config.yaml          the task's complete configuration
    run/  run-2/ ...     the run folders, one for each execution
    result.json          how it went, from when that is known: see `trial.run_trial`
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import UserError, require
from ..core.files import read_json
from ..core.run_folder import RunFolder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What trial_request.json holds.

    Attributes:
        task: its name.
        objective: {"name": a column of history.csv, "direction": "min" or "max"}; None: the figure
            that the task's own trainings are judged by.
        executions: trainings, each with a seed one higher; the score is the mean of theirs.
        hyperparameters: what was drawn, for TensorBoard.
        median: arguments of `pruning.MedianRule`, {"warm_up": 3, "trials": 5}; None: no such rule.
        vanishing: of `pruning.VanishingRule`, {"epochs": 3, "threshold": 1e-3}; None: no such rule.
        finished: folders of other trials, for the median; relative ones are seen from FOLDER.
        most_parameters: a larger network fails.
    """

    task: str
    objective: Mapping[str, Any] | None = None
    executions: int = 1
    hyperparameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    median: Mapping[str, Any] | None = None
    vanishing: Mapping[str, Any] | None = None
    finished: Sequence[str] = ()
    most_parameters: int | None = None


def read_result(folder: Path) -> dict[str, Any]:
    """How a trial went; empty as long as that is not known."""
    return read_json(folder / "result.json")


def read_request(folder: Path) -> Request:
    file = folder / "trial_request.json"
    content = read_json(file)
    if not content:
        raise UserError(f"{folder} is no trial: it has no trial_request.json")
    try:
        request = Request(**content)
    except TypeError as error:
        raise UserError(f"{file}: {str(error).partition(' ')[2]}") from None
    require(request.executions >= 1, "executions", "1 or more", request.executions)
    return request


def runs_in(folder: Path, request: Request) -> list[RunFolder]:
    """The run folders that there are."""
    paths = [run_path(folder, number) for number in range(1, request.executions + 1)]
    return [RunFolder(path) for path in paths if (path / "results.json").exists()]


def run_path(folder: Path, number: int) -> Path:
    return folder / ("run" if number == 1 else f"run-{number}")
