"""One trial of a search, in a process of its own: python -m errorflow.pipelines.search.trial FOLDER

`trial_folder` describes what FOLDER holds. If the process was killed, the same command resumes the
trial. Exit codes: 0, there is a result, which may be a failure; 2, the folder is not a trial; 75,
another process trains it; 130 or 143, stopped by a signal. `trials` trains one trial after another.
"""

import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.console import note
from ..core.errors import OutOfMemory, UserError
from ..core.files import write_json
from ..core.run_folder import RunFolder
from ..core.run_lock import FolderInUse, hold
from ..core.stop_request import StopRequest, check, end_with, leave, listening, stop_with_parent
from ..training.hparams import write_row
from .execution import execute_all
from .trial_folder import Request, read_request, read_result, run_path
from .trial_result import failure_reason, trial_result

BUSY = 75  # exit code, EX_TEMPFAIL: another process trains this trial
UNFIT = 76  # exit code of a process of several trials: this one needs a process of its own


class UnfitProcess(Exception):
    """A trial has failed for a reason that may lie in the process, or in trials before it."""


def run_trial(folder: Path, is_alone: bool = True) -> dict[str, Any]:
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

    Args:
        is_alone: whether the process trains no other trial.

    Raises:
        UnfitProcess: the trial is to be run alone; there is no result yet.
        UserError: the folder is not a trial.
        FolderInUse: another process trains it.
        KeyboardInterrupt: stopped by a signal; there is no result yet.
    """
    if earlier := read_result(folder):
        return earlier
    request = read_request(folder)
    with hold(folder / "lock.json"):
        return read_result(folder) or _train(folder, request, is_alone)


def _train(folder: Path, request: Request, is_alone: bool) -> dict[str, Any]:
    failure = None
    try:
        execute_all(folder, request)
    except FolderInUse:
        raise
    except Exception as error:
        failure = failure_reason(error)
        if not is_alone and not _is_of_the_trial(error):
            check()
            raise UnfitProcess(failure) from None
    check()
    return _record(folder, request, trial_result(folder, request, failure))


def _is_of_the_trial(error: Exception) -> bool:
    """Whether a trial would fail in any process, for its settings or its data."""
    return isinstance(error, UserError) and not isinstance(error, OutOfMemory)


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
    if len(paths) != 1:
        note("errorflow: python -m errorflow.pipelines.search.trial takes one FOLDER")
        return 2
    with listening() as stop:
        stop_with_parent()
        return run_and_say(Path(paths[0]), stop)


def run_and_say(folder: Path, stop: StopRequest, is_alone: bool = True) -> int:
    """Run a trial, and print how it ended; return the exit code.

    Args:
        folder, is_alone: those of `run_trial`.
        stop: the request that ends the process.
    """
    try:
        result = run_trial(folder, is_alone)
    except UnfitProcess as reason:
        note(f"errorflow: {reason}; the trial is run again in a process of its own")
        return UNFIT
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
    leave(main())
