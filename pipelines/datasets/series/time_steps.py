"""The step between time stamps, and the places of rows on equal steps."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ...core.errors import UnfitFile
from ..listing import printable
from .time_stamps import DAY, stamp_in_words

MOST_MISSING = 0.25  # share of the steps of a series that may have no row


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
    def words(self) -> str:
        """Its length with a number, as --resample takes it: 1h, 15min, 1MS."""
        return self.frequency if self.frequency[0].isdigit() else f"1{self.frequency}"

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
    rule = f"most rows are {step.words} apart" if usual else "no step is usual"
    raise UnfitFile(
        f"{rows[bad]}: irregular time stamps: {after} comes after {before}{series}, but {rule}",
        "--resample, such as --resample 1h, makes the steps equal",
    )
