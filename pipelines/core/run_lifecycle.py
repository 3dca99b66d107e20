"""Begin, resume and end a run.

A run stays as it is until something takes its place: one that is resumed until its training begins,
one that is replaced (`--overwrite`) until the new one, trained beside it, is finished.
"""

import contextlib
import datetime
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .backup import Backup
from .config import TrainingConfig
from .errors import OutOfMemory, UserError, WorkerLost
from .files import write_json, write_rows
from .replacement import run_at, settle, take_place
from .run_config import other_settings, run_config, write_config
from .run_folder import RunFolder, kept_in_words
from .run_lock import FolderInUse, check_not_held, hold
from .stop_request import recovered
from .system_errors import writing

NEEDED_BYTES = 10_000_000  # of a small run
SUBFOLDERS = ("checkpoints/backup", "logs", "plots", "samples")

# A resumed run may change how long and on which device it trains, and where it is logged, but not
# what it computes.
MACHINE_SETTINGS = frozenset({"device", "jit", "strategy", "log"})
ENDING_SETTINGS = frozenset({"epochs", "patience", "stop_when"})
CHANGEABLE_SETTINGS = MACHINE_SETTINGS | ENDING_SETTINGS


# Checks before training: they write nothing


def check_can_begin(task: str, config: TrainingConfig, resume: RunFolder | None) -> None:
    """Raise `UserError` if no training can begin, or the run cannot be resumed."""
    if resume is not None:
        _check_can_resume(config, resume)
    elif config.run.name is not None:
        _check_is_free(config.run.run_dir / task / config.run.name, config.run.overwrite)
    _check_is_writable(config.run.run_dir / task if resume is None else resume.path)


