"""Tables of a person's time series, as rows on equal steps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...core.errors import UnfitFile, UserError
from ..left_out import LeftOut
from ..listing import printable
from ..tables.rows import Table
from .equal_steps import EqualSteps, Rows, on_equal_steps, resampled
from .series_columns import (
    ChosenColumns,
    SeriesColumns,
    choose_series_columns,
    comma_remarks,
    numbers_of,
)
from .series_examples import SeriesExamples
from .series_table import SeriesTable
from .time_stamps import Stamps, readings


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


def series_of_table(
    table: Table, columns: SeriesColumns, resample: str | None = None, expected: str = ""
) -> SeriesReading:
    """Return the series of a table of rows, each a time.

    Rows are sorted by their time stamps. Steps of which no row exists are rows of missing values.

    Args:
        table: the rows.
        columns: those that a person chooses.
        resample: the length of a step, as pandas writes it; each is the mean of its rows.
        expected: the step that is expected, as `Step.frequency`, if dates can be read in two ways.

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
            raise UnfitFile(
                f"{table.path}: no column of time stamps", "--resample needs one; see --time-column"
            )
        series = _divided(table, chosen, values, None)
        remarks.append(f"{table.path}: no column of time stamps: rows are taken as equal steps")
        found = EqualSteps({name: rows.values for name, rows in series.items()}, None, None, [])
    else:
        cells = table.column(chosen.time)
        places = [table.place(n) for n in range(len(cells))]
        found = _first_regular(table, chosen, values, readings(cells, places), resample, expected)
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
) -> dict[str, Rows]:
    """Return the rows of each series."""
    ids = [""] * len(values) if chosen.id is None else table.column(chosen.id)
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(ids):
        rows_of.setdefault(name.strip(), []).append(row)
    if chosen.id is not None and "" in rows_of:
        raise UserError(
            f"{table.place(rows_of[''][0])}: no value in column"
            f" {printable(table.columns[chosen.id])}, which names the series"
        )
    return {
        name: Rows(
            values[rows],
            None if times is None else times[rows],
            [table.place(row) for row in rows],
        )
        for name, rows in rows_of.items()
    }


def _first_regular(
    table: Table,
    chosen: ChosenColumns,
    values: np.ndarray,
    ways: Sequence[Stamps],
    resample: str | None,
    expected: str,
) -> EqualSteps:
    """Return the series by the first reading of the time stamps that makes their steps equal.

    One with the expected step goes before the others.
    """
    faults: list[UserError] = []
    found: list[EqualSteps] = []
    for stamps in ways:
        try:
            series = _divided(table, chosen, values, stamps.times)
            regular = resampled(series, resample) if resample else on_equal_steps(series, stamps)
            remarks = [f"{table.path}: {stamps.remark}"] if stamps.remark else []
            found.append(regular._replace(remarks=[*remarks, *regular.remarks]))
        except UserError as error:
            faults.append(error)
    if not found:
        raise faults[0]
    usual = [one for one in found if one.step is not None and one.step.frequency == expected]
    return [*usual, *found][0]
