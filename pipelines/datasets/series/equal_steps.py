"""The rows of series on equal steps of time: as they are, or resampled."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ...core.errors import UnfitFile, UserError
from ..listing import printable
from .gaps import in_number
from .time_stamps import Stamps
from .time_steps import Step, check_places, find_step

MOST_STEPS = 100  # of a resampled series, for each of its rows


class Rows(NamedTuple):
    """The rows of a series, in their order."""

    values: np.ndarray  # [T, D]
    times: np.ndarray | None  # [T]
    places: list[str]


class EqualSteps(NamedTuple):
    """Series on equal steps, and what was done to make them equal."""

    series: dict[str, np.ndarray]
    times: dict[str, np.ndarray] | None
    step: Step | None
    remarks: list[str]


def on_equal_steps(series: dict[str, Rows], stamps: Stamps) -> EqualSteps:
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
        return EqualSteps(values, None, None, remarks)
    return EqualSteps(values, times, step, remarks)


def _sorted(rows: Rows) -> Rows:
    assert rows.times is not None
    order = np.argsort(rows.times, kind="stable")
    return Rows(rows.values[order], rows.times[order], [rows.places[n] for n in order])


def _unsorted(series: dict[str, Rows]) -> list[str]:
    """Return a remark if rows are not in the order of their time stamps."""
    for rows in series.values():
        assert rows.times is not None
        early = np.flatnonzero(np.diff(rows.times).astype(int) < 0)
        if len(early):
            return [f"rows are sorted by their time stamps: {rows.places[early[0] + 1]} was late"]
    return []


def _check_once(rows: Rows, name: str, are_counts: bool) -> None:
    """Raise `UserError` if a time stamp of a series is there twice."""
    assert rows.times is not None
    twice = np.flatnonzero(rows.times[1:] == rows.times[:-1])
    if not len(twice):
        return
    stamp = rows.times[twice[0]].astype("datetime64[s]")
    shown = str(stamp.astype(int) if are_counts else stamp).replace("T", " ")
    series = f" of series {printable(name)}" if name else ""
    raise UnfitFile(
        f"{rows.places[twice[0] + 1]}: the time stamp {shown}{series} is also in"
        f" {rows.places[twice[0]]}",
        "keep one of them, name the series with --id-column, or give --resample to take their mean",
    )


def resampled(series: dict[str, Rows], rule: str) -> EqualSteps:
    """Return the mean of the rows of each step; a step without rows is missing."""
    import pandas

    _check_rule(rule, series.values())
    values, times, count = {}, {}, 0
    for name, rows in series.items():
        frame = pandas.DataFrame(rows.values, index=pandas.DatetimeIndex(rows.times))
        means = frame.sort_index().resample(rule).mean()
        values[name] = means.to_numpy()
        times[name] = means.index.to_numpy().astype("datetime64[ns]")
        count += len(rows.values)
    steps = sum(map(len, values.values()))
    remark = f"{count:,} rows resampled to {in_number(steps, 'step')} of {rule}, the mean of each"
    return EqualSteps(values, times, find_step(times), [remark])


def _check_rule(rule: str, series: Iterable[Rows]) -> None:
    """Raise `UserError` unless a rule is a length of time, and not far shorter than the rows'."""
    import pandas

    try:
        step: Any = pandas.tseries.frequencies.to_offset(rule)  # pyright: ignore
        first = pandas.Timestamp("2020-01-01")
        length = ((first + 12 * step) - first) / 12
    except (ValueError, OverflowError):
        length = pandas.Timedelta(0)
    if length <= pandas.Timedelta(0):
        raise UserError(f"--resample {rule}: not a length of time such as 15min, 1h, 1D or 1MS")
    for rows in series:
        assert rows.times is not None
        steps = int((rows.times.max() - rows.times.min()) / length.to_timedelta64()) + 1
        if steps > MOST_STEPS * len(rows.times):
            raise UserError(
                f"--resample {rule}: {steps:,} steps of {in_number(len(rows.times), 'row')}, most"
                " of them empty; choose a longer step"
            )
