"""Replace a run by a new one of the same name: `--overwrite`.

    runs/<task>/a             the run; it is found and used until the new one is finished
    runs/<task>/.new-a        the new one while it trains; `--resume --name a` continues it
    runs/<task>/.replaced-a   the run while the finished one takes its place, then deleted

Wherever a process is killed in between, `run_at` finds the run that counts, and `settle` completes
what was begun. Earlier versions moved the run to .replaced-a before the new one trained, in a: what
they left is found and settled as well.
"""

import contextlib
import os
import shutil
from pathlib import Path

from .run_folder import RunFolder
from .run_lock import holder


def run_at(path: Path) -> RunFolder:
    """Return the run that belongs at a path, wherever it is: the newest finished one, if any."""
    run = RunFolder(path)
    new, old = run.replacement, run.replaced
    if not _exists(new) and not _exists(old):
        return run
    finished = (place for place in (new, run, old) if _exists(place) and _is_finished(place))
    return next(finished, None) or next(filter(_exists, (run, old, new)), run)


def where_now(run: RunFolder) -> RunFolder:
    """Return a run that was trained, also if it has taken the place of another one since."""
    return run if _exists(run) else run_at(run.path.parent / run.name)


def _exists(run: RunFolder) -> bool:
    return os.path.lexists(run.path)


def _is_finished(run: RunFolder) -> bool:
    return run.status == "finished"


def settle(path: Path) -> None:
    """Complete what a killed process has begun to replace, so that the run is at its path."""
    run = RunFolder(path)
    found, new = run_at(path), run.replacement
    if found == new and _is_finished(new) and holder(new.lock_file) is None:
        take_place(new)
    elif found == run.replaced:
        if _exists(run) and not _exists(new):  # an earlier version trained the new one
            run.path.rename(new.path)
        if not _exists(run):
            run.replaced.path.rename(run.path)


def take_place(new: RunFolder) -> RunFolder:
    """Put a finished replacement in the place of the run, which is deleted; return it there."""
    run = RunFolder(new.path.parent / new.name)
    if _exists(run):
        _delete(run.replaced)
        run.path.rename(run.replaced.path)
    new.path.rename(run.path)
    _delete(run.replaced)
    return run


def _delete(run: RunFolder) -> None:
    """Delete a run; what a killed process leaves of it is no run, since it has no results."""
    with contextlib.suppress(OSError):
        run.results_file.unlink(missing_ok=True)
    shutil.rmtree(run.path, ignore_errors=True)
