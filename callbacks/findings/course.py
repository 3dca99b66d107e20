"""The error of one layer in reading order: a pure function of its tables."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..recording.tables import Tables

_NOT_INJECTED = 0.999  # carried / total error, above which no error is injected (old event files)
_ROUNDING = 1e-6  # injected errors below this share of the row's largest are rounding errors


@dataclass(frozen=True)
class Course:
    """The error of each row in the order in which the layer reads its input, all [N, W].

    Attributes:
        hidden: ‖dE/dh_t‖; NaN where there is no step.
        error: the error that is judged, `hidden` or ‖dE/dc_t‖.
        following: `error` at the next step that is read, of the examples that have step t.
        carried: the part of `hidden` that comes from later steps; NaN for an LSTM, where part of
            it comes through c.
        injected: the part of `hidden` that enters from above at step t; NaN if it is unknown.
        enters: whether an error is injected at step t.
        signal: "hidden" or "cell", the error that is judged.
        aligned: "end": the last step read of every example is in column -1; "start": a column is
            the same position of the input in every example.
        truncate: [N] k, if the layer cuts its error k, 2k, … steps before the last one.
    """

    hidden: np.ndarray
    error: np.ndarray
    following: np.ndarray
    carried: np.ndarray
    injected: np.ndarray
    enters: np.ndarray
    signal: str
    aligned: str
    truncate: np.ndarray | None = None

    @property
    def error_name(self) -> str:
        """The name of the judged error in a sentence."""
        return "cell error" if self.signal == "cell" else "error"

    @cached_property
    def exists(self) -> np.ndarray:
        """Which columns hold a step of any example, [N, W]."""
        return ~np.isnan(self.hidden)

    @cached_property
    def entries(self) -> np.ndarray:
        """The number of steps at which an error enters, [N]."""
        return self.enters.sum(axis=1)

    @cached_property
    def first_read(self) -> np.ndarray:
        """The column of the first step read, [N]."""
        return self.exists.argmax(axis=1)

    @cached_property
    def first(self) -> np.ndarray:
        """The column of the first step that any error reaches, [N]; uncut, it is `first_read`."""
        entered = np.where(self.enters.any(axis=1), self.enters.argmax(axis=1), self.end)
        return self._behind_cut(entered)

    @cached_property
    def reached(self) -> np.ndarray:
        """The column of the first step that the error at the end reaches, [N]."""
        return self._behind_cut(self.end)

    @cached_property
    def is_cut(self) -> bool:
        """Whether the error at the end cannot reach the first step read, in most rows."""
        return bool(np.median(self.reached - self.first_read) > 0)

    def _behind_cut(self, columns):
        """The first step of the chunk in which each column is, [N]."""
        if self.truncate is None:
            return self.first_read
        last = last_true(self.exists)
        chunks = (last - columns) // self.truncate + 1
        return np.maximum(self.first_read, last - chunks * self.truncate + 1)

    @cached_property
    def end(self) -> np.ndarray:
        """The column of the last step that an error reaches, [N]."""
        reached = self.error > 0
        return np.where(reached.any(axis=1), last_true(reached), last_true(self.exists))

    @cached_property
    def steps(self) -> np.ndarray:
        """The number of steps from `first` to the end, padding not counted, [N]."""
        return (self.exists & self.between).sum(axis=1)

    @cached_property
    def between(self) -> np.ndarray:
        """Which columns are those from `first` to the end, [N, W]."""
        columns = np.arange(self.hidden.shape[1])
        return (columns >= self.first[:, None]) & (columns <= self.end[:, None])

    def flipped(self) -> "Course":
        """The same, with the columns in the opposite order."""
        names = ("hidden", "error", "following", "carried", "injected", "enters")
        return replace(self, **{name: np.flip(getattr(self, name), axis=1) for name in names})


def course(tables: Tables, backwards: bool | None, signal: str) -> Course:
    """Return the error of each row in reading order.

    Columns are aligned at the last step read; but at the first one if only then all errors enter in
    one column, as with a loss on step 3 of sequences that differ in length.

    Args:
        tables: an entry of `ErrorFlow.history`.
        backwards: whether the layer reads its input from the last step to the first; None: unknown.
        signal: "hidden" or "cell", the error to judge.
    """
    from_end = _course(tables, signal, "end")
    if np.median(from_end.entries) <= 1 or backwards is None or "injected" not in tables:
        return from_end
    from_start = _course(tables, signal, "start")
    from_start = from_start.flipped() if backwards else from_start
    return from_start if np.median(from_start.entries) <= 1 else from_end


def _course(tables, signal, aligned):
    suffix = "_from_end" if aligned == "end" else ""

    def named(name):
        return tables[f"{name}{suffix}"].astype(np.float64)

    hidden, carried, error = named("hidden"), named("carried"), named(signal)
    if f"injected{suffix}" in tables:
        injected = named("injected")
        enters = injected > _ROUNDING * np.nanmax(injected, axis=1, initial=0, keepdims=True)
    else:
        injected = np.full_like(hidden, np.nan)
        enters = (hidden > 0) & (carried < _NOT_INJECTED * hidden)
    known = f"{signal}_next{suffix}" in tables
    following = named(f"{signal}_next") if known else following_values(error)
    if "cell_from_end" in tables:
        carried = np.full_like(hidden, np.nan)
    truncate = tables.get("truncate")
    return Course(hidden, error, following, carried, injected, enters, signal, aligned, truncate)


def following_values(table: np.ndarray) -> np.ndarray:
    """Return the value of the next column that is not NaN, [N, W]; NaN in the last ones."""
    width = table.shape[1]
    columns = np.where(np.isnan(table), width, np.arange(width))
    nearest = np.minimum.accumulate(columns[:, ::-1], axis=1)[:, ::-1]
    nearest = np.pad(nearest, [(0, 0), (0, 1)], constant_values=width)[:, 1:]
    padded = np.pad(table, [(0, 0), (0, 1)], constant_values=np.nan)
    return np.take_along_axis(padded, nearest, axis=1)


def last_true(mask: np.ndarray) -> np.ndarray:
    """Return the index of the last true column, [N]."""
    return mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
