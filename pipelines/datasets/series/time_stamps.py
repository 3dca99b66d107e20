"""Time stamps: reading them, the step between them, and the places of rows on equal steps."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.errors import UserError
from ..listing import printable

DAY = 24 * 3_600_000_000_000  # nanoseconds
MOST_MISSING = 0.25  # share of the steps of a series that may have no row
_FORMATS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d"}  # of whole numbers, by their digits
_MONTH = re.compile(r"\d{4}[-/]\d{1,2}$")


class Stamps(NamedTuple):
    """The time stamps of rows.

    Attributes:
        times: datetime64[ns], [T].
        are_counts: whether they are only numbers of steps.
    """

    times: np.ndarray
    are_counts: bool = False


def readings(cells: Sequence[str], places: Sequence[str]) -> list[Stamps]:
    """Return the ways to read time stamps: month before day, and day before month if it differs.

    Args:
        cells: dates, times, years, seconds since 1970, or numbers of steps.
        places: where each cell is, for messages.

    Raises:
        UserError: a cell is no time stamp, or empty.
    """
    stripped = [cell.strip() for cell in cells]
    if all(re.fullmatch(r"[-+]?\d+(\.0*)?", cell) for cell in stripped):
        return [_of_numbers([int(float(cell)) for cell in stripped])]
    first = _parsed(stripped, dayfirst=False)
    second = _parsed(stripped, dayfirst=True)
    whole = [times for times in (first, second) if not np.isnat(times).any()]
    if not whole:
        bad = int(min(np.isnat(first), np.isnat(second), key=np.count_nonzero).argmax())
        raise UserError(
            f"{places[bad]}: {printable(cells[bad][:40])!r} is not a time stamp; choose another"
            " column with --time-column"
        )
    if len(whole) == 2 and np.array_equal(whole[0], whole[1]):
        whole = whole[:1]
    return [Stamps(times) for times in whole]


def _of_numbers(numbers: list[int]) -> Stamps:
    """Read years, dates without separators, seconds or milliseconds since 1970, or counts."""
    import pandas

    low, high = min(numbers), max(numbers)
    digits = len(str(low))
    is_date = digits == len(str(high)) and low > 0 and int(str(low)[:4]) in range(1000, 2200)
    if is_date and digits in _FORMATS:
        texts = pandas.Series(map(str, numbers))
        times = pandas.to_datetime(texts, format=_FORMATS[digits], errors="coerce")
        if not times.isna().any():
            return Stamps(times.to_numpy().astype("datetime64[ns]"))
    if low >= 10**8:
        unit = "s" if high < 10**11 else "ms"
        return Stamps(np.array(numbers, f"datetime64[{unit}]").astype("datetime64[ns]"))
    return Stamps(np.array(numbers, "datetime64[s]").astype("datetime64[ns]"), are_counts=True)


def _parsed(cells: Sequence[str], dayfirst: bool) -> np.ndarray:
    """Return datetime64[ns] [T], in UTC where zones are given; NaT for what is no time stamp."""
    import warnings

    import pandas

    options: dict[str, Any] = {"errors": "coerce", "utc": True, "dayfirst": dayfirst}
    with warnings.catch_warnings(action="ignore"):  # of formats that pandas cannot infer
        times = pandas.to_datetime(pandas.Series(cells), **options)
        if times.isna().any():
            mixed = pandas.to_datetime(pandas.Series(cells), format="ISO8601", **options)
            times = times if mixed.isna().any() else mixed
    return times.dt.tz_localize(None).to_numpy().astype("datetime64[ns]")


class Step(NamedTuple):
    """The time between two rows.

    Attributes:
        kind: "fixed", "month" or "business day".
        size: nanoseconds, months, or business days.
        frequency: as pandas writes it.
    """

    kind: str
    size: int
    frequency: str

    @property
    def season(self) -> int | None:
        """The steps of a day, week or year, whichever is the next longer one; None: unknown."""
        if self.kind == "business day":
            return 5
        if self.kind == "month":
            return 12 // self.size if 12 % self.size == 0 and self.size < 12 else None
        if self.size < DAY:
            return DAY // self.size if DAY % self.size == 0 else None
        return {DAY: 7, 7 * DAY: 52}.get(self.size)

    def places(self, times: np.ndarray) -> np.ndarray:
        """Return the number of steps from the first time to each, [T]; -1 between two steps.

        Args:
            times: ascending datetime64[ns] [T].
        """
        if self.kind == "month":
            months = times.astype("datetime64[M]").astype(int)
            rest = times - times.astype("datetime64[M]")
            fits = (rest == rest[0]) | (_are_month_ends(times) & _are_month_ends(times[:1]))
            steps, offset = np.divmod(months - months[0], self.size)
            return np.where(fits & (offset == 0), steps, -1)
        if self.kind == "business day":
            days = times.astype("datetime64[D]")
            fits = (times - days == times[0] - days[0]) & np.is_busday(days)
            return np.where(fits, np.busday_count(days[0], days), -1)
        steps, offset = np.divmod((times - times[0]).astype(int), self.size)
        return np.where(offset == 0, steps, -1)

    def after(self, first: np.datetime64, count: int) -> np.ndarray:
        """Return the times of `count` steps from the first one on, datetime64[ns]."""
        import pandas

        if self.kind == "fixed":
            return first + np.arange(count) * np.timedelta64(self.size, "ns")
        if self.kind == "business day":
            days = np.busday_offset(first.astype("datetime64[D]"), np.arange(count))
            return days + (first - first.astype("datetime64[D]"))
        stamp, is_end = pandas.Timestamp(first), _are_month_ends(np.array([first]))[0]
        later = [stamp + pandas.DateOffset(months=n * self.size) for n in range(count)]
        if is_end:
            later = [time + pandas.offsets.MonthEnd(0) for time in later]
        return np.array([time.to_datetime64() for time in later], "datetime64[ns]")


def _are_month_ends(times: np.ndarray) -> np.ndarray:
    days = times.astype("datetime64[D]")
    return (days + 1).astype("datetime64[M]") > days.astype("datetime64[M]")


def find_step(times: Mapping[str, np.ndarray]) -> Step:
    """Return the most frequent time between neighbouring rows of ascending time stamps."""
    differences = np.concatenate([np.diff(series).astype(int) for series in times.values()])
    values, counts = np.unique(differences, return_counts=True)
    common = int(values[counts.argmax()]) if len(values) else DAY
    months = round(common / (DAY * 365.25 / 12))
    if abs(common - months * DAY * 365.25 / 12) < 2.5 * DAY and months:
        frequency = {1: "MS", 3: "QS", 12: "YS"}.get(months, f"{months}MS")
        step = Step("month", months, frequency)
        if all((step.places(series) >= 0).all() for series in times.values()):
            return step
    everything = np.concatenate([*times.values()]).astype("datetime64[D]")
    if common == DAY and len(everything) > 5 and np.is_busday(everything).all():
        return Step("business day", 1, "B")
    return Step("fixed", common, _frequency(common))


def _frequency(nanoseconds: int) -> str:
    import pandas

    if nanoseconds % DAY == 0:
        days = nanoseconds // DAY
        return "D" if days == 1 else f"{days}D"
    return pandas.tseries.frequencies.to_offset(pandas.Timedelta(nanoseconds, "ns")).freqstr  # pyright: ignore


def check_places(
    places: np.ndarray, times: np.ndarray, rows: Sequence[str], step: Step, name: str
) -> None:
    """Raise `UserError` naming the first row that is not on the steps of its series.

    Args:
        places: the result of `Step.places`.
        times: the time stamps, ascending.
        rows: where each row is, for messages.
        step: the step of the series.
        name: the series, for messages; "" if there is one.
    """
    off = places < 0
    if not off.any():
        if 1 - len(places) / (places[-1] + 1) <= MOST_MISSING:
            return
        off[1:] = np.diff(places) > 1
    bad = int(off.argmax())
    series = f" (series {printable(name)})" if name else ""
    before, after = stamp_in_words(times[bad - 1]), stamp_in_words(times[bad])
    usual = 2 * (np.diff(places) == 1).sum() > len(places)
    rule = f"most rows are one step of {step.frequency} apart" if usual else "no step is usual"
    raise UserError(
        f"{rows[bad]}: irregular time stamps: {after} comes after {before}{series}, but {rule};"
        " --resample, such as --resample 1h, makes the steps equal"
    )


def stamp_in_words(time: np.datetime64) -> str:
    """Return a time stamp as "2020-01-01 09:07:00"; without the time of day at midnight."""
    return str(time.astype("datetime64[s]")).replace("T00:00:00", "").replace("T", " ")
