"""A finished search as a Python object."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from .core.errors import DamagedFile
from .run import Run, load_run

if TYPE_CHECKING:
    import pandas


@dataclasses.dataclass(frozen=True)
class Search:
    """A search over settings.

    Attributes:
        path: folder of the search.
        trials: a DataFrame with one row per trial, the best first.
        best: the run of the best trial.
    """

    path: Path

    @property
    def trials(self) -> "pandas.DataFrame":
        import pandas

        file = self.path / "trials.csv"
        try:
            return pandas.read_csv(file, dtype={"trial": str})
        except ValueError as error:  # whatever pandas finds wrong with a table
            raise DamagedFile(file, str(error)) from None

    @property
    def best(self) -> Run:
        return load_run(self.path / "best")

    def __repr__(self) -> str:
        return f"Search({str(self.path)!r}: {len(self.trials)} trials)"
