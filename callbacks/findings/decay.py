"""How the error of one layer changes on its way back through time: pure functions of its tables."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..recording.tables import Tables
from .course import Course, course, following_values

UNEVEN = 1.5  # the factor by which a straight line may miss the error at the first step


_quietly = np.errstate(invalid="ignore", divide="ignore", over="ignore")


@dataclass(frozen=True)
class Decay:
    """How the error changes on its way back: medians over the rows, computed when they are needed.

    "The end" is the last step that an error reaches. Of a layer that cuts its error every k steps,
    "the first step read" is the first one that an error reaches.

    Attributes:
        read: the error in reading order.
        of_hidden: if the cell error is judged, `first_to_last` of ‖dE/dh_t‖; otherwise NaN.
    """

    read: Course
    of_hidden: float = math.nan

    @cached_property
    def entries(self) -> int:
        """The number of time steps at which errors enter."""
        return int(_median(self.read.entries))

    @cached_property
    def steps(self) -> int:
        """The number of time steps from the first one read to the end, without padding."""
        return int(_median(self.read.steps))

    @cached_property
    @_quietly
    def first_to_last(self) -> float:
        """The error at the first step read, over that at the end."""
        return float(np.exp(_median(self._totals)))

    @cached_property
    @_quietly
    def first_to_largest(self) -> float:
        """The error at the first step read, over the largest one at any step."""
        levels = np.where(self.read.exists, self._levels, -np.inf)
        return float(np.exp(_median(self._totals - levels.max(axis=1, initial=-np.inf))))

    @cached_property
    @_quietly
    def first_to_injected(self) -> float:
        """‖dE/dh_t‖ at the first step read, over the largest error injected at any step.

        NaN if that is unknown.
        """
        injected = np.fmax.reduce(self.read.injected, axis=1)  # NaN if all are unknown
        return _median(_at(self.read.hidden, self.read.first) / injected)

    @cached_property
    @_quietly
    def carried_over(self) -> float:
        """The product of carried / following error over all steps; NaN for an LSTM.

        It estimates the share of the error at the end that the recurrence alone carries to the
        first step, or to the first one before which it is cut.
        """
        return float(np.exp(_median(_at(self._carried_levels, self.read.reached))))

    @cached_property
    @_quietly
    def each(self) -> np.ndarray:
        """`first_to_last` of each single row, [N]."""
        return np.exp(self._totals)

    @cached_property
    def rate(self) -> float:
        """The slope of ln ‖error‖ from the end back to the first step read, per step.

        It is fitted by least squares to all steps in between. Where errors enter at many steps it
        is the slope of the carried errors. NaN if it is undefined, as then for an LSTM, whose
        carried cell error is not recorded.
        """
        return _median(self.rates)

    @cached_property
    @_quietly
    def rates(self) -> np.ndarray:
        """`rate` of each single row, [N]."""
        levels = self._carried_levels if self.enters_everywhere else self._levels
        return _slopes(self.read, levels)

    @cached_property
    @_quietly
    def _levels(self) -> np.ndarray:
        return _levels(self.read)

    @cached_property
    @_quietly
    def _carried_levels(self) -> np.ndarray:
        return _carried_levels(self.read)

    @property
    def _totals(self) -> np.ndarray:
        return _at(self._levels, self.read.first)

    @property
    def enters_everywhere(self) -> bool:
        """Whether errors enter at more than one step."""
        return self.entries > 1

    @property
    def half_life(self) -> float:
        """The number of time steps in which the error halves; negative if it doubles."""
        return -math.log(2) / self.rate if self.rate else math.inf

    @property
    def is_even(self) -> bool:
        """Whether one half-life describes the decay, so that it leads to `first_to_last`."""
        if not 0 < self.first_to_last < math.inf:
            return True  # it vanishes, or explodes, beyond what can be measured
        measured, fitted = math.log(self.first_to_last), self.rate * (self.steps - 1)
        return abs(measured - fitted) <= max(math.log(UNEVEN), abs(measured) / 4)


def decay(tables: Tables, backwards: bool | None = None) -> Decay:
    """Return the decay of the error: medians over the rows of the tables.

    The errors at two successive steps are compared for the same examples, so sequences may differ
    in length. The ratios from the end back to the first step multiply to `first_to_last`.

    An LSTM is judged by its cell error dE/dc_t, which is what its carousel keeps. Where errors
    enter at many steps, they enter through h; then it is judged by dE/dc_t or dE/dh_t, by that of
    which more arrives.

    Args:
        tables: an entry of `ErrorFlow.history`.
        backwards: see `course`.
    """
    of_hidden = Decay(course(tables, backwards, "hidden"))
    if "cell_from_end" not in tables:
        return of_hidden
    of_cell = Decay(course(tables, backwards, "cell"))
    if of_cell.enters_everywhere and of_cell.first_to_last <= of_hidden.first_to_last:
        return of_hidden
    return replace(of_cell, of_hidden=of_hidden.first_to_last)


def decay_figures(tables: Tables, backwards: bool | None = None) -> dict[str, float]:
    """Return the scalars of one layer for TensorBoard: medians over the rows of its tables.

    They are the norm of the error over all time steps, the share of the error at the end that
    arrives at the first step read, and the half-life in time steps (NaN if the error does not
    decay).
    """
    norms = np.sqrt(np.nansum(tables["hidden"].astype(np.float64) ** 2, axis=1))
    medians = decay(tables, backwards)
    return {
        "norm": float(np.median(norms)),
        "first_to_last": medians.first_to_last,
        "half_life": medians.half_life if medians.rate < 0 else np.nan,
    }


def _levels(read: Course) -> np.ndarray:
    """Return ln(error at each step / error at the end), [N, W].

    Where the examples at step t+1 are not those at step t, their ratio is divided out. It is
    undefined if either is zero, and then taken to be 1.
    """
    change = np.log(following_values(read.error)) - np.log(read.following)
    change = _sum_back(read, np.where(np.isfinite(change), change, 0.0))
    levels = np.log(read.error)
    return levels - _at(levels, read.end)[:, None] + change


def _carried_levels(read: Course) -> np.ndarray:
    """Return the sums of ln(carried error / following error) from the end to each step, [N, W]."""
    if np.isnan(read.carried).all():  # an LSTM
        return read.carried
    gains = np.log(read.carried) - np.log(read.following)
    return _sum_back(read, np.where(np.isnan(gains), 0.0, gains))


def _sum_back(read: Course, values: np.ndarray) -> np.ndarray:
    """Return the sums of the values from each step to the one before the end, [N, W]."""
    columns = np.arange(values.shape[1])
    values = np.where(columns < read.end[:, None], values, 0.0)
    return np.cumsum(values[:, ::-1], axis=1)[:, ::-1]


def _slopes(read: Course, levels: np.ndarray) -> np.ndarray:
    """Return the slope of each row over the steps back from the end, by least squares, [N]."""
    used = np.isfinite(levels) & read.exists & read.between
    back = _sum_back(read, read.exists.astype(float))  # steps back from the end
    x, y = np.where(used, back, np.nan), np.where(used, levels, np.nan)
    count = used.sum(axis=1)
    mean_x, mean_y = np.nansum(x, axis=1) / count, np.nansum(y, axis=1) / count
    x = x - mean_x[:, None]
    return np.nansum(x * (y - mean_y[:, None]), axis=1) / np.nansum(x**2, axis=1)


def _at(table: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return one column of each row, [N]."""
    return np.take_along_axis(table, columns[:, None], axis=1)[:, 0]


def _median(values: np.ndarray) -> float:
    """Return the median of the values that are not NaN; NaN if all are."""
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else math.nan
