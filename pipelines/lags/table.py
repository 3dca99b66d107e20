"""Compare results with the tables of Hochreiter & Schmidhuber 1997; each cell is a run."""

import contextlib
import io
import itertools
from typing import Any

from ..core.config import replace
from ..core.console import note, print_table, say
from ..core.errors import UserError
from ..core.replacement import run_at
from ..core.run_folder import RunFolder
from ..datasets.lags.problems import make_problem
from ..training.task import Task
from ..training.workflow import train
from .config import LagsConfig
from .table_config import ROWS, TableConfig

HEAD = ["problem", "paper", "network", "solved", "sequences, seed by seed", "mean / paper"]


def show(task: Task, config: TableConfig) -> None:
    """Train the runs that are not finished yet, then print the table."""
    lines = []
    for row, model in itertools.product(config.rows or tuple(ROWS), config.models):
        runs = [_trained(task, _cell(config, row, model, seed)) for seed in config.seeds]
        lines.append(_line(row, model, runs))
    say()
    print_table(HEAD, lines)


def _cell(table: TableConfig, row: str, model: Any, seed: int) -> LagsConfig:
    """Return the settings of the training for one row, network and seed."""
    model = {"lstm": "lstm97"}.get(model, model) if row.startswith("lag") else model
    name = f"table-{row}-{model}-{seed}"
    settings = ROWS[row] | {"model": model, "seed": seed, "run_dir": table.run_dir, "name": name}
    return replace(LagsConfig(), **settings).resolved()


def _trained(task: Task, config: LagsConfig) -> RunFolder:
    """Return the finished run of a cell; train it if it does not exist."""
    run = run_at(config.run.run_dir / task.name / str(config.run.name))
    if run.results_file.exists() and run.status in ("finished", "failed"):
        return run
    note(f"training {run.path}")
    can_resume = run.backup.exists()
    config = replace(config, overwrite=not can_resume)
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            train(task, config, resume=run if can_resume else None)
        except UserError as error:  # the loss is not a number: not solved; continue with the others
            note(f"  {error}")
    is_solved, sequences = _solution(run)
    note(f"  {'solved' if is_solved else 'not solved'}, {sequences:,} sequences")
    return run


def _solution(run: RunFolder) -> tuple[bool, int]:
    """Return whether a run solved its problem, and its number of training sequences."""
    results = run.results()
    return results.get("solved", False), results.get("sequences", 0)


def _line(row: str, model: str, runs: list[RunFolder]) -> list[str]:
    solutions = [_solution(run) for run in runs]
    solved = [sequences for is_solved, sequences in solutions if is_solved]
    by_seed = [f"{n:,}" if is_solved else f">{n:,}" for is_solved, n in solutions]
    paper = make_problem(ROWS[row]["problem"], ROWS[row].get("steps")).paper or 0
    share = f"{sum(solved) / len(solved) / paper:.1%}" if len(solved) == len(runs) else "–"
    counts = f"{len(solved)} of {len(runs)}"
    return [row, f"{paper:,}", model, counts, " ".join(by_seed), share]
