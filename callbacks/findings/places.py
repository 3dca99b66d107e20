"""The words for a time step in a sentence: where in the input it is, and in which examples."""

import math
from dataclasses import dataclass

import numpy as np

from ..recording.tables import Tables
from .course import Course, last_true
from .decay import Decay
from .finding import share_in_words, short


@dataclass(frozen=True)
class Places:
    """The words for the two ends of the way back through time.

    Attributes:
        first: the first step read: "step 1", "the first step read (position 40 of the input)"; if
            the error is cut, the first step that it reaches: "step 91".
        of_end: the error at the last step that an error reaches: "the last step's error".
        entry: that step, if it is not the last one: "step 21"; "" if it is.
    """

    first: str
    of_end: str
    entry: str

    @property
    def start(self) -> str:
        """The first step read, in a headline: "step 1", "first step" or "first step read"."""
        words = self.first.removeprefix("the ").removesuffix(" of the longest sequences")
        return words.partition(" (")[0].removesuffix(" of the longest sequences")

    def receives(self, measured: Decay) -> str:
        """Return "step 1 receives 0.5 of the last step's cell error (of dE/dh: 0.02)"."""
        share, of_hidden = share_in_words(measured.first_to_last), measured.of_hidden
        words = f"{self.first} receives {share} of {self.of_end}"
        return words if math.isnan(of_hidden) else f"{words} (of dE/dh: {short(of_hidden)})"

    def receives_of_largest(self, measured: Decay) -> str:
        """Return the same, and which share of the largest error at any step it is."""
        share, of_largest = measured.first_to_last, measured.first_to_largest
        if math.isclose(share, of_largest, rel_tol=1e-3):
            return f"{self.receives(measured)}, which is the largest at any step"
        of_largest = share_in_words(of_largest)
        error = measured.read.error_name
        return f"{self.receives(measured)} and {of_largest} of the largest {error} at any step"


def name_places(tables: Tables, read: Course, backwards: bool | None) -> Places:
    """Return the words for the first step read, and for the end; see `Places`.

    Args:
        tables: an entry of `ErrorFlow.history`.
        read: their `course`.
        backwards: whether the layer reads its input from the last step to the first; None: unknown.
    """
    error = read.error_name
    entry = ""
    if (read.end < last_true(read.exists)).any():
        entry = _entry(tables, read, backwards)
        of_end = f"the {error} at {entry}"
    elif backwards:
        last = _in_input(_position(tables, read, read.end, backwards))
        of_end = f"the {error} at the last step read{last}"
    else:
        of_end = f"the last step's {error}"
    return Places(_first(tables, read, backwards), of_end, entry)


def _first(tables, read, backwards):
    position = _position(tables, read, read.first, backwards)
    if (read.first > read.first_read).any():
        return _behind_cut(read, position, backwards)
    words = "the first step" if backwards is None or (position == 1 and not backwards) else ""
    words = words or "the first step read"
    if not _in_every_example(tables, read):
        words += " of the longest sequences"
    elif position == 1 and not backwards:
        return "step 1"
    return words if position == 1 and not backwards else words + _in_input(position)


def _behind_cut(read, position, backwards):
    if position is not None:
        return f"position {position} of the input" if backwards else f"step {position}"
    before = np.unique(last_true(read.exists) - read.first)
    if len(before) == 1 and read.aligned == "end":
        return f"the step {before[0]} before the last"
    return "the first step that it reaches"


def _entry(tables, read, backwards):
    position = _position(tables, read, read.end, backwards)
    if position is not None:
        return f"position {position} of the input" if backwards else f"step {position}"
    behind = np.unique(last_true(read.exists) - read.end)
    if len(behind) == 1 and read.aligned == "end":
        return f"the step {behind[0]} before the last"
    return "the last step that an error reaches"


def _in_input(position):
    return "" if position is None else f" (position {position} of the input)"


def _in_every_example(tables, read):
    """Whether every example has the first step, in every row."""
    valid = tables["valid" if read.aligned == "start" else "valid_from_end"]
    valid = np.where(valid > 0, valid, np.nan)
    return bool((np.nanmin(valid, axis=1) == np.nanmax(valid, axis=1)).all())


def _position(tables: Tables, read: Course, columns: np.ndarray, backwards: bool | None):
    """Return the position in the input of these columns [N], from 1; None if it is not one."""
    if backwards is None:
        return None
    if read.aligned == "start":
        positions = read.hidden.shape[1] - columns if backwards else columns + 1
        return _the_only(positions)
    present = tables["valid"] > 0
    low, high = present.argmax(axis=1), last_true(present)
    away = columns - read.first_read
    if (high - low + 1 != read.exists.sum(axis=1)).any():
        return None  # there are gaps, or sequences that begin and end at different positions
    if away.any() and not _in_every_example(tables, read):
        return None
    return _the_only(high - away + 1 if backwards else low + away + 1)


def _the_only(values):
    values = np.unique(values)
    return int(values[0]) if len(values) == 1 else None
