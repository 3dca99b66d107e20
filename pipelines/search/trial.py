"""One trial of a search, in a process of its own: python -m errorflow.pipelines.search.trial FOLDER

`trial_folder` describes what FOLDER holds. If the process was killed, the same command resumes the
trial. Exit codes: 0, there is a result, which may be a failure; 2, the folder is not a trial; 75,
another process trains it; 130 or 143, stopped by a signal.
"""

import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.console import note
from ..core.errors import UserError
from ..core.files import write_json
from ..core.run_folder import RunFolder
from ..core.run_lock import FolderInUse, hold
from ..core.stop_request import StopRequest, check, end_with, listening, stop_with_parent
from ..training.hparams import write_row
from .execution import execute_all
from .trial_folder import Request, read_request, read_result, run_path
from .trial_result import failure_reason, trial_result

BUSY = 75  # exit code, EX_TEMPFAIL: another process trains this trial


def run_trial(folder: Path) -> dict[str, Any]:
    """Train the trial in a folder, unless it has a result; return the content of result.json.

        status                    completed, pruned, failed or, if it was stopped for a warning or
                                  by --prune-vanishing, its kind: vanishing, stuck, diverged, …
        reason                    why the trial did not complete, in one line; null: completed
        objective                 {"name": …, "direction": …}
        score                     best value of the objective, mean over the executions; null:
                                  failed
        best_epoch, curve         of the first execution; the curve by epoch, null for NaN
        epochs, seconds, compile_seconds     sums over the executions
        executions                [{"seed", "score", "best_epoch", "epochs", "seconds"}, …]
        parameters, verdict, devices         of the first execution
        first_to_last             the shares that `pruning.VanishingRule` measured, {layer: share}
                                  by epoch
        peak_memory               bytes by device, since the process began; "process": main memory

    Raises:
        UserError: the folder is not a trial.
        FolderInUse: another process trains it.
        KeyboardInterrupt: stopped by a signal; there is no result yet.
    """
    if earlier := read_result(folder):
        return earlier
    request = read_request(folder)
    with hold(folder / "lock.json"):
        return read_result(folder) or _train(folder, request)


def _train(folder: Path, request: Request) -> dict[str, Any]:
    failure = None
    try:
        execute_all(folder, request)
    except FolderInUse:
        raise
    except Exception as error:
        failure = failure_reason(error)
    check()
    return _record(folder, request, trial_result(folder, request, failure))


def _record(folder: Path, request: Request, result: dict[str, Any]) -> dict[str, Any]:
    """Write a result and return it."""
    logs, score = RunFolder(run_path(folder, 1)).logs, result["score"]
    figures = {} if score is None else {result["objective"]["name"]: score}
    if logs.exists():
        with contextlib.suppress(Exception):  # a failure here must not lose the result
            write_row(logs, folder.name, request.hyperparameters, figures)
    write_json(folder / "result.json", result)
    return read_result(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial in the folder that is the only argument; return the exit code."""
    paths = sys.argv[1:] if arguments is None else arguments
    with listening() as stop:
        stop_with_parent()
        return _run(paths, stop)


def _run(paths: Sequence[str], stop: StopRequest) -> int:
    try:
        if len(paths) != 1:
            raise UserError("python -m errorflow.pipelines.search.trial takes one FOLDER")
        result = run_trial(Path(paths[0]))
    except UserError as error:
        note(f"errorflow: {error}")
        return BUSY if isinstance(error, FolderInUse) else 2
    except KeyboardInterrupt:
        name = (stop.signal or signal.SIGINT).name
        note(f"errorflow: stopped by {name}; the same command resumes the trial")
        end_with(stop.exit_code)  # while further signals are still handled
    reason = f": {result['reason']}" if result["reason"] else ""
    note(f"trial {result['status']}{reason}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
