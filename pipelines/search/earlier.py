"""The earlier search in a folder, which `tune --overwrite` keeps until the new one has a score.

<project>/.earlier    the earlier search; a copy of its best/ stays usable in its place
<project>/.moving     what has been moved so far, if the process was killed meanwhile
"""

import shutil
from pathlib import Path

from ..core.run_folder import RunFolder
from .trial_folder import read_result

EARLIER, _MOVING = ".earlier", ".moving"
_BEST = "best"


def set_aside(project: Path, lock: str) -> None:
    """Move a search into `.earlier`, with a copy of its best run in the old place.

    Args:
        lock: the name of the file that stays.
    """
    entries = [path for path in project.iterdir() if path.name != lock]
    if not entries:
        return
    moving, best = project / _MOVING, project / _BEST
    moving.mkdir()
    if best.is_dir():  # first, as the disk may be full
        shutil.copytree(best, moving / f".copy-{_BEST}")
    for path in entries:
        path.rename(moving / path.name)
    if (copy := moving / f".copy-{_BEST}").is_dir():
        copy.rename(best)
        RunFolder(best).update(trial=None)  # of no trial of the new search
    moving.rename(project / EARLIER)


def is_to_return(project: Path) -> bool:
    """Whether there is an earlier search, and no trial of the new one has a score."""
    trials = project.glob("trial_*")
    return (project / EARLIER).is_dir() and not any(
        read_result(trial).get("score") is not None for trial in trials
    )


def settle(project: Path, lock: str) -> None:
    """Put the earlier search back, or delete it if the new one has a score."""
    moving, earlier = project / _MOVING, project / EARLIER
    if moving.is_dir():  # killed before the new search began
        _put_back(project, moving)
    elif is_to_return(project):
        for path in project.iterdir():
            if path.name not in (lock, EARLIER):
                _delete(path)
        _put_back(project, earlier)
    elif earlier.is_dir():
        _delete(earlier)


def _put_back(project: Path, folder: Path) -> None:
    _delete(folder / f".copy-{_BEST}")
    for path in folder.iterdir():
        _delete(project / path.name)
        path.rename(project / path.name)
    folder.rmdir()


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
