"""A person's files of series: a table whose rows are times, or .npz files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..data_path import data_path
from ..left_out import LeftOut
from ..listing import printable, visible
from ..ready_splits import find_ready_splits
from ..tables.table import is_table, read_table
from .npz_arrays import is_npz
from .npz_files import read_npz
from .series_columns import SeriesColumns
from .series_split import Kind
from .series_tables import SeriesReading, series_of_table

EXPECTED = "a table of rows in time (.csv, .tsv, .parquet, .xlsx), or a .npz file with x and y"


class ReadingOptions(NamedTuple):
    """How files are read.

    Attributes:
        columns: the columns of tables that a person chooses.
        problem: what is predicted; None: it follows from the data.
        resample: the length of a step, as pandas writes it; None: as in the file.
        max_gap: the most missing values in a row that are filled.
        ready_splits: whether files named train, val, test are splits.
    """

    columns: SeriesColumns = SeriesColumns()
    problem: Kind | None = None
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
    files = _find_files(data_path(where, EXPECTED), options.ready_splits)
    read = _read_arrays if is_npz(files.paths["train"]) else _read_table
    reading = read(files.paths, options)
    return reading._replace(
        remarks=[*files.remarks, *reading.remarks],
        left_out=[*files.left_out, *reading.left_out],
    )


def _read_table(paths: Mapping[str, Path], options: ReadingOptions) -> SeriesReading:
    if options.problem not in (None, "forecast"):
        raise UserError(f"--problem {options.problem} needs a .npz file with x and y, not a table")
    table = read_table(paths["train"], options.columns.encoding, options.columns.known)
    return series_of_table(table, options.columns, options.resample)


def _read_arrays(paths: Mapping[str, Path], options: ReadingOptions) -> SeriesReading:
    if options.problem == "forecast":
        raise UserError("--problem forecast needs a table of rows in time, not a .npz file")
    _refuse_columns(options)
    return read_npz(paths, options.problem, options.max_gap)


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


class _Files(NamedTuple):
    """The file of each split, or the one file as that of the training, and what is beside them."""

    paths: Mapping[str, Path]
    left_out: Sequence[LeftOut] = ()
    remarks: Sequence[str] = ()


def _find_files(where: Path, ready_splits: bool) -> _Files:
    if where.is_file():
        return _Files({"train": where})
    ready = find_ready_splits(where, is_npz, ready_splits)
    paths = ready.paths or {"train": _only_file(where)}
    reason = "not in a split" if ready.paths else "beside the file"
    others = [path for path in visible(where) if path not in paths.values()]
    left_out = [LeftOut(printable(path), reason) for path in others]
    return _Files(paths, left_out, ready.remarks)


def _only_file(folder: Path) -> Path:
    """Return the one file of series in a folder."""
    files = [path for path in visible(folder) if is_npz(path) or is_table(path)]
    if len(files) == 1:
        return files[0]
    found = f"several files ({_names(files)})" if files else "no such file"
    raise UserError(f"--data-dir {printable(folder)}: {found}; expected {EXPECTED}")


def _names(files: Sequence[Path]) -> str:
    names = ", ".join(printable(path.name) for path in files[:4])
    return names + (f" and {len(files) - 4} more" if len(files) > 4 else "")
