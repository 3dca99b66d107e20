"""`errorflow runs`: list the runs with their figures, or compare some side by side.

A damaged run is shown with what is wrong with it; it does not hide the others.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from ..core.config import Section
from ..core.console import note, print_table, say, suggestion
from ..core.errors import DamagedFile, UserError
from ..core.flags import parse_flags
from ..core.run_config import stored_settings
from ..core.run_folder import RunFolder, read_history
from ..core.run_results import figure_in_words, headline_of
from ..core.run_selection import all_runs, has_model
from ..registry import all_tasks, is_task

DAMAGED = "damaged"  # the row of a run's figures that says what is wrong with its files


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListConfig(Section):
    """List all runs with their figures, the latest last."""

    run_dir: Path = Path("runs")
    """Folder of all runs."""
    task: str | None = None
    """Only the runs of this task."""

    def check(self) -> None:
        if self.task is not None and not is_task(self.task):
            closest = suggestion(self.task, all_tasks())
            raise UserError(f"--task {self.task!r}: no such task{closest}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareConfig(Section):
    """Show runs side by side: their figures, and where their configurations differ."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Names of the runs, NAME or TASK/NAME (default: the two latest runs)."""
    run_dir: Path = Path("runs")
    """Folder of all runs."""


def command(arguments: list[str]) -> None:
    """Run `runs` or `runs compare`."""
    if arguments[:1] == ["compare"]:
        compare(parse_flags(CompareConfig, arguments[1:], "errorflow runs compare"))
    else:
        config = parse_flags(ListConfig, arguments, "errorflow runs")
        config.check()
        show(config)


def show(config: ListConfig) -> None:
    """Print a line per run."""
    runs = existing_runs(config.run_dir, config.task, replacements=True)
    figures = [figures_of(run) for run in runs]
    tests = list(dict.fromkeys(key for row in figures for key in row if key.startswith("test ")))
    columns = ["status", "epochs", *tests, "seconds", "parameters", "started"]
    columns += [DAMAGED] * any(DAMAGED in row for row in figures)
    rows = [
        [run.title, *(row.get(c, "") for c in columns)]
        for run, row in zip(runs, figures, strict=True)
    ]
    print_table(["run", *columns], rows)


def compare(config: CompareConfig) -> None:
    """Print a column per run: figures first, then the settings that differ."""
    every_run = existing_runs(config.run_dir, None)
    runs = [pick_run(name, every_run) for name in config.names] or every_run[-2:]
    if len(runs) < 2:
        raise UserError("errorflow runs compare: two runs are needed; `errorflow runs` lists them")
    print_table(["", *(run.name for run in runs)], side_by_side([figures_of(r) for r in runs]))
    settings = settings_of(runs)
    differing = [row for row in side_by_side([*settings.values()]) if len(set(row[1:])) > 1]
    if differing:
        print_table(["config", *(run.name for run in settings)], differing)
    elif len(settings) > 1:
        say("the configurations are the same")


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


def figures_of(run: RunFolder) -> dict[str, str]:
    """Return the figures of a run as text; the row `DAMAGED` says what is wrong with its files."""
    if (damage := run.damage) is not None:
        return {"status": run.status, DAMAGED: damage}
    results, (epochs, problem) = run.results(), _epochs(run)
    best = f" (best {results['best_epoch']})" if "best_epoch" in results else ""
    row = {
        "status": run.status,
        "epochs": f"{epochs}{best}",
        "seconds": f"{results['seconds']:.0f}" if "seconds" in results else "",
        "parameters": f"{results['parameters']:,}" if "parameters" in results else "",
        "started": results.get("started", "")[:16].replace("T", " "),
    }
    for finding in results.get("findings", ()):
        title, headline = f"finding {finding['layer']}".strip(), headline_of(finding)
        row[title] = f"{row[title]}; {headline}" if title in row else headline
    for part in ("validation", "test"):
        scores = results.get(part, {}).items()
        row |= {f"{part} {key.replace('_', ' ')}": figure_in_words(v) for key, v in scores}
    if run.status == "finished" and not has_model(run):
        problem = problem or f"{run.best.name}: missing or incomplete"
    return row | ({DAMAGED: problem} if problem else {})


def _epochs(run: RunFolder) -> tuple[str, str]:
    """Return the number of epochs in history.csv, and what is wrong with it, if anything."""
    try:
        history, epochs = read_history(run), run.results().get("epochs", 0)
    except DamagedFile as error:
        return "?", f"{error.path.name}: {error.reason}"
    is_short = run.status == "finished" and len(history) < epochs
    lost = f"{len(history)} of {epochs} epochs" if history else "missing"
    return str(len(history)), f"{run.history_file.name}: {lost}" if is_short else ""


def settings_of(runs: Sequence[RunFolder]) -> dict[RunFolder, dict[str, str]]:
    """Return the settings of each run as text; say of which runs they cannot be read."""
    settings = {}
    for run in runs:
        try:
            settings[run] = {key: str(value) for key, value in stored_settings(run).items()}
        except UserError as error:
            note(str(error))
    return settings


def side_by_side(columns: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """Return rows [key, value in each column] for every key that any column has."""
    keys = dict.fromkeys(key for column in columns for key in column)
    return [[key, *(column.get(key, "") for column in columns)] for key in keys]
