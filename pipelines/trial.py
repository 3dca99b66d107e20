"""One trial of a search, in a process of its own: python -m errorflow.pipelines.trial FOLDER

    FOLDER/
        trial_request.json   what to do: see `Request`
        config.yaml          the task's complete configuration
        run/  run-2/ ...     the run folders, one for each execution
        result.json          how it went, from when that is known: see `run_trial`

A process that was killed is started again in the same way, and goes on where it stopped. Its exit
code is 0 when there is a result, whatever that is; 2 if the folder is no trial; 75 if another
process trains it; 130 or 143 when it was told to stop.
"""

import contextlib
import dataclasses
import importlib
import math
import os
import signal
import statistics
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import runs
from . import task as shared
from .config import CommonConfig, UserError, require
from .config_io import config_dict, load_config
from .devices import note
from .files import read_json, write_json
from .runs import Run, read_history

NO_OBJECTIVE = "no objective"  # how a reason begins that holds for every trial of a search
TAKEN = 75  # exit code, EX_TEMPFAIL: another process trains it
PARENT = "ERRORFLOW_PARENT"  # environment variable: the process without which a trial is to stop


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


class Taken(UserError):
    """Another process trains this trial."""


def run_trial(folder: Path) -> dict[str, Any]:
    """Trains what a folder describes, unless it has a result; what result.json then holds.

        status                    completed, pruned, vanishing or failed
        reason                    of all but completed, in one line
        objective                 {"name": …, "direction": …}
        score                     the best value of it, mean over the executions; null: failed
        best_epoch, curve         of the first execution; the curve epoch by epoch, null for NaN
        epochs, seconds, compile_seconds     of all executions together
        executions                [{"seed", "score", "best_epoch", "epochs", "seconds"}, …]
        parameters, verdict, devices         of the network, its error flow, and what trained it
        first_to_last             what `vanishing` was judged by, {layer: share} of each epoch
        peak_memory               bytes by device, since the process began; "process" is main memory

    Raises:
        UserError: the folder is no trial, or another process trains it.
        KeyboardInterrupt: Ctrl-C; there is no result yet.
    """
    known = read_result(folder)
    if known:
        return known
    request = _read_request(folder)
    for run in _runs(folder, request):
        if run.status == "running":
            raise Taken(f"{run.path} is being trained by process {run.results().get('pid')}")
    failure = None
    try:
        _execute_all(folder, request)
    except Exception as error:
        failure = _why(error)
    _STOP.check()
    result = _result(folder, request, failure)
    with contextlib.suppress(Exception):  # a row less in a table is no reason to lose a score
        _show_in_tensorboard(folder, request, result)
    if not read_result(folder):  # by a process that was thought lost
        write_json(folder / "result.json", result)
    return read_result(folder)


def read_result(folder: Path) -> dict[str, Any]:
    """How a trial went; empty as long as that is not known."""
    return read_json(folder / "result.json")


def _read_request(folder: Path) -> Request:
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


def _runs(folder: Path, request: Request) -> list[Run]:
    """The run folders that there are."""
    paths = [_path(folder, number) for number in range(1, request.executions + 1)]
    return [Run(path) for path in paths if (path / "results.json").exists()]


def _path(folder: Path, number: int) -> Path:
    return folder / ("run" if number == 1 else f"run-{number}")


# Training


def _execute_all(folder: Path, request: Request) -> None:
    """Trains until all executions are done, or the first one has shown that it is not worth it."""
    task = importlib.import_module(f".{request.task}", __package__).TASK
    config = load_config(task.config, folder / "config.yaml").resolved()
    for number in range(1, request.executions + 1):
        run = Run(_path(folder, number))
        seeded = dataclasses.replace(config, seed=(config.seed + number - 1) % 2**31)
        if not _is_done(run, seeded):
            rules = _rules(folder, request) if number == 1 else lambda job, objective: []
            with _free_afterwards(number < request.executions):
                _execute(task, seeded, run, request, rules)
        if run.results().get("stopped"):
            return


def _is_done(run: Run, config: CommonConfig) -> bool:
    """Whether the run was finished as it is configured now: it may be given more epochs."""
    if run.status != "finished" or not run.config_file.exists():
        return False
    known = config_dict(load_config(type(config), run.config_file))
    wanted = config_dict(config)
    return all(known[key] == value for key, value in wanted.items() if key not in runs.MACHINE)


