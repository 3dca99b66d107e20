"""`errorflow runs`: the runs with their figures, and some of them side by side."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..core.config import UserError
from ..core.config_files import load_yaml, parse_flags
from ..core.run_folder import Run, all_runs, read_history


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListConfig:
    """List all runs with their figures, the latest last."""

    run_dir: Path = Path("runs")
    """Folder that holds all runs."""
    task: str | None = None
    """Only this task's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """Show runs side by side: their figures, and where their configurations differ."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """The runs' names, as NAME or TASK/NAME (default: the two latest)."""
    run_dir: Path = Path("runs")
    """Folder that holds all runs."""


def command(arguments: list[str]) -> None:
    """`runs` and `runs compare`."""
    if arguments[:1] == ["compare"]:
        compare(parse_flags(CompareConfig, arguments[1:], "errorflow runs compare"))
    else:
        show(parse_flags(ListConfig, arguments, "errorflow runs"))


def show(config: ListConfig) -> None:
    """Prints a line per run."""
    runs = existing(config.run_dir, config.task)
    figures = [figures_of(run) for run in runs]
    tests = list(dict.fromkeys(key for row in figures for key in row if key.startswith("test ")))
    columns = ["status", "epochs", *tests, "seconds", "parameters", "started"]
    rows = [
        [f"{run.task}/{run.name}", *(row.get(c, "") for c in columns)]
        for run, row in zip(runs, figures, strict=True)
    ]
    print_table(["run", *columns], rows)


def compare(config: CompareConfig) -> None:
    """Prints a column per run: figures first, then the keys that differ."""
    known = existing(config.run_dir, None)
    runs = [pick(name, known) for name in config.names] or known[-2:]
    if len(runs) < 2:
        raise UserError("errorflow runs compare: two runs are needed; `errorflow runs` lists them")
    print_table(["", *(run.name for run in runs)], side_by_side([figures_of(r) for r in runs]))
    configs = [flat(load_yaml(run.config_file)) for run in runs]
    differing = [row for row in side_by_side(configs) if len(set(row[1:])) > 1]
    if differing:
        print_table(["config", *(run.name for run in runs)], differing)
    else:
        print("the configurations are the same")


def existing(run_dir: Path, task: str | None) -> list[Run]:
    runs = all_runs(run_dir, task)
    if not runs:
        raise UserError(f"no runs in {run_dir / (task or '')}: train something, or give --run-dir")
    return runs


def pick(name: str, known: Sequence[Run]) -> Run:
    found = [run for run in known if name in (run.name, f"{run.task}/{run.name}")]
    if not found:
        raise UserError(f"no run {name!r}; `errorflow runs` lists them")
    if len(found) > 1:
        raise UserError(f"several tasks have a run {name!r}: say TASK/{name}")
    return found[0]


def figures_of(run: Run) -> dict[str, str]:
    """What is known of a run, in words."""
    results = run.results()
    best = f" (best {results['best_epoch']})" if "best_epoch" in results else ""
    row = {
        "status": run.status,
        "epochs": f"{len(read_history(run))}{best}",
        "seconds": f"{results['seconds']:.0f}" if "seconds" in results else "",
        "parameters": f"{results['parameters']:,}" if "parameters" in results else "",
        "started": str(results.get("started", ""))[:16].replace("T", " "),
    }
    found = [f"{one['layer']} {one['kind']}".strip() for one in results.get("findings", ())]
    row["findings"] = ", ".join(found)
    for part in ("validation", "test"):
        scores = results.get(part, {}).items()
        row |= {f"{part} {key.replace('_', ' ')}": f"{value:.4f}" for key, value in scores}
    return row


def flat(config: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in config.items()}


def side_by_side(columns: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """[key, value of each] for every key that any of them has."""
    keys = dict.fromkeys(key for column in columns for key in column)
    return [[key, *(column.get(key, "") for column in columns)] for key in keys]


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout, as wide as it needs to be: nothing is cut off."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*head, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(width=1000, highlight=False).print(table)
