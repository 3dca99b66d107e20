"""One trial of a search, in a process of its own: python -m errorflow.pipelines.search.trial FOLDER

What FOLDER holds is told in `trial_folder`. A process that was killed is started again in the same
way, and goes on where it stopped. Its exit code is 0 when there is a result, whatever that is; 2 if
the folder is no trial; 75 if another process trains it; 130 or 143 when it was told to stop.
"""

import contextlib
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.config import TrainingConfig, replace
from ..core.config_files import config_dict, load_config
from ..core.console import note
from ..core.errors import UserError
from ..core.files import write_json
from ..core.run_folder import RunFolder, read_history
from ..core.run_lifecycle import MACHINE_SETTINGS, begin_in, recorded_status
from ..registry import load_task
from ..training import workflow
from ..training.task import Task
from .trial_folder import Request, read_request, read_result, run_path, runs_in
from .trial_result import result_of, show_in_tensorboard, why

NO_OBJECTIVE = "no objective"  # how a reason begins that holds for every trial of a search
TAKEN = 75  # exit code, EX_TEMPFAIL: another process trains it
PARENT = "ERRORFLOW_PARENT"  # environment variable: the process without which a trial is to stop


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
    request = read_request(folder)
    for run in runs_in(folder, request):
        if run.status == "running":
            raise Taken(f"{run.path} is being trained by process {run.results().get('pid')}")
    failure = None
    try:
        _execute_all(folder, request)
    except Exception as error:
        failure = why(error)
    _STOP.check()
    result = result_of(folder, request, failure)
    with contextlib.suppress(Exception):  # a row less in a table is no reason to lose a score
        show_in_tensorboard(folder, request, result)
    if not read_result(folder):  # by a process that was thought lost
        write_json(folder / "result.json", result)
    return read_result(folder)


# Training


def _execute_all(folder: Path, request: Request) -> None:
    """Trains until all executions are done, or the first one has shown that it is not worth it."""
    task = load_task(request.task)
    config = load_config(task.config, folder / "config.yaml").resolved()
    for number in range(1, request.executions + 1):
        run = RunFolder(run_path(folder, number))
        seed = (config.optimisation.seed + number - 1) % 2**31
        seeded = replace(config, seed=seed)
        if not _is_done(run, seeded):
            rules = _rules(folder, request) if number == 1 else _no_rules
            with _free_afterwards(number < request.executions):
                _execute(task, seeded, run, request, rules)
        if run.results().get("stopped"):
            return


def _is_done(run: RunFolder, config: TrainingConfig) -> bool:
    """Whether the run was finished as it is configured now: it may be given more epochs."""
    if run.status != "finished" or not run.config_file.exists():
        return False
    known = config_dict(load_config(type(config), run.config_file))
    wanted = config_dict(config)
    return all(known[key] == value for key, value in wanted.items() if key not in MACHINE_SETTINGS)


def _execute(
    task: Task,
    config: TrainingConfig,
    run: RunFolder,
    request: Request,
    rules: Callable[..., list[Any]],
) -> None:
    """One training; the test split is never used."""

    def callbacks(spec: Any, recorders: Any) -> list[Any]:
        chosen = dict(request.objective or {"name": spec.monitor, "direction": spec.mode})
        parameters = spec.network.count_params()
        run.update(objective=chosen, parameters=parameters, stopped=None)
        if parameters > (request.most_parameters or parameters):
            raise UserError(f"{parameters:,} parameters, more than --max-model-size")
        stopping.extend(rules(run, spec, recorders, chosen))
        return [_checks(chosen["name"]), *stopping]

    stopping: list[Any] = []
    session = workflow.start(config)
    data = task.read_data(config)
    begin_in(run, task.name, config, session.environment)
    try:
        with recorded_status(run):
            workflow.train_in(run, task, config, data, session.strategy, callbacks)
            name = run.results()["objective"]["name"]
            if not any(math.isfinite(row[name]) for row in read_history(run)):
                raise UserError(f"{name} was not a finite number after any epoch")
            for rule in stopping:
                if rule.reason:
                    run.update(stopped={"status": rule.status, "reason": rule.reason})
    finally:
        _STOP.waits = False


def _checks(name: str) -> Any:
    """A callback that leaves the training: told to stop, or there is no figure of that name."""
    import keras

    def there(epoch: int, logs: Mapping[str, float]) -> None:
        if name not in logs:
            raise UserError(f"{NO_OBJECTIVE} {name!r}; there are: {', '.join(sorted(logs))}")

    def wait(logs: Any) -> None:  # from here on, not in what comes before the first epoch
        _STOP.waits = True

    steps = dict.fromkeys(["on_train_batch_end", "on_test_batch_end"], _STOP.check)
    return keras.callbacks.LambdaCallback(on_train_begin=wait, on_epoch_end=there, **steps)


def _no_rules(*_: Any) -> list[Any]:
    return []


def _rules(folder: Path, request: Request) -> Callable[..., list[Any]]:
    """(run, spec, recorders, objective) → the rules that may stop a training early."""

    def make(run: RunFolder, spec: Any, recorders: Any, objective: Mapping[str, str]) -> list[Any]:
        from .pruning import MedianRule, VanishingRule

        rules: list[Any] = []
        if request.median is not None:
            others = _curves(folder, request)
            rules.append(MedianRule(run, objective, others, **request.median))
        if request.vanishing is not None and recorders.error_flow is not None:
            flow = recorders.error_flow
            rules.append(VanishingRule(run, flow, tuple(spec.joined), **request.vanishing))
        return rules

    return make


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
            raise UserError("python -m errorflow.pipelines.search.trial takes one FOLDER")
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