def _execute(
    task: shared.Task,
    config: CommonConfig,
    run: Run,
    request: Request,
    rules: Callable[..., list[Any]],
) -> None:
    """One training; the test split is never looked at."""
    made, stopping = [], []

    def before(job: Any, data: Any) -> None:
        chosen = dict(request.objective or {"name": job.monitor, "direction": job.mode})
        parameters = job.core.count_params()
        run.update(objective=chosen, parameters=parameters, stopped=None)
        if parameters > (request.most_parameters or parameters):
            raise UserError(f"{parameters:,} parameters, more than --max-model-size")
        stopping.extend(rules(job, chosen))
        job.watchers = [*job.watchers, _checks(chosen["name"]), *stopping]
        made.append(job)
        _STOP.waits = True

    def begin(config: CommonConfig, name: str, environment: dict[str, Any]) -> Run:
        return runs.begin_in(run, config, name, environment)

    try:
        with shared.trained(task, config, begin, before):
            name = run.results()["objective"]["name"]
            if not any(math.isfinite(row[name]) for row in read_history(run)):
                raise UserError(f"{name} was not a finite number after any epoch")
            for rule in stopping:
                if rule.reason:
                    run.update(stopped={"status": rule.status, "reason": rule.reason})
    except Exception:
        with contextlib.suppress(Exception):  # nothing may hide the reason for leaving
            run.update(verdict=made[0].error_flow.verdict())
        raise
    finally:
        _STOP.waits = False


def _checks(name: str) -> Any:
    """A callback that leaves the training: told to stop, or there is no figure of that name."""
    import keras

    def there(epoch: int, logs: Mapping[str, float]) -> None:
        if name not in logs:
            raise UserError(f"{NO_OBJECTIVE} {name!r}; there are: {', '.join(sorted(logs))}")

    steps = dict.fromkeys(["on_train_batch_end", "on_test_batch_end"], _STOP.check)
    return keras.callbacks.LambdaCallback(on_epoch_end=there, **steps)


def _rules(folder: Path, request: Request) -> Callable[[Any, Mapping[str, str]], list[Any]]:
    """(job, objective) → the rules that may stop it."""

    def made(job: Any, objective: Mapping[str, str]) -> list[Any]:
        from .pruning import MedianRule, VanishingRule

        found: list[Any] = []
        if request.median is not None:
            others = _curves(folder, request)
            rule = MedianRule(job.run, objective, others, **request.median)
            found.append(rule)
        if request.vanishing is not None and job.recurrent:
            found.append(VanishingRule(job, **request.vanishing))
        return found

    return made


def _curves(folder: Path, request: Request) -> list[list[float]]:
    """Of the finished trials that were trained to their end: the others' ends are no measure."""
    results = [read_result(folder / other) for other in request.finished]
    return [r["curve"] for r in results if r.get("status") == "completed"]


@contextlib.contextmanager
def _free_afterwards(more: bool) -> Iterator[None]:
    """Lets go of a network if another one is to follow in the same process."""
    yield
    if more:
        import keras

        keras.utils.clear_session()


# How it went


def _why(error: Exception) -> str:
    """In one line; what is no mistake of the configuration is also told in full, on stderr."""
    text = textwrap.shorten(str(error), 400, placeholder=" …")
    if isinstance(error, UserError):
        return text
    import traceback

    traceback.print_exception(error)
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "ResourceExhaustedError":
        return f"out of memory: {text or kind}"
    return f"{kind}: {text}"


