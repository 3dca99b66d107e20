"""The settings of the verb `table`: the rows of the paper's table."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..core.config import Section
from ..core.errors import UserError

# Row of the table → the settings of its trainings.
ROWS: dict[str, dict[str, Any]] = {
    "adding-100": {"problem": "adding", "steps": 100},
    "adding-500": {"problem": "adding", "steps": 500},
    "adding-1000": {"problem": "adding", "steps": 1000},
    "order-6a": {"problem": "order-6a"},
    "order-6b": {"problem": "order-6b"},
    "lag-2a": {"problem": "lag-2a"},
    "lag-2b": {
        "problem": "lag-2b",
        "units": 64,
        "epochs": 12,
    },  # more epochs than a third of the paper's: it is hard
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableConfig(Section):
    """Which rows and networks, and the seeds."""

    rows: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Rows to fill, such as adding-1000 or order-6a (default: all)."""
    models: tuple[Literal["rnn", "lstm", "lstm97", "gru"], ...] = ("lstm", "rnn")
    """Networks; in the rows lag-2a and lag-2b, lstm means lstm97."""
    seeds: tuple[int, ...] = (1, 2, 3)
    """Seeds of weights and sequences."""
    run_dir: Path = Path("runs")
    """Folder of all runs; finished runs are not trained again."""

    def check(self) -> None:
        for row in self.rows:
            if row not in ROWS:
                raise UserError(f"no row {row!r}; the rows: {', '.join(ROWS)}")