def _check_is_writable(folder: Path) -> None:
    """Raise `UserError` if no files can be written to a folder, which may not exist yet."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise UserError(f"cannot write the run folder: {existing} is no folder; give --run-dir")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"cannot write the run folder: {existing}: no permission; give --run-dir")
    if (free := shutil.disk_usage(existing).free) < NEEDED_BYTES:
        raise UserError(
            f"cannot write the run folder: {existing} has {free / 1e6:.1f} MB left; give --run-dir"
        )


def _check_is_free(path: Path, overwrite: bool) -> None:
    """Raise `UserError` if the folder holds other files, or a run that must not be overwritten."""
    run = run_at(path)
    for place in (run, run.replacement):
        check_not_held(place.lock_file)
    if not run.path.exists() or (run.path.is_dir() and {*run.path.iterdir()} <= {run.lock_file}):
        return
    if not run.config_file.exists() or not run.results_file.exists():
        raise UserError(f"{run.path} exists and is not a run: move it or choose another --name")
    if not overwrite:
        has_new = not run.is_replacement and run.replacement.path.exists()
        resume = "--resume to continue it, " * (has_new or run.status != "finished")
        raise UserError(
            f"run {path} exists ({run.status}): {resume}--overwrite to replace it,"
            " or another --name"
        )


def _check_can_resume(config: TrainingConfig, run: RunFolder) -> None:
    check_not_held(run.lock_file)
    stored = run_config(type(config), run)
    if barred := other_settings(stored, config, CHANGEABLE_SETTINGS):
        raise UserError(f"cannot resume {run.path} with another {', '.join(barred)}: use a new run")
    if run.status == "finished" and not other_settings(stored, config, MACHINE_SETTINGS):
        raise UserError(
            f"run {run.path} is finished; to train longer, give more --epochs or --patience"
        )
    Backup(run).restart()


# Beginning


def folder_to_train_in(
    task: str, config: TrainingConfig, resume: RunFolder | None = None
) -> RunFolder:
    """Return the folder to train in: an empty one, or that of the run to resume.

    Raises:
        UserError: there is a run that must not be replaced, or no folder can be made.
    """
    check_can_begin(task, config, resume)
    with writing(config.run.run_dir):
        if resume is None and config.run.name is None:
            return _timestamped_folder(task, config)
        if resume is None:
            run = RunFolder(config.run.run_dir / task / str(config.run.name))
        else:
            run = RunFolder(resume.path.parent / resume.name)
        settle(run.path)
        if resume is not None:
            return resume if resume.path.exists() else run
        return _empty_folder(run)


def _empty_folder(run: RunFolder) -> RunFolder:
    """Return an empty folder for a run: its own or, if it exists, that of its replacement."""
    new = run.replacement
    if not run.config_file.exists() and not new.path.exists():
        run.path.mkdir(parents=True, exist_ok=True)
        return run
    with hold(new.lock_file):  # what is left of an unfinished replacement is deleted
        for path in {*new.path.iterdir()} - {new.lock_file}:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return new


@contextlib.contextmanager
def training_in(
    run: RunFolder, task: str, config: TrainingConfig, environment: dict[str, Any]
) -> Iterator[Callable[[], None]]:
    """Hold a run folder during the block, record its end, and put a replacement in its place.

    Yields:
        A function to call when the training begins. Until then a run that is resumed stays as it
        is, also if the block fails.

    Raises:
        UserError: the folder cannot be written, or another process trains there.
    """
    with hold(run.lock_file):
        with contextlib.ExitStack() as ending:

            def begin() -> None:
                begin_in(run, task, config, environment)
                ending.enter_context(recorded_status(run))

            is_new = not run.results_file.exists()
            if is_new:
                begin()
            else:
                Backup(run).restart()
            yield (lambda: None) if is_new else begin
        if run.is_replacement:
            with writing(run.path, lambda: f"the run is finished, and stays in {run.path}"):
                take_place(run)


def begin_in(
    run: RunFolder, task: str, config: TrainingConfig, environment: dict[str, Any]
) -> RunFolder:
    """Write config, environment and status to a run folder; a training there is resumed.

    A finished run that is resumed counts as finished until all else is written.
    """
    with writing(run.path):
        for folder in SUBFOLDERS:
            (run.path / folder).mkdir(parents=True, exist_ok=True)
        started = run.results().get("started", _now())
        process = {"host": socket.gethostname(), "pid": os.getpid()}
        figures = {"task": task, "name": run.name, "status": "running", "started": started}
        run.update(**figures | run.results())
        write_json(run.environment_file, environment)
        write_config(run, config)
        run.update(**figures, **process)
    return run


def record_data(run: RunFolder, data: Any) -> None:
    """Record the source, hash and counts of a run's data, and list what was left out of them.

    Raises:
        UserError: see `check_same_data`.
    """
    check_same_data(run, data)
    run.update(data={key: getattr(data, key) for key in ("source", "content_hash", "counts")})
    if data.left_out:
        write_rows(run.left_out_file, [item._asdict() for item in data.left_out])


def check_same_data(run: RunFolder, data: Any) -> None:
    """Check that data are those that a run was trained on.

    Raises:
        UserError: they have changed since the run began, so its splits may overlap with theirs.
    """
    recorded_hash = run.results().get("data", {}).get("content_hash", data.content_hash)
    if recorded_hash != data.content_hash:
        raise UserError(
            f"the data of {run.path} ({data.source}) have changed since it was trained: examples of"
            " the test split may have been trained on; train a new run"
        )


def _timestamped_folder(task: str, config: TrainingConfig) -> RunFolder:
    """Create a folder named after the model and the time, which no other process uses."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name, count = f"{config.kind}-{stamp}", 1
    while True:
        run = RunFolder(config.run.run_dir / task / name)
        try:
            run.path.mkdir(parents=True)
            return run
        except FileExistsError:
            if not run.path.is_dir():
                raise
            count += 1
            name = f"{config.kind}-{stamp}-{count}"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


# Ending


@contextlib.contextmanager
def recorded_status(run: RunFolder) -> Iterator[None]:
    """Record how the block ends: finished, interrupted by a signal, or failed with the reason.

    A `UserError` before a new run has trained removes its folder, unless memory ran out or another
    worker was lost: the same command can succeed later.
    """
    try:
        with writing(run.path, lambda: kept_in_words(run)), recovered():
            yield
            run.update(status="finished", finished=_now())
    except FolderInUse:
        raise  # another process has taken over, and records its own end
    except BaseException as error:
        with contextlib.suppress(OSError):  # of a full disk: an unfinished run is interrupted
            _record_failure(run, error)
        raise


def _record_failure(run: RunFolder, error: BaseException) -> None:
    written = [path for path in (run.history_file, run.best, *run.logs.iterdir()) if path.exists()]
    is_passing = isinstance(error, OutOfMemory | WorkerLost)
    if isinstance(error, UserError) and not is_passing and not written:
        shutil.rmtree(run.path)
    elif isinstance(error, KeyboardInterrupt | WorkerLost):
        run.update(status="interrupted")
    else:
        run.update(status="failed", error=f"{type(error).__name__}: {error}".splitlines()[0])
