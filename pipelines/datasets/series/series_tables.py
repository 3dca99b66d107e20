"""Tables of a person's time series, as rows on equal steps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable
from ..tables.rows import Table
from .gaps import in_number
from .series_columns import (
    ChosenColumns,
    SeriesColumns,
    choose_series_columns,
    comma_remarks,
    numbers_of,
)
from .series_examples import SeriesExamples
from .series_table import SeriesTable
from .time_stamps import Stamps, Step, check_places, find_step, readings


class SeriesReading(NamedTuple):
    """The result of a reader.

    Attributes:
        series: what was read.
        remarks: one line each.
        left_out: each row, series or file that was left out.
    """

    series: SeriesTable | SeriesExamples
    remarks: Sequence[str] = ()
    left_out: Sequence[LeftOut] = ()


class _Rows(NamedTuple):
    """The rows of a series, in their order."""

    values: np.ndarray  # [T, D]
    times: np.ndarray | None  # [T]
    places: list[str]


def series_of_table(
    table: Table, columns: SeriesColumns, resample: str | None = None
) -> SeriesReading:
    """Return the series of a table of rows, each a time.

    Rows are sorted by their time stamps. Steps of which no row exists are rows of missing values.

    Args:
        table: the rows.
        columns: those that a person chooses.
        resample: the length of a step, as pandas writes it; each is the mean of its rows.

    Raises:
        UserError: columns in doubt, a cell that is no number or no time, a time stamp twice, or
            irregular ones; the message names the line.
    """
    chosen = choose_series_columns(table, columns)
    used = [*chosen.targets, *chosen.covariates]
    values = np.stack([numbers_of(table, index) for index in used], axis=1)
    remarks = [*table.remarks, chosen.remark, *comma_remarks(table, used)]
    if chosen.time is None:
        if resample is not None:
            raise UserError(f"{table.path}: --resample needs time stamps; see --time-column")
        series = _divided(table, chosen, values, None)
        remarks.append(f"{table.path}: no column of time stamps: rows are taken as equal steps")
        found = _Regular({name: rows.values for name, rows in series.items()}, None, None, [])
    else:
        cells = table.column(chosen.time)
        places = [table.place(n) for n in range(len(cells))]
        found = _first_regular(table, chosen, values, readings(cells, places), resample)
    names = tuple(table.columns[index] for index in used)
    step = found.step
    result = SeriesTable(
        found.series,
        found.times,
        names,
        len(chosen.targets),
        season=None if step is None else step.season,
        frequency="" if step is None else step.frequency,
        source=table.path,
    )
    return SeriesReading(result, [*remarks, *found.remarks], table.left_out)


def _divided(
    table: Table, chosen: ChosenColumns, values: np.ndarray, times: np.ndarray | None
) -> dict[str, _Rows]:
    """Return the rows of each series."""
    ids = [""] * len(values) if chosen.id is None else table.column(chosen.id)
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(ids):
        rows_of.setdefault(name.strip(), []).append(row)
    if chosen.id is not None and "" in rows_of:
        raise UserError(f"{table.place(rows_of[''][0])}: no value in the column of --id-column")
    return {
        name: _Rows(
            values[rows],
            None if times is None else times[rows],
            [table.place(row) for row in rows],
        )
        for name, rows in rows_of.items()
    }


class _Regular(NamedTuple):
    """Series on equal steps."""

    series: dict[str, np.ndarray]
    times: dict[str, np.ndarray] | None
    step: Step | None
    remarks: list[str]


def _first_regular(
    table: Table,
    chosen: ChosenColumns,
    values: np.ndarray,
    ways: Sequence[Stamps],
    resample: str | None,
) -> _Regular:
    """Return the series by the first reading of the time stamps that makes their steps equal."""
    faults: list[UserError] = []
    for stamps in ways:
        try:
            series = _divided(table, chosen, values, stamps.times)
            return _resampled(series, resample) if resample else _regular(series, stamps)
        except UserError as error:
            faults.append(error)
    raise faults[0]


def _regular(series: dict[str, _Rows], stamps: Stamps) -> _Regular:
    """Return series in the order of their time stamps, with rows for the steps between them."""
    ordered = {name: _sorted(rows) for name, rows in series.items()}
    remarks = _unsorted(series)
    for name, rows in ordered.items():
        _check_once(rows, name, stamps.are_counts)
    step = find_step({name: rows.times for name, rows in ordered.items() if rows.times is not None})
    values, times, added = {}, {}, 0
    for name, rows in ordered.items():
        assert rows.times is not None
        places = step.places(rows.times)
        check_places(places, rows.times, rows.places, step, name)
        values[name] = np.full([places[-1] + 1, rows.values.shape[1]], np.nan)
        values[name][places] = rows.values
        times[name] = step.after(rows.times[0], len(values[name]))
        added += len(values[name]) - len(places)
    if added:
        remarks.append(f"{in_number(added, 'step')} without a row: the values are missing")
    if stamps.are_counts:
        return _Regular(values, None, None, remarks)
    return _Regular(values, times, step, remarks)


def _sorted(rows: _Rows) -> _Rows:
    assert rows.times is not None
    order = np.argsort(rows.times, kind="stable")
    return _Rows(rows.values[order], rows.times[order], [rows.places[n] for n in order])


def _unsorted(series: dict[str, _Rows]) -> list[str]:
    """Return a remark if rows are not in the order of their time stamps."""
    for rows in series.values():
        assert rows.times is not None
        early = np.flatnonzero(np.diff(rows.times).astype(int) < 0)
        if len(early):
            return [f"rows are sorted by their time stamps: {rows.places[early[0] + 1]} was late"]
    return []


def _check_once(rows: _Rows, name: str, are_counts: bool) -> None:
    """Raise `UserError` if a time stamp of a series is there twice."""
    assert rows.times is not None
    twice = np.flatnonzero(rows.times[1:] == rows.times[:-1])
    if not len(twice):
        return
    stamp = rows.times[twice[0]].astype("datetime64[s]")
    shown = str(stamp.astype(int) if are_counts else stamp).replace("T", " ")
    series = f" of series {printable(name)}" if name else ""
    raise UserError(
        f"{rows.places[twice[0] + 1]}: the time stamp {shown}{series} is also in"
        f" {rows.places[twice[0]]}; keep one of them, name the series with --id-column, or give"
        " --resample to take their mean"
    )


def _resampled(series: dict[str, _Rows], rule: str) -> _Regular:
    """Return the mean of the rows of each step; a step without rows is missing."""
    import pandas

    values, times, count = {}, {}, 0
    for name, rows in series.items():
        frame = pandas.DataFrame(rows.values, index=pandas.DatetimeIndex(rows.times))
        try:
            means = frame.sort_index().resample(rule).mean()
        except ValueError:
            raise UserError(
                f"--resample {rule}: not a length of time such as 15min, 1h, 1D or 1MS"
            ) from None
        values[name] = means.to_numpy()
        times[name] = means.index.to_numpy().astype("datetime64[ns]")
        count += len(rows.values)
    steps = sum(map(len, values.values()))
    remark = f"{count:,} rows resampled to {in_number(steps, 'step')} of {rule}, the mean of each"
    return _Regular(values, times, find_step(times), [remark])
