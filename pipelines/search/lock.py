"""The folder of a search: only one process at a time searches in it."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import UserError
from ..core.run_lock import check_not_held, hold


def check_available(project: Path) -> None:
    """Raise `UserError` if a folder holds something else, or another process searches in it."""
    if project.parent.exists() and not project.parent.is_dir():
        raise UserError(f"--directory {project.parent} is not a folder")
    if project.exists() and not project.is_dir():
        raise UserError(f"{project} is not a folder: choose another --project-name")
    lock = project / "lock.json"
    check_not_held(lock)
    names = {path.name for path in project.iterdir()} if project.exists() else set()
    if names and not names & {"search.json", lock.name}:
        raise UserError(f"{project} is not a search: move it or choose another --project-name")


@contextlib.contextmanager
def exclusive(project: Path, overwrite: bool) -> Iterator[None]:
    """Hold the folder of a search for this process; delete it again if no trial began in it.

    Args:
        overwrite: delete an earlier search first.
    """
    check_available(project)
    with hold(project / "lock.json"):
        try:
            if overwrite:
                _empty(project)
            yield
        finally:
            if not any(project.glob("trial_*")):
                shutil.rmtree(project, ignore_errors=True)


def _empty(project: Path) -> None:
    """Delete everything in the folder of a search but its lock."""
    for path in project.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != "lock.json":
            path.unlink(missing_ok=True)
