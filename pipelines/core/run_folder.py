"""The run folder: what is in it, how it is written, and which run a command means.

    runs/<task>/<name>/
        config.yaml  environment.json  history.csv  results.json  README.md
        checkpoints/{best,last}.keras  checkpoints/backup/  logs/  plots/  samples/

No file is ever seen half-written, and a finished run is never written over unasked.
"""

import contextlib
import csv
import dataclasses
import datetime
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .config import CommonConfig, UserError, check_name
from .files import read_json, write_json, write_text

FOLDERS = ("checkpoints/backup", "logs", "plots", "samples")

# What may change when a run goes on: how long and on what, not what is computed.
MACHINE = frozenset({"device", "jit", "strategy"})
FREE_TO_CHANGE = MACHINE | {"epochs", "patience"}


@dataclasses.dataclass(frozen=True)
class Run:
    """A run folder, finished or not."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def task(self) -> str:
        return self.path.parent.name

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def results_file(self) -> Path:
        return self.path / "results.json"

    @property
    def history_file(self) -> Path:
        return self.path / "history.csv"

    @property
    def best(self) -> Path:
        return self.path / "checkpoints" / "best.keras"

    @property
    def last(self) -> Path:
        return self.path / "checkpoints" / "last.keras"

    @property
    def backup(self) -> Path:
        return self.path / "checkpoints" / "backup"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def flags(self) -> str:
        """What names this run on a command line."""
        return f"--name {self.name}{self.where}"

    @property
    def where(self) -> str:
        """The flag behind a command that looks at all runs beside this one, if it takes one."""
        run_dir = self.path.parent.parent
        return "" if run_dir == Path("runs") else f" --run-dir {run_dir}"

    def results(self) -> dict[str, Any]:
        """What is known of the run so far."""
        return read_json(self.results_file)

    def update(self, **figures: Any) -> None:
        """Adds figures to results.json."""
        write_json(self.results_file, self.results() | figures)

    @property
    def status(self) -> str:
        """running, finished, interrupted or failed; a run whose process is gone was interrupted."""
        results = self.results()
        status = results.get("status", "interrupted")
        return "interrupted" if status == "running" and not is_alive(results) else status


def this_process() -> dict[str, Any]:
    """What tells this process from every other one, for `is_alive`."""
    import psutil

    started = psutil.Process().create_time()
    return {"pid": os.getpid(), "pid_started": started, "host": socket.gethostname()}


def is_alive(results: Mapping[str, Any]) -> bool:
    """Whether the process that wrote this lives; on another machine that cannot be known."""
    import psutil

    if results.get("host") != socket.gethostname():
        return True
    try:
        return psutil.Process(results["pid"]).create_time() == results["pid_started"]
    except (KeyError, psutil.Error):
        return False


def read_history(run: Run) -> list[dict[str, int | float]]:
    """history.csv as one mapping per epoch."""
    if not run.history_file.exists():
        return []
    with run.history_file.open(newline="", encoding="utf-8") as file:
        return [
            {key: int(value) if key == "epoch" else float(value) for key, value in row.items()}
            for row in csv.DictReader(file)
        ]


# Starting


def check_can_begin(config: CommonConfig, task: str) -> None:
    """Raises `UserError` where `begin` would, and writes nothing: to ask before the long work."""
    if config.resume:
        _check_can_go_on(config, to_resume(config.run_dir, task, config.name))
    elif config.name is not None:
        _check_free(Run(config.run_dir / task / config.name), config.overwrite)


def begin(config: CommonConfig, task: str, environment: dict[str, Any]) -> Run:
    """The folder to train in: a new one, or with `resume` the one to go on in."""
    check_can_begin(config, task)
    try:
        return begin_in(_folder(config, task), config, task, environment)
    except OSError as error:
        where = error.filename or config.run_dir
        raise UserError(f"cannot write the run folder: {where}: {error.strerror}") from None


def begin_in(run: Run, config: CommonConfig, task: str, environment: dict[str, Any]) -> Run:
    """Makes a run of its folder; what an earlier training left there is gone on with."""
    from .config_files import dump_config

    for folder in FOLDERS:
        (run.path / folder).mkdir(parents=True, exist_ok=True)
    write_text(run.config_file, dump_config(config))
    write_json(run.path / "environment.json", environment)
    started = run.results().get("started", _now())
    run.update(task=task, name=run.name, status="running", started=started, **this_process())
    return run


def keep_data(run: Run, data: Any) -> None:
    """Writes what the run learns from, `data`'s source, content_hash and counts, into its results.

    Raises:
        UserError: the run learned from other data before: splits may have mixed since.
    """
    known = run.results().get("data", {}).get("content_hash", data.content_hash)
    if known != data.content_hash:
        raise UserError(
            f"the data of {run.path} ({data.source}) have changed since it was trained: what is in"
            " its test split now may have been learned from; train a new run"
        )
    run.update(data={key: getattr(data, key) for key in ("source", "content_hash", "counts")})


def _folder(config: CommonConfig, task: str) -> Run:
    if config.resume:
        return to_resume(config.run_dir, task, config.name)
    if config.name is None:
        return _fresh(config, task)
    run = Run(config.run_dir / task / config.name)
    if _replaced(run).exists():  # a process was killed before it trained what should replace it
        shutil.rmtree(run.path, ignore_errors=True)
    elif run.path.exists():
        run.path.rename(_replaced(run))
    run.path.mkdir(parents=True)
    return run


def _replaced(run: Run) -> Path:
    """Where the earlier run of that name waits until the new one begins to train."""
    return run.path.with_name(f".replaced-{run.name}")


def _fresh(config: CommonConfig, task: str) -> Run:
    """A folder named after the kind of model and the time; made here, so never shared."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name, count = f"{config.kind}-{stamp}", 1
    while True:
        run = Run(config.run_dir / task / name)
        try:
            run.path.mkdir(parents=True)
            return run
        except FileExistsError:
            if not run.path.is_dir():
                raise
            count += 1
            name = f"{config.kind}-{stamp}-{count}"


