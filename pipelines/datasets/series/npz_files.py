"""Series with answers from NumPy's .npz files: a class or values for each series or step."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable
from .gaps import fill_series, filled_in_words, in_number, length_of
from .npz_arrays import Arrays, read_arrays
from .series_examples import SeriesExamples
from .series_tables import SeriesReading

Answers = Literal["classify", "regress"]


def read_npz(
    paths: Mapping[str, Path], answers: Answers | None = None, max_gap: int = 3
) -> SeriesReading:
    """Read series with answers.

    Classes are texts, truth values or whole numbers; other numbers are values.

    Args:
        paths: the file of each split, or that of "train", which may hold arrays of all splits
            (x_train, y_train, x_test, y_test).
        answers: whether the answers are classes or values; None: it follows from the type of y.
        max_gap: the most missing values in a row that are filled, see `fill_gaps`.

    Raises:
        UserError: a file is damaged, or its arrays have other shapes or types.
    """
    parts = read_arrays(paths)
    first = parts["train"]
    kind = answers or ("classify" if first.y.dtype.kind in "iubSU" else "regress")
    if kind == "regress" and first.y.dtype.kind not in "iubf":
        raise UserError(f"{first.place}: y holds texts, which are no values; see --problem")
    if kind == "classify":
        parts = {split: _with_classes(part) for split, part in parts.items()}
    usable = {split: _usable(part, kind, max_gap) for split, part in parts.items()}
    x = {split: found.arrays.x.astype(np.float32) for split, found in usable.items()}
    left_out = [item for found in usable.values() for item in found.left_out]
    filled = sum(found.filled for found in usable.values())
    y, labels = _answers({split: found.arrays for split, found in usable.items()}, kind)
    columns = tuple(f"x{n}" for n in range(1, first.x.shape[2] + 1))
    source = printable(paths["train"].parent if len(paths) > 1 else paths["train"])
    examples = SeriesExamples(x, y, labels, columns, source)
    remarks = [f"{source}: {_said(examples, kind)}{_other_problem(first.y, answers, kind)}"]
    if filled:
        remarks.append(f"{source}: {filled_in_words(filled, max_gap)}")
    return SeriesReading(examples, remarks, left_out)


def _said(examples: SeriesExamples, kind: str) -> str:
    y = examples.y["train"]
    if kind == "classify":
        return f"y holds {len(examples.labels)} classes" + " at each step" * (y.ndim > 1)
    at_each = " at each step" * (y.ndim > 2)
    return f"y holds {in_number(y.shape[-1], 'value')}{at_each}, no classes"


def _other_problem(y: np.ndarray, answers: Answers | None, kind: str) -> str:
    """Return how whole numbers are read otherwise, unless a person has chosen."""
    if answers is not None or y.dtype.kind not in "iuf" or _is_fraction(y).any():
        return ""
    other = "regress: values" if kind == "classify" else "classify: classes"
    return f" (whole numbers; --problem {other})"


class _Usable(NamedTuple):
    """The series that can be used, those that are left out, and the number of filled values."""

    arrays: Arrays
    left_out: list[LeftOut]
    filled: int


def _usable(part: Arrays, kind: str, max_gap: int) -> _Usable:
    """Fill short gaps; leave out series with longer ones, and answers that are missing."""
    x, kept, left_out = part.x.copy(), [], []
    x[~np.isfinite(x)] = np.nan
    is_missing = np.isnan(x)
    for number in range(len(x)):
        fault = _fault(x[number], part.y[number], kind, max_gap)
        if fault:
            left_out.append(LeftOut(f"{part.place} x[{number}]", fault))
        else:
            kept.append(number)
    if not kept:
        raise UserError(f"{part.place}: no series that can be used; {left_out[0].reason}")
    filled = int(is_missing[kept].sum() - np.isnan(x[kept]).sum())
    return _Usable(Arrays(part.place, x[kept], part.y[kept]), left_out, filled)


def _fault(x: np.ndarray, y: np.ndarray, kind: str, max_gap: int) -> str:
    """Fill the gaps of a series [T, D] in place; return why it cannot be used, or ""."""
    if fault := fill_series(x, max_gap):
        return fault
    every_step = y.ndim == (1 if kind == "classify" else 2)
    answer = y[: length_of(x)] if every_step else y
    if _is_missing(answer).any():
        return "its class is missing" if kind == "classify" else "a value of its answer is missing"
    return ""


def _is_missing(answer: np.ndarray) -> np.ndarray:
    """Return which answers are missing: empty texts, and numbers that are not finite."""
    if answer.dtype.kind in "SU":
        return np.char.str_len(np.char.strip(answer)) == 0
    return ~np.isfinite(answer) if answer.dtype.kind == "f" else np.zeros(answer.shape, bool)


def _is_fraction(y: np.ndarray) -> np.ndarray:
    return np.isfinite(y) & (y != np.round(y))


def _answers(
    parts: Mapping[str, Arrays], kind: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return the answers of each split, and the classes."""
    if kind == "regress":
        return {split: _values(part) for split, part in parts.items()}, ()
    classes = {split: _classes(part) for split, part in parts.items()}
    found = np.unique(np.concatenate([np.ravel(y) for y in classes.values()]))
    if len(found) < 2:
        raise UserError(f"{parts['train'].place}: y holds one class; at least two are needed")
    labels = tuple(map(str, found.tolist()))
    return {s: np.searchsorted(found, y).astype(np.int32) for s, y in classes.items()}, labels


def _with_classes(part: Arrays) -> Arrays:
    """Return arrays whose y is [N] or [N, T].

    Raises:
        UserError: y has another shape, or holds fractions.
    """
    y = part.y[..., 0] if part.y.ndim > 1 and part.y.shape[-1] == 1 else part.y
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] != part.x.shape[1]):
        raise UserError(
            f"{part.place}: y has shape {list(part.y.shape)}: no classes; see --problem"
        )
    if y.dtype.kind == "f" and (fractions := np.argwhere(_is_fraction(y))).size:
        place = tuple(fractions[0].tolist())
        shown = f"y[{', '.join(map(str, place))}] is {y[place]:g}"
        raise UserError(f"{part.place}: {shown}, a fraction, which is no class; see --problem")
    return part._replace(y=y)


def _classes(part: Arrays) -> np.ndarray:
    """Return the class of each series or step; any one after the end of a shorter series."""
    y = part.y
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "backslashreplace")
    if y.ndim == 2:  # what follows the end of a shorter series is not an answer
        y = np.where(np.isnan(part.x).all(axis=2), y[0, 0], y)
    return y.astype(np.int64) if y.dtype.kind == "f" else y


def _values(part: Arrays) -> np.ndarray:
    y = part.y[:, None] if part.y.ndim == 1 else part.y
    return y.astype(np.float32)
