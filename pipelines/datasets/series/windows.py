"""Windows of long series, divided by time: the test follows the validation, and that the training.

In every series, the first rows are for training, the next for validation, the last for the test.
The target of a window never reaches over a border; its past may reach back over one.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable
from ..splits import SPLITS
from .gaps import Filled, fill_gaps, filled_in_words, in_number
from .series_split import Windows
from .series_table import SeriesTable
from .time_stamps import stamp_in_words

SHARE = 0.15  # of the rows of a series, for the validation and for the test each


class DividedWindows(NamedTuple):
    """The windows of each split.

    Attributes:
        windows: by split.
        history: the training part of each series, float64 [T, K]; nan in gaps.
        names: the name of each series.
        remarks: one line each.
        left_out: series that are too short.
    """

    windows: dict[str, Windows]
    history: list[np.ndarray]
    names: list[str]
    remarks: list[str]
    left_out: list[LeftOut]


class _Part(NamedTuple):
    """The windows of a part of a series without a gap: their first rows, and their splits."""

    starts: np.ndarray
    splits: np.ndarray
    begin: int
    series: int


def borders(length: int, future: int) -> tuple[int, int]:
    """Return the first row of the validation and of the test, of a series of `length` rows."""
    size = max(round(SHARE * length), future)
    return length - 2 * size, length - size


def least_rows(past: int, future: int) -> int:
    """Return the number of rows of the shortest series with a window in each split."""
    rows = past + 3 * future
    while borders(rows, future)[0] < past + future:
        rows += 1
    return rows


def divide(table: SeriesTable, past: int, future: int, max_gap: int) -> DividedWindows:
    """Return all windows of a table, by split.

    Args:
        table: the series, nan where a value is missing.
        past: P, the rows that are read.
        future: F, the rows that are forecast.
        max_gap: the most missing values in a row that are filled, see `fill_gaps`.

    Raises:
        UserError: a split has no window.
    """
    steps = past, future
    usable, left_out = _usable(table, steps, max_gap)
    if not usable:
        short = [item for item in left_out if item.detail]
        remedy = f"; lower --past {past} or --future {future}" if short else ""
        reason = (short or left_out)[0].reason
        raise UserError(f"{table.source}: no series that can be used ({reason}){remedy}")
    every, splits = _windows(list(usable.values()), steps, table.targets)
    windows = {s: every.only(np.flatnonzero(splits == n)) for n, s in enumerate(SPLITS)}
    for split, found in windows.items():
        if not len(found):
            raise UserError(
                f"{table.source}: no window of {past + future:,} rows without a gap for the"
                f" {split} split; lower --past {past} or --future {future}, or raise --max-gap"
            )
    history = [
        found.values[: borders(len(found.values), future)[0], : table.targets]
        for found in usable.values()
    ]
    remarks = _remarks(table, usable, max_gap)
    return DividedWindows(windows, history, [*usable], remarks, left_out)


def _usable(
    table: SeriesTable, steps: tuple[int, int], max_gap: int
) -> tuple[dict[str, Filled], list[LeftOut]]:
    """Return the series that are long enough, without short gaps, and those that are left out."""
    past, future = steps
    usable, left_out = {}, []
    for name, values in table.series.items():
        found = fill_gaps(values, max_gap)
        where = f"series {name}" if name else table.source
        if borders(len(values), future)[0] < past + future:
            least = least_rows(past, future)
            reason = f"fewer than the {least:,} rows that --past and --future need"
            left_out.append(LeftOut(where, reason, f"{len(values):,} rows"))
        elif not found.parts:
            left_out.append(LeftOut(where, _missing(values, table.columns)))
        else:
            usable[name] = found
    return usable, left_out


def _missing(values: np.ndarray, columns: Sequence[str]) -> str:
    """Return why no row of a series can be used."""
    empty = [name for name, column in zip(columns, values.T, strict=True) if np.isnan(column).all()]
    if not empty:
        return "no row without a missing value"
    return f"no value in column{'s' * (len(empty) > 1)} {', '.join(map(printable, empty))}"


def _windows(
    series: list[Filled], steps: tuple[int, int], targets: int
) -> tuple[Windows, np.ndarray]:
    """Return the windows of all parts of all series, and the split of each, as a number."""
    firsts = np.cumsum([0, *(len(found.values) for found in series)])[:-1]
    parts = [
        _windows_of(int(first), part, borders(len(found.values), steps[1]), steps, number)
        for number, (first, found) in enumerate(zip(firsts, series, strict=True))
        for part in found.parts
    ]
    sizes = [len(part.starts) for part in parts]
    windows = Windows(
        values=np.concatenate([found.values for found in series]),
        filled=np.concatenate([found.filled for found in series]),
        starts=np.concatenate([part.starts for part in parts]),
        begins=np.repeat([part.begin for part in parts], sizes),
        series=np.repeat([part.series for part in parts], sizes),
        firsts=firsts,
        steps=steps,
        targets=targets,
    )
    return windows, np.concatenate([part.splits for part in parts])


def _windows_of(
    first: int, part: tuple[int, int], edges: tuple[int, int], steps: tuple[int, int], series: int
) -> _Part:
    """Return the windows of a part of a series; those whose target crosses a border have split -1.

    Args:
        first: the first row of the series among all rows.
        part: the first row of the part in the series, and the row after its last.
        edges: the borders of the series.
        steps: P and F.
        series: the number of the series.
    """
    past, future = steps
    starts = np.arange(part[0], part[1] - past - future + 1)
    begins, ends = starts + past, starts + past + future  # of the targets
    splits = np.searchsorted(edges, begins, side="right")
    crosses = splits != np.searchsorted(edges, ends - 1, side="right")
    return _Part(starts + first, np.where(crosses, -1, splits), part[0] + first, series)


def _remarks(table: SeriesTable, series: Mapping[str, Filled], max_gap: int) -> list[str]:
    """Return how many missing values were filled, and which gaps divide the series."""
    filled = sum(int(found.filled.sum()) for found in series.values())
    gaps = [(name, *gap) for name, found in series.items() for gap in found.gaps]
    remarks = []
    if filled:
        remarks.append(f"{table.source}: {filled_in_words(filled, max_gap)}")
    if gaps:
        name, first, end = gaps[0]
        where = f"rows {first + 1:,} to {end:,}"
        if table.times is not None:
            where = " to ".join(stamp_in_words(table.times[name][n]) for n in (first, end - 1))
        of = f" of series {name}" if name else ""
        size = sum(end - first for _, first, end in gaps)
        remarks.append(
            f"{table.source}: divided at {in_number(len(gaps), 'longer gap')} of missing values,"
            f" {in_number(size, 'row')} in all; the first: {where}{of}"
        )
    return remarks