def _result(folder: Path, request: Request, failure: str | None) -> dict[str, Any]:
    """What is known from the run folders."""
    done = _runs(folder, request)
    first = done[0].results() if done else {}
    objective: Any = first.get("objective") or request.objective
    executions = [_execution(run, objective) for run in done if objective]
    ending = first.get("stopped") or {"status": "completed", "reason": None}
    if failure:
        ending = {"status": "failed", "reason": failure}
    scores = [] if failure else [one["score"] for one in executions]
    environment = read_json(done[0].path / "environment.json") if done else {}
    compiling = [s for run in done if (s := run.results().get("compile_seconds")) is not None]
    return {
        **ending,
        "objective": objective,
        "score": statistics.fmean(scores) if scores else None,
        "best_epoch": executions[0]["best_epoch"] if executions else None,
        "curve": _curve(done[0], objective) if executions else [],
        "epochs": sum(one["epochs"] for one in executions),
        "seconds": round(sum(one["seconds"] for one in executions), 1),
        "compile_seconds": round(sum(compiling), 1) if compiling else None,
        "executions": executions,
        "parameters": first.get("parameters"),
        "verdict": first.get("verdict", []),
        "first_to_last": first.get("first_to_last"),
        "devices": environment.get("devices", []),
        "peak_memory": _peak_memory(),
    }


def _execution(run: Run, objective: Mapping[str, str]) -> dict[str, Any]:
    """What one run is worth."""
    best = min if objective["direction"] == "min" else max
    curve = _curve(run, objective)
    finite = [value for value in curve if math.isfinite(value)]
    score = best(finite) if finite else None
    return {
        "seed": read_json(run.path / "environment.json").get("seed"),
        "score": score,
        "best_epoch": None if score is None else curve.index(score) + 1,
        "epochs": len(curve),
        "seconds": round(sum(row["seconds"] for row in read_history(run)), 1),
    }


def _curve(run: Run, objective: Mapping[str, str]) -> list[float]:
    return [row.get(objective["name"], math.nan) for row in read_history(run)]


def _peak_memory() -> dict[str, int]:
    """Bytes at most, of main memory and of each GPU."""
    import psutil

    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):  # Windows, which has no `resource`
        peak = {"process": memory.peak_wset}
    else:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        for gpu in (d.name.removeprefix("/device:") for d in tf.config.list_logical_devices("GPU")):
            peak[gpu] = tf.config.experimental.get_memory_info(gpu)["peak"]
    return peak


def _show_in_tensorboard(folder: Path, request: Request, result: Mapping[str, Any]) -> None:
    """A row in the tab HParams, for the first run; written again, it takes the former's place."""
    logs = Run(_path(folder, 1)).logs
    if not logs.exists():
        return
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    for old in logs.glob("*.hparams"):
        old.unlink()
    drawn = {key: value for key, value in request.hyperparameters.items() if value is not None}
    writer = tf.summary.create_file_writer(str(logs), filename_suffix=".hparams")
    with writer.as_default(step=0):
        api.hparams(drawn, trial_id=folder.name)
        if result["score"] is not None:
            tf.summary.scalar(result["objective"]["name"], result["score"])
    writer.close()


class _Stop:
    """Makes SIGTERM and Ctrl-C a KeyboardInterrupt: at once or, in a training, between two steps.

    In the midst of one it could get lost in TensorFlow, or break a file. A second one never waits.
    """

    def __init__(self):
        self.told: signal.Signals | None = None
        self.waits = False

    def listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: Any) -> None:
        again, self.told = self.told is not None, signal.Signals(number)
        if again or not self.waits:
            raise KeyboardInterrupt

    def follow(self, parent: int) -> None:
        """Stops when another process has ended: killed, it could not tell."""
        import psutil

        def wait() -> None:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(parent).wait()
            os.kill(os.getpid(), signal.SIGTERM)  # not to this thread alone

        threading.Thread(target=wait, daemon=True).start()

    def check(self, batch: int = 0, logs: Any = None) -> None:
        """Raises if told to stop; also what Keras calls after each step."""
        if self.told is not None:
            raise KeyboardInterrupt


_STOP = _Stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a trial; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    _STOP.listen()
    if PARENT in os.environ:
        _STOP.follow(int(os.environ[PARENT]))
    try:
        if len(given) != 1:
            raise UserError("python -m errorflow.pipelines.trial takes one FOLDER")
        result = run_trial(Path(given[0]))
    except UserError as error:
        note(f"errorflow: {error}")
        return TAKEN if isinstance(error, Taken) else 2
    except KeyboardInterrupt:
        told = _STOP.told or signal.SIGINT
        note(f"errorflow: stopped by {told.name}; the same command goes on")
        return 128 + told
    reason = f": {result['reason']}" if result["reason"] else ""
    note(f"trial {result['status']}{reason}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
