"""Find the run that a command uses: by name, by path, or the latest suitable one."""

from pathlib import Path

from .config import RunChoice
from .errors import UserError, require_name
from .run_folder import RunFolder


def all_runs(run_dir: Path, task: str | None = None) -> list[RunFolder]:
    """Return every run below a folder, the oldest first."""
    runs = [RunFolder(path.parent) for path in run_dir.glob(f"{task or '*'}/[!.]*/results.json")]
    return sorted(runs, key=lambda run: (str(run.results().get("started", "")), run.name))


def run_named(run_dir: Path, task: str, name: str) -> RunFolder:
    """Return the run of a task by its name."""
    require_name(name)
    run = RunFolder(run_dir / task / name)
    if not run.results_file.exists() or not run.config_file.exists():
        latest = ", ".join(run.name for run in all_runs(run_dir, task)[-5:])
        raise UserError(f"no run {run.path}" + (f"; the latest runs: {latest}" if latest else ""))
    return run


def run_to_resume(run_dir: Path, task: str, name: str | None) -> RunFolder:
    """Return the run of that name, or the latest one that was interrupted or has failed."""
    if name is not None:
        run = run_named(run_dir, task, name)
        if run.status == "running":
            raise UserError(f"run {run.path} is being trained by process {run.results()['pid']}")
        return run
    runs = [run for run in all_runs(run_dir, task) if run.status in ("interrupted", "failed")]
    if not runs:
        raise UserError(f"no interrupted run in {run_dir / task}: nothing to --resume")
    return runs[-1]


def latest_usable(run_dir: Path, task: str, name: str | None) -> RunFolder:
    """Return the run of that name, if it has a model, or the latest finished one."""
    if name is not None:
        run = run_named(run_dir, task, name)
        if not run.best.exists():
            raise UserError(f"run {run.path} has no model yet: train it with --resume")
        return run
    runs = [run for run in all_runs(run_dir, task) if run.status == "finished"]
    if not runs:
        raise UserError(
            f"no finished run in {run_dir / task}: train one with `errorflow {task} train`"
        )
    return runs[-1]


def open_run(path: Path, task: str | None = None) -> RunFolder:
    """Return the trained run in any folder; with `task`, only a run of that task."""
    run = RunFolder(path)
    if not run.config_file.exists() or not run.best.exists():
        raise UserError(f"{path} is not the folder of a trained run")
    actual = run.results().get("task")
    if task is not None and actual != task:
        raise UserError(f"{path} is a run of {actual}, not of {task}")
    return run


def choose_run(choice: RunChoice, task: str) -> RunFolder:
    """Return the run that --run, or --name and --run-dir, choose."""
    if choice.run is not None:
        return open_run(choice.run, task)
    return latest_usable(choice.run_dir, task, choice.name)
