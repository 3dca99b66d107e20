"""Find the run that a command uses: by name, by path, or the latest suitable one.

A damaged run does not hide the others: it is listed as damaged, and never chosen as the latest.
"""

import os
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from .config import RunChoice
from .console import note, shorten
from .errors import UserError, require_name
from .integrity import is_whole_model
from .replacement import run_at
from .run_config import stored_settings, undo
from .run_folder import NEW, REPLACED, RunFolder
from .run_lock import check_not_held

SIGNS_OF_A_RUN = frozenset({"results.json", "checkpoints"})


def all_runs(
    run_dir: Path, task: str | None = None, *, replacements: bool = False
) -> list[RunFolder]:
    """Return every run below a folder, the oldest first; the damaged ones come before them.

    Args:
        replacements: return the unfinished runs that are to replace others, too.
    """
    tasks = [run_dir / task] if task else filter(_is_visible, _entries(run_dir))
    runs = [run for folder in tasks for run in _runs_in(folder, replacements)]
    return sorted(runs, key=lambda run: (_started(run), run.name))


def existing_runs(
    run_dir: Path, task: str | None, *, replacements: bool = False
) -> list[RunFolder]:
    """Return all runs below a folder, as `all_runs`; raise `UserError` if there are none."""
    runs = all_runs(run_dir, task, replacements=replacements)
    if not runs:
        raise UserError(f"no runs in {run_dir / (task or '')}: train something, or give --run-dir")
    return runs


def pick_run(name: str, runs: Sequence[RunFolder]) -> RunFolder:
    """Return the run called NAME or TASK/NAME."""
    matches = [run for run in runs if name in (run.name, f"{run.task}/{run.name}")]
    if not matches:
        raise UserError(f"no run {name!r}; `errorflow runs` lists them")
    if len(matches) > 1:
        raise UserError(f"several tasks have a run {name!r}: give TASK/{name}")
    return matches[0]


def _runs_in(folder: Path, replacements: bool) -> Iterator[RunFolder]:
    places = [RunFolder(path) for path in _entries(folder) if _is_place(path) and _is_run(path)]
    runs = {name: run_at(folder / name) for name in dict.fromkeys(place.name for place in places)}
    yield from runs.values()
    if replacements:
        yield from (p for p in places if p.is_replacement and p != runs[p.name])


def _entries(folder: Path) -> Iterator[Path]:
    """Yield what a folder holds; say so if it cannot be read."""
    try:
        yield from folder.iterdir()
    except NotADirectoryError:
        return
    except OSError as error:
        if os.path.lexists(folder):
            note(f"{folder}: cannot be read ({error.strerror}); its runs are left out")


def _is_visible(path: Path) -> bool:
    return not path.name.startswith(".")


def _is_place(path: Path) -> bool:
    """Whether a run may be there: hidden are those only that are about to be replaced."""
    return _is_visible(path) or path.name.startswith((NEW, REPLACED))


def _is_run(path: Path) -> bool:
    """Whether a path is the folder of a run, or cannot be read and may be one."""
    try:
        return not SIGNS_OF_A_RUN.isdisjoint(entry.name for entry in path.iterdir())
    except NotADirectoryError:
        return False
    except OSError:
        return True


def _started(run: RunFolder) -> str:
    return "" if run.damage else run.results().get("started", "")


def run_named(run_dir: Path, task: str, name: str) -> RunFolder:
    """Return the run of a task by its name.

    Raises:
        UserError: there is no such run, or it is damaged.
    """
    require_name(name)
    run = run_at(run_dir / task / name)
    if not os.path.lexists(run.path) or not _is_run(run.path):
        latest = ", ".join(run.name for run in all_runs(run_dir, task)[-5:])
        raise UserError(f"no run {run.path}" + (f"; the latest runs: {latest}" if latest else ""))
    if (damage := run.damage) is not None:
        is_config = damage.startswith(run.config_file.name)
        advice = undo(run) if is_config else "`errorflow runs` lists the others"
        raise UserError(f"run {run.path} is damaged ({damage}); {advice}")
    return run


def run_to_resume(run_dir: Path, task: str, name: str | None) -> RunFolder:
    """Return the run of that name, or the latest one that was interrupted or has failed.

    An unfinished run that is to replace another one comes first.
    """
    if name is not None:
        run = _replacement_of(run_dir / task / name) or run_named(run_dir, task, name)
        check_not_held(run.lock_file)
        return run
    runs = all_runs(run_dir, task, replacements=True)
    run = _latest(runs, ("interrupted", "failed"), _problem_of_config)
    if run is None:
        raise UserError(f"no interrupted run in {run_dir / task}: nothing to --resume")
    return run


