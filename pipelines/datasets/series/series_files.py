"""A person's files of series: a table whose rows are times, or .npz files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..data_path import data_path
from ..listing import printable, visible
from ..ready_splits import find_ready_splits
from ..tables.table import is_table, read_table
from .npz_files import Answers, is_npz, read_npz
from .series_columns import SeriesColumns
from .series_tables import SeriesReading, series_of_table

EXPECTED = "a table of rows in time (.csv, .tsv, .parquet, .xlsx), or a .npz file with x and y"


class ReadingOptions(NamedTuple):
    """How files are read.

    Attributes:
        columns: what is said about the columns of tables.
        problem: what is predicted; None: it follows from the data.
        resample: the length of a step, as pandas writes it; None: as in the file.
        max_gap: the most missing values in a row that are filled.
        ready_splits: whether files named train, val, test are splits.
    """

    columns: SeriesColumns = SeriesColumns()
    problem: str | None = None
    resample: str | None = None
    max_gap: int = 3
    ready_splits: bool = True


def read_series(where: str | Path, options: ReadingOptions) -> SeriesReading:
    """Read the series of a file, or of the files in a folder.

    Args:
        where: a table, a .npz file, or a folder with one of them, or with train.npz, test.npz and
            perhaps validation.npz.
        options: how they are read.

    Raises:
        UserError: there is no such file, or it cannot be used.
    """
    path = data_path(where, EXPECTED)
    paths = {"train": path} if path.is_file() else _in_folder(path, options.ready_splits)
    problem = options.problem
    if not is_npz(paths["train"]):
        if problem not in (None, "forecast"):
            raise UserError(f"--problem {problem} needs a .npz file with x and y, not a table")
        table = read_table(paths["train"], options.columns.encoding, options.columns.known)
        return series_of_table(table, options.columns, options.resample)
    if problem == "forecast":
        raise UserError("--problem forecast needs a table of rows in time, not a .npz file")
    _refuse_columns(options)
    answers: Answers | None = "classify" if problem == "classify" else None
    return read_npz(paths, "regress" if problem == "regress" else answers, options.max_gap)


def _refuse_columns(options: ReadingOptions) -> None:
    """Raise `UserError` for settings of tables."""
    columns = options.columns
    flags = {
        "--time-column": columns.time,
        "--target": columns.targets,
        "--covariates": columns.covariates,
        "--id-column": columns.id,
        "--resample": options.resample,
    }
    for flag, value in flags.items():
        if value:
            raise UserError(f"{flag} is for tables; a .npz file has arrays, x and y")


def _in_folder(folder: Path, ready_splits: bool) -> dict[str, Path]:
    """Return the file of each split, or the one file as that of the training."""
    ready = find_ready_splits(folder, is_npz, ready_splits)
    if ready.paths:
        return ready.paths
    files = [path for path in visible(folder) if is_npz(path) or is_table(path)]
    if len(files) == 1:
        return {"train": files[0]}
    found = f"several files ({_names(files)})" if files else "no such file"
    raise UserError(f"--data-dir {printable(folder)}: {found}; expected {EXPECTED}")


def _names(files: Sequence[Path]) -> str:
    names = ", ".join(printable(path.name) for path in files[:4])
    return names + (f" and {len(files) - 4} more" if len(files) > 4 else "")
