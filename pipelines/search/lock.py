"""The lock of a search: only one process at a time searches in a folder."""

import contextlib
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from ..core.files import read_json
from ..core.run_folder import is_alive, this_process

TIMEOUT = 60  # seconds without a sign of life, after which a search on another machine is dead


def check_available(project: Path) -> None:
    """Raise `UserError` if a folder holds something else, or another process searches in it."""
    if project.parent.exists() and not project.parent.is_dir():
        raise UserError(f"--directory {project.parent} is not a folder")
    if project.exists() and not project.is_dir():
        raise UserError(f"{project} is not a folder: choose another --project-name")
    lock = _lock_file(project)
    holder = _holder(lock)
    if holder:
        where = f"process {holder.get('pid')} on {holder.get('host')}"
        raise UserError(f"the search in {project} is run by {where}; if it is not, delete {lock}")
    names = {path.name for path in project.iterdir()} if project.exists() else set()
    if names and not names & {"search.json", lock.name}:
        raise UserError(f"{project} is not a search: move it or choose another --project-name")


@contextlib.contextmanager
def exclusive(project: Path, overwrite: bool) -> Iterator[Callable[[], None]]:
    """Hold the folder of a search for this process; delete it again if no trial began in it.

    Yields:
        A function to call regularly: it shows other machines that this process is alive.
    """
    lock = _acquire(project, overwrite)
    try:
        yield lock.touch
    finally:
        lock.unlink(missing_ok=True)
        if not any(project.glob("trial_*")):
            shutil.rmtree(project, ignore_errors=True)


def _acquire(project: Path, overwrite: bool) -> Path:
    check_available(project)
    lock = _lock_file(project)
    try:
        if overwrite:
            shutil.rmtree(project, ignore_errors=True)
        project.mkdir(parents=True, exist_ok=True)
        lock.unlink(missing_ok=True)
        with lock.open("x", encoding="utf-8") as file:
            json.dump(this_process(), file)
    except FileExistsError:
        raise UserError(f"another process has just started to search in {project}") from None
    except OSError as error:
        raise UserError(f"cannot write to {project}: {error.strerror}") from None
    return lock


def _lock_file(project: Path) -> Path:
    return project / "lock.json"


def _holder(lock: Path) -> dict[str, Any]:
    """Return the process that holds a lock; empty if there is none, or if it is dead."""
    try:
        holder = read_json(lock)
    except UserError:
        return {}  # incomplete: its process was killed while it wrote
    if not holder or not is_alive(holder):
        return {}
    is_silent = time.time() - lock.stat().st_mtime > TIMEOUT
    return {} if is_silent and holder.get("host") != socket.gethostname() else holder
