"""The tables of Hochreiter & Schmidhuber 1997 beside ours: each cell of the table is a run."""

import contextlib
import dataclasses
import io
import itertools
from typing import TYPE_CHECKING, Any

from ..commands.runs import print_table
from ..core import run_folder as runs
from ..core.config import UserError
from ..core.devices import note

if TYPE_CHECKING:
    from . import LagsConfig, TableConfig

HEAD = ["problem", "paper", "network", "solved", "sequences, seed by seed", "mean, of the paper's"]


def show(config: "TableConfig") -> None:
    """Trains what is not finished yet, then prints the table."""
    from . import ROWS

    chosen = config.rows or tuple(ROWS)
    lines = []
    for row, model in itertools.product(chosen, config.models):
        done = [_trained(_cell(config, row, model, seed)) for seed in config.seeds]
        lines.append(_line(row, model, done))
    print()
    print_table(HEAD, lines)


def _cell(config: "TableConfig", row: str, model: Any, seed: int) -> "LagsConfig":
    """What is trained for one row, network and seed."""
    from . import ROWS, LagsConfig

    network: Any = {"lstm": "lstm97"}.get(model, model) if row.startswith("lag") else model
    told = LagsConfig(**ROWS[row], model=network, seed=seed, run_dir=config.run_dir)
    return dataclasses.replace(told, name=f"table-{row}-{network}-{seed}").resolved()


def _trained(config: "LagsConfig") -> runs.Run:
    """The finished run of a configuration: found, or trained now."""
    from . import TASK, train

    run = runs.Run(config.run_dir / TASK.name / str(config.name))
    if run.results_file.exists() and run.status in ("finished", "failed"):
        return run
    note(f"training {run.path}")
    again = dataclasses.replace(
        config, resume=run.backup.exists(), overwrite=not run.backup.exists()
    )
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            train(again)
        except UserError as error:  # a loss that is no number: not solved, and on with the others
            note(f"  {error}")
    solved, sequences = _found(run)
    note(f"  {'solved' if solved else 'not solved'}, {sequences:,} sequences")
    return run


def _found(run: runs.Run) -> tuple[bool, int]:
    """Whether a run solved its problem, and by how many training sequences."""
    results = run.results()
    return results.get("solved", False), results.get("sequences", 0)


def _line(row: str, model: str, done: list[runs.Run]) -> list[str]:
    found = [_found(run) for run in done]
    solved = [sequences for right, sequences in found if right]
    told = [f"{sequences:,}" if right else f">{sequences:,}" for right, sequences in found]
    paper = _paper(row)
    share = f"{sum(solved) / len(solved) / paper:.1%}" if len(solved) == len(done) else "–"
    return [row, f"{paper:,}", model, f"{len(solved)} of {len(done)}", " ".join(told), share]


def _paper(row: str) -> int:
    from ..datasets.lags.problems import problem
    from . import ROWS

    return problem(ROWS[row]["problem"], ROWS[row].get("steps")).paper or 0
