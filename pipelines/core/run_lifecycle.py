"""Begin, resume and end a run.

An existing run is replaced only with `--overwrite`. It is then kept in a hidden folder until the
new run of that name begins to train, and restored if the new run fails before.
"""

import contextlib
import datetime
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .config import RunSettings, TrainingConfig
from .config_files import config_dict, dump_config, load_config
from .errors import UserError
from .files import write_json, write_rows, write_text
from .run_folder import RunFolder, kept_in_words
from .run_lock import check_not_held, hold
from .system_errors import writing

NEEDED_BYTES = 10_000_000  # of a small run
SUBFOLDERS = ("checkpoints/backup", "logs", "plots", "samples")

# A resumed run may change how long and on which device it trains, but not what it computes.
MACHINE_SETTINGS = frozenset({"device", "jit", "strategy"})
ENDING_SETTINGS = frozenset({"epochs", "patience", "stop_when"})
CHANGEABLE_SETTINGS = MACHINE_SETTINGS | ENDING_SETTINGS


# Checks before training: they write nothing


def check_can_begin(task: str, config: TrainingConfig, resume: RunFolder | None) -> None:
    """Raise `UserError` if `begin` would."""
    if resume is not None:
        _check_can_resume(config, resume)
    elif config.run.name is not None:
        _check_is_free(RunFolder(config.run.run_dir / task / config.run.name), config.run.overwrite)
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


def _check_is_free(run: RunFolder, overwrite: bool) -> None:
    """Raise `UserError` if the folder holds other files, or a run that must not be overwritten."""
    check_not_held(run.lock_file)
    if not run.path.exists() or (run.path.is_dir() and set(run.path.iterdir()) <= {run.lock_file}):
        return
    if not run.config_file.exists() or not run.results_file.exists():
        raise UserError(f"{run.path} exists and is not a run: move it or choose another --name")
    if not overwrite:
        resume = "" if run.status == "finished" else "--resume to continue it, "
        raise UserError(
            f"run {run.path} exists ({run.status}): {resume}--overwrite to replace it,"
            " or another --name"
        )


def _check_can_resume(config: TrainingConfig, run: RunFolder) -> None:
    check_not_held(run.lock_file)
    stored = load_config(type(config), run.config_file)
    # resolved: a default and the value that it stands for are the same setting
    old, new = config_dict(stored.resolved()), config_dict(config.resolved())
    changed = [key for key in new if new[key] != old[key]]
    barred = [
        f"{key} ({old[key]} → {new[key]})" for key in changed if key not in CHANGEABLE_SETTINGS
    ]
    if barred:
        raise UserError(f"cannot resume {run.path} with another {', '.join(barred)}: use a new run")
    if run.status == "finished" and not ENDING_SETTINGS & set(changed):
        raise UserError(
            f"run {run.path} is finished; to train longer, give more --epochs or --patience"
        )


# Beginning


def folder_to_train_in(
    task: str, config: TrainingConfig, resume: RunFolder | None = None
) -> RunFolder:
    """Return the folder to train in: a new one, or that of the run to resume.

    Raises:
        UserError: there is a run that must not be replaced, or no folder can be made.
    """
    check_can_begin(task, config, resume)
    with writing(config.run.run_dir):
        return resume or _new_folder(task, config)


@contextlib.contextmanager
def training_in(
    run: RunFolder, task: str, config: TrainingConfig, environment: dict[str, Any]
) -> Iterator[None]:
    """Hold a run folder during the block, from `begin_in` until its end is recorded.

    Raises:
        UserError: the folder cannot be written, or another process trains there.
    """
    with hold(run.lock_file):
        begin_in(run, task, config, environment)
        with recorded_status(run):
            yield


def begin_in(
    run: RunFolder, task: str, config: TrainingConfig, environment: dict[str, Any]
) -> RunFolder:
    """Write config, environment and status to a run folder; a training there is resumed."""
    with writing(run.path):
        for folder in SUBFOLDERS:
            (run.path / folder).mkdir(parents=True, exist_ok=True)
        write_text(run.config_file, dump_config(config))
        write_json(run.environment_file, environment)
        started = run.results().get("started", _now())
        process = {"host": socket.gethostname(), "pid": os.getpid()}
        run.update(task=task, name=run.name, status="running", started=started, **process)
    return run


def record_data(run: RunFolder, data: Any) -> None:
    """Record the source, hash and counts of a run's data, and list what was left out of them.

    Raises:
        UserError: the data have changed since the run began, so its splits may overlap with theirs.
    """
    recorded_hash = run.results().get("data", {}).get("content_hash", data.content_hash)
    if recorded_hash != data.content_hash:
        raise UserError(
            f"the data of {run.path} ({data.source}) have changed since it was trained: examples of"
            " the test split may have been trained on; train a new run"
        )
    run.update(data={key: getattr(data, key) for key in ("source", "content_hash", "counts")})
    if data.left_out:
        write_rows(run.left_out_file, [item._asdict() for item in data.left_out])


def _new_folder(task: str, config: TrainingConfig) -> RunFolder:
    settings: RunSettings = config.run
    if settings.name is None:
        return _timestamped_folder(task, config)
    run = RunFolder(settings.run_dir / task / settings.name)
    if _replaced(run).exists():  # a process was killed before it trained the replacement
        shutil.rmtree(run.path, ignore_errors=True)
    elif run.path.exists():
        run.path.rename(_replaced(run))
    run.path.mkdir(parents=True)
    return run


def _replaced(run: RunFolder) -> Any:
    """Return where the earlier run of that name is kept until the new one begins to train."""
    return run.path.with_name(f".replaced-{run.name}")


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


# Training and ending


def discard_replaced(run: RunFolder) -> None:
    """Delete the earlier run of that name, because the new one begins to train."""
    shutil.rmtree(_replaced(run), ignore_errors=True)


@contextlib.contextmanager
def recorded_status(run: RunFolder) -> Iterator[None]:
    """Record how the block ends: finished, interrupted (Ctrl-C), or failed with the reason.

    A `UserError` before training has begun removes the folder. While an earlier run of that name
    is kept, any failure restores it.
    """
    try:
        with writing(run.path, lambda: kept_in_words(run)):
            yield
            run.update(status="finished", finished=_now())
    except BaseException as error:
        with contextlib.suppress(OSError):  # of a full disk: an unfinished run is interrupted
            _record_failure(run, error)
        raise


def _record_failure(run: RunFolder, error: BaseException) -> None:
    has_trained = run.history_file.exists() or any(run.logs.iterdir())
    if _replaced(run).exists():
        shutil.rmtree(run.path)
        _replaced(run).rename(run.path)
    elif isinstance(error, UserError) and not has_trained:
        shutil.rmtree(run.path)
    elif isinstance(error, KeyboardInterrupt):
        run.update(status="interrupted")
    else:
        run.update(status="failed", error=f"{type(error).__name__}: {error}".splitlines()[0])