def _replacement_of(path: Path) -> RunFolder | None:
    new = RunFolder(path).replacement
    return new if os.path.lexists(new.path) and _is_run(new.path) else None


def latest_usable(run_dir: Path, task: str, name: str | None) -> RunFolder:
    """Return the run of that name, if it has a model, or the latest finished one."""
    if name is not None:
        run = run_named(run_dir, task, name)
        if not run.best.exists():
            raise UserError(f"run {run.path} has no model yet: train it with --resume")
        return run
    run = _latest(all_runs(run_dir, task), ("finished",), _problem_of_model)
    if run is None:
        raise UserError(
            f"no finished run in {run_dir / task}: train one with `errorflow {task} train`"
        )
    return run


def _latest(
    runs: Iterable[RunFolder], statuses: Collection[str], problem_of: Callable[[RunFolder], str]
) -> RunFolder | None:
    """Return the latest run of these statuses without a problem; print which were left out."""
    chosen, left_out = None, []
    for run in reversed([*runs]):
        problem = run.damage or ""
        if not problem and chosen is None and run.status in statuses:
            problem = problem_of(run)
            chosen = None if problem else run
        if problem:
            left_out.append(f"{run.path} ({problem})")
    if left_out:
        note(f"left out, because damaged: {', '.join(shorten(left_out))}")
    return chosen


def _problem_of_config(run: RunFolder) -> str:
    """Return why the settings of a run cannot be read; empty if they can."""
    try:
        stored_settings(run)
    except UserError as error:
        return str(error)
    return ""


def _problem_of_model(run: RunFolder) -> str:
    """Return why a finished run cannot be used; empty if it can."""
    if problem := _problem_of_config(run):
        return problem
    if (task := run.results().get("task", run.task)) != run.task:
        return f"it is a run of {task}"
    return "" if is_whole_model(run.best) else f"{run.best.name}: missing or damaged"


def has_model(run: RunFolder) -> bool:
    """Whether the best model of a run is there, and not cut off."""
    return run.best.is_file() and zipfile.is_zipfile(run.best)


def open_run(path: Path, task: str | None = None) -> RunFolder:
    """Return the trained run in any folder; with `task`, only a run of that task."""
    run = run_at(path)
    if not run.config_file.exists() or not run.best.exists():
        raise UserError(f"{path} is not the folder of a trained run")
    if task is not None:
        _check_task(run, path, task)
    return run


def configured_run(choice: RunChoice, task: str) -> RunFolder:
    """Return the run that the flags choose, or the latest that has ended; it needs no model.

    Raises:
        UserError: there is no such run, or its settings cannot be read.
    """
    if choice.run is None:
        run = _latest_ended(choice.run_dir, task, choice.name)
    else:
        run = run_at(choice.run)
        if not run.config_file.exists():
            raise UserError(f"{choice.run} is not the folder of a run: it has no config.yaml")
        if (damage := run.damage) is not None:
            raise UserError(f"run {run.path} is damaged ({damage})")
        _check_task(run, choice.run, task)
    stored_settings(run)
    return run


def _latest_ended(run_dir: Path, task: str, name: str | None) -> RunFolder:
    if name is not None:
        return run_named(run_dir, task, name)
    ended = ("finished", "interrupted", "failed")
    run = _latest(all_runs(run_dir, task, replacements=True), ended, _problem_of_config)
    if run is None:
        raise UserError(f"no run in {run_dir / task}: train one with `errorflow {task} train`")
    return run


def _check_task(run: RunFolder, path: Path, task: str) -> None:
    actual = run.results().get("task")
    if actual != task:
        raise UserError(f"{path} is a run of {actual}, not of {task}")


def choose_run(choice: RunChoice, task: str) -> RunFolder:
    """Return the run that --run, or --name and --run-dir, choose.

    Raises:
        UserError: there is no such run, or its model is damaged.
    """
    if choice.run is not None:
        run = open_run(choice.run, task)
    else:
        run = latest_usable(choice.run_dir, task, choice.name)
    if not is_whole_model(run.best):
        is_usable = is_whole_model(run.last)
        last = "copy last.keras, the model after the last epoch, over it, or " * is_usable
        raise UserError(f"{run.best} is damaged: {last}train it again with --overwrite")
    return run
