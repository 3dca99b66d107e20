"""Missing values: short gaps take the value before them, longer ones divide a series."""

import itertools
from typing import NamedTuple

import numpy as np


class Filled(NamedTuple):
    """A series whose missing values were dealt with.

    Attributes:
        values: [T, D]; nan in the rows between two parts.
        parts: the parts without a missing value, as (first row, row after the last).
        filled: which values were filled, [T, D].
        gaps: what divides the parts, as (first row, row after the last).
    """

    values: np.ndarray
    parts: list[tuple[int, int]]
    filled: np.ndarray
    gaps: list[tuple[int, int]]


def in_number(count: int, noun: str) -> str:
    """Return "1 step", "2 steps"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def filled_in_words(count: int, longest: int) -> str:
    """Return how many missing values were filled."""
    return (
        f"{in_number(count, 'missing value')} filled with the value before"
        f" (gaps of up to {longest}; see --max-gap of train)"
    )


def long_gap(longest: int) -> str:
    """Return why a series with a class or values, whose gap is not filled, cannot be used."""
    return f"a gap of more than {longest} missing values, or one at its beginning"


def fill_gaps(values: np.ndarray, longest: int) -> Filled:
    """Fill the short gaps of a series from the past alone: each takes the value before it.

    Args:
        values: [T, D], nan where a value is missing.
        longest: the most missing values in a row that are filled. A longer gap of any column is a
            gap of the series, as is one at its beginning.
    """
    filled = np.stack([_forward(column, longest) for column in values.T], axis=1)
    is_whole = np.asarray(~np.isnan(filled).any(axis=1))
    runs = _runs(is_whole)
    return Filled(
        np.where(is_whole[:, None], filled, np.nan),
        [run for run in runs if is_whole[run[0]]],
        np.isnan(values) & is_whole[:, None],
        [run for run in runs if not is_whole[run[0]]],
    )


def fill_series(x: np.ndarray, max_gap: int) -> str:
    """Fill the short gaps of a series [T, D] in place; return why it cannot be used, or "".

    What follows the last value is the end of a shorter series, and stays nan.
    """
    end = length_of(x)
    if not end:
        return "no value in it"
    found = fill_gaps(x[:end], max_gap)
    if found.gaps:
        return long_gap(max_gap)
    x[:end] = found.values
    return ""


def length_of(x: np.ndarray) -> int:
    """Return the number of steps of a series [T, D] up to the last one with a value."""
    known = np.flatnonzero(~np.isnan(x).all(axis=1))
    return int(known[-1]) + 1 if len(known) else 0


def _forward(column: np.ndarray, longest: int) -> np.ndarray:
    """Return a column [T] in which the last value before a short gap fills it."""
    filled = column.copy()
    for first, end in _runs(np.isnan(column)):
        if first > 0 and np.isnan(column[first]) and end - first <= longest:
            filled[first:end] = column[first - 1]
    return filled


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return where equal flags follow each other, as (first, one after the last)."""
    if not len(flags):
        return []
    edges = [0, *(np.flatnonzero(flags[1:] != flags[:-1]) + 1).tolist(), len(flags)]
    return list(itertools.pairwise(edges))