def _check_free(run: Run, overwrite: bool) -> None:
    """An earlier run of that name gives way only if told to; what is not a run never does."""
    if not run.path.exists() or (run.path.is_dir() and not any(run.path.iterdir())):
        return
    if not run.config_file.exists() or not run.results_file.exists():
        raise UserError(f"{run.path} exists and is not a run: move it or choose another --name")
    status = run.status
    if status == "running":
        raise UserError(f"run {run.path} is being trained by process {run.results().get('pid')}")
    if not overwrite:
        go_on = "" if status == "finished" else "--resume to go on, "
        raise UserError(
            f"run {run.path} exists ({status}): {go_on}--overwrite to start anew, or another --name"
        )


def _check_can_go_on(config: CommonConfig, run: Run) -> None:
    from .config_files import config_dict, load_config

    old, new = config_dict(load_config(type(config), run.config_file)), config_dict(config)
    changed = [key for key in new if new[key] != old[key]]
    barred = [f"{key} ({old[key]} → {new[key]})" for key in changed if key not in FREE_TO_CHANGE]
    if barred:
        raise UserError(f"cannot resume {run.path} with another {', '.join(barred)}: use a new run")
    if run.status == "finished" and not {"epochs", "patience"} & set(changed):
        raise UserError(f"run {run.path} is finished; to train on give more --epochs or --patience")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


# Finding


def all_runs(run_dir: Path, task: str | None = None) -> list[Run]:
    """Every run below `run_dir`, the oldest first."""
    found = [Run(path.parent) for path in run_dir.glob(f"{task or '*'}/[!.]*/results.json")]
    return sorted(found, key=lambda run: (str(run.results().get("started", "")), run.name))


def to_resume(run_dir: Path, task: str, name: str | None) -> Run:
    """The run called `name`, or the latest that is neither finished nor running."""
    if name is not None:
        run = named(run_dir, task, name)
        if run.status == "running":
            raise UserError(f"run {run.path} is being trained by process {run.results()['pid']}")
        return run
    found = [run for run in all_runs(run_dir, task) if run.status in ("interrupted", "failed")]
    if not found:
        raise UserError(f"no interrupted run in {run_dir / task}: nothing to --resume")
    return found[-1]


def named(run_dir: Path, task: str, name: str) -> Run:
    """The run called `name`."""
    check_name(name)
    run = Run(run_dir / task / name)
    if not run.results_file.exists() or not run.config_file.exists():
        known = ", ".join(run.name for run in all_runs(run_dir, task)[-5:])
        raise UserError(f"no run {run.path}" + (f"; there are: {known}" if known else ""))
    return run


def to_use(run_dir: Path, task: str, name: str | None) -> Run:
    """The run called `name`, if it has a model, or the latest finished one."""
    if name is not None:
        run = named(run_dir, task, name)
        if not run.best.exists():
            raise UserError(f"run {run.path} has no model yet: train it with --resume")
        return run
    found = [run for run in all_runs(run_dir, task) if run.status == "finished"]
    if not found:
        raise UserError(
            f"no finished run in {run_dir / task}: train one with `errorflow {task} train`"
        )
    return found[-1]


def at(path: Path, task: str) -> Run:
    """The run of a task in a folder, wherever that is."""
    run = Run(path)
    if not run.config_file.exists() or not run.best.exists():
        raise UserError(f"--run {path}: it holds no trained run")
    if (other := run.results().get("task")) != task:
        raise UserError(f"--run {path} is a run of {other}, not of {task}")
    return run


@contextlib.contextmanager
def training(run: Run) -> Iterator[None]:
    """Keeps the run's status: finished, interrupted (Ctrl-C) or failed with the reason.

    A mistake found before anything was trained leaves no folder behind. Whatever happens while an
    earlier run could still come back brings it back.
    """
    try:
        yield
    except BaseException as error:
        trained = run.history_file.exists() or any(run.logs.iterdir())
        if _replaced(run).exists():
            shutil.rmtree(run.path)
            _replaced(run).rename(run.path)
        elif isinstance(error, UserError) and not trained:
            shutil.rmtree(run.path)
        elif isinstance(error, KeyboardInterrupt):
            run.update(status="interrupted")
        else:
            run.update(status="failed", error=f"{type(error).__name__}: {error}".splitlines()[0])
        raise
    run.update(status="finished", finished=_now())


def replace(run: Run) -> None:
    """Removes the earlier run of that name for good: the new one begins to train."""
    shutil.rmtree(_replaced(run), ignore_errors=True)
