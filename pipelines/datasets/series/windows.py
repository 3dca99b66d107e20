"""Windows of long series, divided by time: the test follows the validation, and that the training.

In every series, the first rows are for training, the next for validation, the last for the test.
The target of a window never reaches over a border; its past may reach back over one.
"""

from typing import NamedTuple

import numpy as np

from ...core.errors import UserError
from ..left_out import LeftOut
from ..splits import SPLITS
from .gaps import fill_gaps
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
    rows, masks, history, parts, left_out = [], [], [], [], []
    names, gaps, first = [], [], 0
    for name, values in table.series.items():
        if borders(len(values), future)[0] < past + future:
            needed = past + 3 * future
            reason = f"fewer than the {needed:,} rows that --past {past} --future {future} need"
            left_out.append(LeftOut(f"series {name}" if name else table.source, reason))
            continue
        found = fill_gaps(values, max_gap)
        number = len(names)
        parts += [
            _windows_of(first, part, borders(len(values), future), (past, future), number)
            for part in found.parts
        ]
        masks.append(found.filled)
        gaps += [(name, *gap) for gap in found.gaps]
        history.append(found.values[: borders(len(values), future)[0], : table.targets])
        rows.append(found.values)
        names.append(name)
        first += len(values)
    if not rows:
        lengths = max(map(len, table.series.values()))
        raise UserError(
            f"{table.source}: the longest series has {lengths:,} rows: at least"
            f" {past + 3 * future:,} are needed; lower --past {past} or --future {future}"
        )
    filled = np.concatenate(masks)
    every = _windows(rows, filled, parts, (past, future), table.targets)
    windows = _by_split(every, np.concatenate([part.splits for part in parts]))
    for split, found in windows.items():
        if not len(found):
            raise UserError(
                f"{table.source}: no window of {past + future:,} rows without a gap for the"
                f" {split} split; lower --past {past} or --future {future}, or raise --max-gap"
            )
    remarks = _remarks(table, int(filled.sum()), gaps, max_gap)
    return DividedWindows(windows, history, names, remarks, left_out)


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


def _windows(
    rows: list[np.ndarray],
    filled: np.ndarray,
    parts: list[_Part],
    steps: tuple[int, int],
    targets: int,
) -> Windows:
    """Return the windows of all parts of all series."""
    sizes = [len(part.starts) for part in parts]
    return Windows(
        values=np.concatenate(rows),
        filled=filled,
        starts=np.concatenate([part.starts for part in parts]),
        begins=np.repeat([part.begin for part in parts], sizes),
        series=np.repeat([part.series for part in parts], sizes),
        firsts=np.cumsum([0, *map(len, rows)])[:-1],
        steps=steps,
        targets=targets,
    )


def _by_split(windows: Windows, splits: np.ndarray) -> dict[str, Windows]:
    return {name: windows.only(np.flatnonzero(splits == n)) for n, name in enumerate(SPLITS)}


def _remarks(
    table: SeriesTable, filled: int, gaps: list[tuple[str, int, int]], max_gap: int
) -> list[str]:
    """Return how many missing values were filled, and which gaps divide the series."""
    remarks = []
    if filled:
        remarks.append(
            f"{table.source}: {filled:,} missing values take the value before them (gaps of up to"
            f" --max-gap {max_gap})"
        )
    if gaps:
        name, first, end = gaps[0]
        where = f"rows {first + 1:,} to {end:,}"
        if table.times is not None:
            where = " to ".join(stamp_in_words(table.times[name][n]) for n in (first, end - 1))
        of = f" of series {name}" if name else ""
        size = sum(end - first for _, first, end in gaps)
        remarks.append(
            f"{table.source}: {len(gaps):,} longer gaps of missing values, {size:,} rows, divide"
            f" the series; the first: {where}{of}"
        )
    return remarks
