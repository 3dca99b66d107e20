"""The folder of a search: only one process at a time searches in it."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import UserError
from ..core.run_lock import check_not_held, hold
from .earlier import EARLIER, set_aside, settle

LOCK = "lock.json"


def check_available(project: Path) -> None:
    """Raise `UserError` if a folder holds something else, or another process searches in it."""
    if project.parent.exists() and not project.parent.is_dir():
        raise UserError(f"--directory {project.parent} is not a folder")
    if project.exists() and not project.is_dir():
        raise UserError(f"{project} is not a folder: choose another --project-name")
    check_not_held(project / LOCK)
    names = {path.name for path in project.iterdir()} if project.exists() else set()
    if names and not names & {"search.json", LOCK, EARLIER}:
        raise UserError(f"{project} is not a search: move it or choose another --project-name")


@contextlib.contextmanager
def exclusive(project: Path, overwrite: bool) -> Iterator[None]:
    """Hold the folder of a search for this process; delete it again if no trial began in it.

    Args:
        overwrite: begin anew. An earlier search is kept until a trial of the new one has a score;
            if the new one ends without any, the earlier one is put back.
    """
    check_available(project)
    with hold(project / LOCK):
        try:
            settle(project, LOCK)
            if overwrite:
                set_aside(project, LOCK)
            yield
        finally:
            settle(project, LOCK)
            if not any(project.glob("trial_*")):
                shutil.rmtree(project, ignore_errors=True)
