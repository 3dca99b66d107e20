"""Time stamps: reading them, the step between them, and the places of rows on equal steps."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.errors import UnfitFile
from ..listing import printable

DAY = 24 * 3_600_000_000_000  # nanoseconds
MOST_MISSING = 0.25  # share of the steps of a series that may have no row
_FORMATS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d"}  # of whole numbers, by their digits
_FIRST_YEAR, _LAST_YEAR = 1678, 2261  # of 64 bits of nanoseconds
_NO_DATE = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?")  # pandas would take the present day
_YEAR_FIRST = re.compile(r"\d{4}[^\d]")
_ZONE = re.compile(r":\d\d(\.\d+)?\s*(Z|UTC|GMT|[-+]\d\d:?(\d\d)?)$", re.IGNORECASE)
_UNITS = {"s": 10**11, "ms": 10**14, "us": 10**17, "ns": 10**20}  # numbers since 1970 are below


class Stamps(NamedTuple):
    """The time stamps of rows.

    Attributes:
        times: datetime64[ns], [T].
        are_counts: whether they are only numbers of steps.
        remark: how they are read, if they can be read in several ways; "" otherwise.
    """

    times: np.ndarray
    are_counts: bool = False
    remark: str = ""


def readings(cells: Sequence[str], places: Sequence[str]) -> list[Stamps]:
    """Return the ways to read time stamps: month before day, and day before month if it differs.

    Args:
        cells: dates, times, years, seconds since 1970, or numbers of steps.
        places: where each cell is, for messages.

    Raises:
        UserError: a cell is no time stamp, or empty.
    """
    stripped = [cell.strip() for cell in cells]
    if all(re.fullmatch(r"[-+]?\d{1,19}(\.0*)?", cell) for cell in stripped):
        return [_of_numbers([int(cell.partition(".")[0]) for cell in stripped])]
    first = _parsed(stripped, dayfirst=False)
    is_year_first = all(_YEAR_FIRST.match(cell) for cell in stripped)
    second = first if is_year_first else _parsed(stripped, dayfirst=True)
    whole = [times for times in (first, second) if not np.isnat(times).any()]
    if not whole:
        bad = int(min(np.isnat(first), np.isnat(second), key=np.count_nonzero).argmax())
        shown = printable(cells[bad][:40])
        raise UnfitFile(
            f"{places[bad]}: {shown!r} is not a time stamp (a date of the years {_FIRST_YEAR} to"
            f" {_LAST_YEAR})"
            if shown
            else f"{places[bad]}: no time stamp",
            "choose another column with --time-column",
        )
    zone = _zones(stripped)
    if len(whole) == 1 or np.array_equal(whole[0], whole[1]):
        return [Stamps(whole[0], remark=zone)]
    row = int(np.flatnonzero(whole[0] != whole[1])[0])
    return [Stamps(times, remark=_order(stripped[row], times[row]) + zone) for times in whole]


def _order(cell: str, time: np.datetime64) -> str:
    """Return how a date is read whose first number could be the day or the month."""
    return f"time stamps: {printable(cell[:40])!r} is read as {stamp_in_words(time)}"


def _zones(cells: Sequence[str]) -> str:
    """Return that time stamps with a time zone are read in UTC, if there are any."""
    zoned = sum(_ZONE.search(cell) is not None for cell in cells)
    if not zoned:
        return ""
    others = ", and those without one are taken as UTC" * (zoned < len(cells))
    return f"time stamps with a time zone are read in UTC{others}"


def _of_numbers(numbers: list[int]) -> Stamps:
    """Read years, dates without separators, units of time since 1970, or counts."""
    import pandas

    low, high = min(numbers), max(numbers)
    digits = len(str(low))
    is_date = digits == len(str(high)) and low > 0 and int(str(low)[:4]) in range(1000, 2200)
    if is_date and digits in _FORMATS:
        texts = pandas.Series(map(str, numbers))
        times = _in_nanoseconds(
            pandas.to_datetime(texts, format=_FORMATS[digits], errors="coerce").to_numpy()
        )
        if not np.isnat(times).any():
            return Stamps(times)
    if low >= 10**8:
        unit = next(unit for unit, above in _UNITS.items() if high < above)
        return Stamps(np.array(numbers, f"datetime64[{unit}]").astype("datetime64[ns]"))
    return Stamps(np.array(numbers, "datetime64[s]").astype("datetime64[ns]"), are_counts=True)


def _parsed(cells: Sequence[str], dayfirst: bool) -> np.ndarray:
    """Return datetime64[ns] [T], in UTC where zones are given; NaT for what is no time stamp."""
    import warnings

    import pandas

    dated = pandas.Series(["" if _NO_DATE.fullmatch(cell) else cell for cell in cells])
    options: dict[str, Any] = {"errors": "coerce", "utc": True, "dayfirst": dayfirst}
    with warnings.catch_warnings(action="ignore"):  # of formats that pandas cannot infer
        times = pandas.to_datetime(dated, **options)
        if times.isna().any():
            mixed = pandas.to_datetime(dated, format="ISO8601", **options)
            times = times if mixed.isna().any() else mixed
    return _in_nanoseconds(times.dt.tz_localize(None).to_numpy())


def _in_nanoseconds(times: np.ndarray) -> np.ndarray:
    """Return datetime64[ns]; NaT for what does not fit into it: years before 1678, after 2261."""
    years = times.astype("datetime64[Y]").astype(int) + 1970  # of NaT: none of these
    fits = (years >= _FIRST_YEAR) & (years <= _LAST_YEAR)
    return np.where(fits, times, np.datetime64("NaT")).astype("datetime64[ns]")


def stamp_in_words(time: np.datetime64) -> str:
    """Return a time stamp as "2020-01-01 09:07:00"; without the time of day at midnight."""
    return str(time.astype("datetime64[s]")).replace("T00:00:00", "").replace("T", " ")
