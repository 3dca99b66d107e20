"""`errorflow runs`: list the runs with their figures, or compare some side by side."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..core.config import Section
from ..core.config_files import load_yaml
from ..core.console import print_table, say, suggestion
from ..core.errors import UserError
from ..core.flags import parse_flags
from ..core.run_folder import RunFolder, read_history
from ..core.run_selection import all_runs
from ..registry import TASKS


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListConfig(Section):
    """List all runs with their figures, the latest last."""

    run_dir: Path = Path("runs")
    """Folder of all runs."""
    task: str | None = None
    """Only the runs of this task."""

    def check(self) -> None:
        if self.task is not None and self.task not in TASKS:
            raise UserError(f"--task {self.task!r}: no such task{suggestion(self.task, TASKS)}")


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
    runs = existing_runs(config.run_dir, config.task)
    figures = [figures_of(run) for run in runs]
    tests = list(dict.fromkeys(key for row in figures for key in row if key.startswith("test ")))
    columns = ["status", "epochs", *tests, "seconds", "parameters", "started"]
    rows = [
        [f"{run.task}/{run.name}", *(row.get(c, "") for c in columns)]
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
    configs = [as_text(load_yaml(run.config_file)) for run in runs]
    differing = [row for row in side_by_side(configs) if len(set(row[1:])) > 1]
    if differing:
        print_table(["config", *(run.name for run in runs)], differing)
    else:
        say("the configurations are the same")


def existing_runs(run_dir: Path, task: str | None) -> list[RunFolder]:
    """Return all runs below a folder; raise `UserError` if there are none."""
    runs = all_runs(run_dir, task)
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
    """Return the figures of a run as text."""
    results = run.results()
    best = f" (best {results['best_epoch']})" if "best_epoch" in results else ""
    row = {
        "status": run.status,
        "epochs": f"{len(read_history(run))}{best}",
        "seconds": f"{results['seconds']:.0f}" if "seconds" in results else "",
        "parameters": f"{results['parameters']:,}" if "parameters" in results else "",
        "started": str(results.get("started", ""))[:16].replace("T", " "),
    }
    findings = [f"{f['layer']} {f['kind']}".strip() for f in results.get("findings", ())]
    row["findings"] = ", ".join(findings)
    for part in ("validation", "test"):
        scores = results.get(part, {}).items()
        row |= {f"{part} {key.replace('_', ' ')}": f"{value:.4f}" for key, value in scores}
    return row


def as_text(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings as text."""
    return {key: str(value) for key, value in config.items()}


def side_by_side(columns: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """Return rows [key, value in each column] for every key that any column has."""
    keys = dict.fromkeys(key for column in columns for key in column)
    return [[key, *(column.get(key, "") for column in columns)] for key in keys]
