"""Series with answers in NumPy's .npz files: x [N, T, D], and y with a class or values for each."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable
from ..ready_splits import NAMES
from ..splits import SPLITS
from .gaps import fill_gaps, filled_in_words, in_number, long_gap
from .series_examples import SeriesExamples
from .series_tables import SeriesReading

Answers = Literal["classify", "regress"]
FORMS = "x [N, T, D], and y: classes [N] or, of each step, [N, T]; values [N], [N, K] or [N, T, K]"


class _Arrays(NamedTuple):
    """The arrays of one split."""

    place: str
    x: np.ndarray  # float64 [N, T, D]
    y: np.ndarray


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
    parts = {name: part for split, path in paths.items() for name, part in _read(split, path)}
    _check_alike(parts)
    first = parts["train"]
    kind = answers or ("classify" if first.y.dtype.kind in "iubUS" else "regress")
    if kind == "regress" and first.y.dtype.kind not in "iubf":
        raise UserError(f"{first.place}: y holds texts, which are no values; see --problem")
    usable = {split: _usable(part, kind, max_gap) for split, part in parts.items()}
    x = {split: found.arrays.x.astype(np.float32) for split, found in usable.items()}
    left_out = [item for found in usable.values() for item in found.left_out]
    filled = sum(found.filled for found in usable.values())
    y, labels = _answers({split: found.arrays for split, found in usable.items()}, kind)
    columns = tuple(f"x{n}" for n in range(1, first.x.shape[2] + 1))
    source = printable(paths["train"].parent if len(paths) > 1 else paths["train"])
    examples = SeriesExamples(x, y, labels, columns, source)
    remarks = [f"{source}: {_said(examples, kind)}"]
    if filled:
        remarks.append(f"{source}: {filled_in_words(filled, max_gap)}")
    return SeriesReading(examples, remarks, left_out)


def _said(examples: SeriesExamples, kind: str) -> str:
    y = examples.y["train"]
    if kind == "classify":
        return f"y holds {len(examples.labels)} classes" + " at each step" * (y.ndim > 1)
    at_each = " at each step" * (y.ndim > 2)
    return f"y holds {in_number(y.shape[-1], 'value')}{at_each}, no classes"


def _read(split: str, path: Path) -> list[tuple[str, _Arrays]]:
    """Return the arrays of a file by split."""
    place, names = printable(path), {}
    try:
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile
        with np.load(path, allow_pickle=False) as file:
            names = {name.casefold(): name for name in file.files}
            pairs = _pairs(names, split)
            return [(own, _arrays(place, file, names[x], names[y])) for own, x, y in pairs]
    except KeyError:
        held = ", ".join(map(printable, names)) or "nothing"
        raise UserError(f"{place}: holds {held}; expected {FORMS}") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        if "pickle" in str(error):
            raise UserError(
                f"{place}: holds Python objects, which could run code; save arrays of numbers or"
                " texts"
            ) from None
        raise UserError(f"{place}: not a .npz file, or damaged") from None


def _pairs(names: Mapping[str, str], split: str) -> list[tuple[str, str, str]]:
    """Return the split, and the names of x and y, for each pair in a file."""
    found = [
        (own, f"x_{name}", f"y_{name}")
        for own in SPLITS
        for name in NAMES[own]
        if f"x_{name}" in names
    ]
    return found if found and split == "train" and "x" not in names else [(split, "x", "y")]


def _arrays(place: str, file: Mapping[str, np.ndarray], x: str, y: str) -> _Arrays:
    series, answers = file[x], file[y]
    if series.ndim == 2:
        series = series[..., None]
    if series.ndim != 3 or series.dtype.kind not in "iubf" or not series.size:
        raise UserError(
            f"{place}: x has shape {list(series.shape)}, {series.dtype}; expected {FORMS}"
        )
    if answers.ndim == 0 or len(answers) != len(series):
        raise UserError(
            f"{place}: {len(series)} series in x, but y has shape {list(answers.shape)}"
        )
    if answers.ndim > 3 or (answers.ndim == 3 and answers.shape[1] != series.shape[1]):
        raise UserError(f"{place}: y has shape {list(answers.shape)}; expected {FORMS}")
    return _Arrays(place, series.astype(np.float64), answers)


def _check_alike(parts: Mapping[str, _Arrays]) -> None:
    """Raise `UserError` if the splits have other shapes than the training split."""
    if "train" not in parts:
        raise UserError("no train split; expected x and y, or x_train and y_train")
    first = parts["train"]
    for split, part in parts.items():
        if part.x.shape[1:] != first.x.shape[1:] or part.y.shape[1:] != first.y.shape[1:]:
            raise UserError(
                f"{part.place}: x {list(part.x.shape)} and y {list(part.y.shape)} of {split}, but x"
                f" {list(first.x.shape)} and y {list(first.y.shape)} of train"
            )


class _Usable(NamedTuple):
    """The series that can be used, those that are left out, and the number of filled values."""

    arrays: _Arrays
    left_out: list[LeftOut]
    filled: int


def _usable(part: _Arrays, kind: str, max_gap: int) -> _Usable:
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
    return _Usable(_Arrays(part.place, x[kept], part.y[kept]), left_out, filled)


def _fault(x: np.ndarray, y: np.ndarray, kind: str, max_gap: int) -> str:
    """Fill the gaps of a series [T, D] in place; return why it cannot be used, or ""."""
    if fault := fill_series(x, max_gap):
        return fault
    answer = y[: _length(x)] if y.ndim > 1 else y
    if kind == "regress" and not np.isfinite(answer.astype(np.float64)).all():
        return "a value of its answer is missing"
    return ""


def fill_series(x: np.ndarray, max_gap: int) -> str:
    """Fill the short gaps of a series [T, D] in place; return why it cannot be used, or "".

    What follows the last value is the end of a shorter series, and stays nan.
    """
    end = _length(x)
    if not end:
        return "no value in it"
    found = fill_gaps(x[:end], max_gap)
    if found.gaps:
        return long_gap(max_gap)
    x[:end] = found.values
    return ""


def _length(x: np.ndarray) -> int:
    """Return the number of steps of a series [T, D] up to the last one with a value."""
    known = np.flatnonzero(~np.isnan(x).all(axis=1))
    return int(known[-1]) + 1 if len(known) else 0


def _answers(
    parts: Mapping[str, _Arrays], kind: str
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


def _classes(part: _Arrays) -> np.ndarray:
    y = part.y[..., 0] if part.y.ndim > 1 and part.y.shape[-1] == 1 else part.y
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] != part.x.shape[1]):
        raise UserError(
            f"{part.place}: y has shape {list(part.y.shape)}: no classes; see --problem"
        )
    if y.ndim == 2:  # what follows the end of a shorter series is not an answer
        y = np.where(np.isnan(part.x).all(axis=2), y[0, 0], y)
    if y.dtype.kind == "f":
        if not np.array_equal(y, np.round(y)):
            raise UserError(
                f"{part.place}: y holds fractions or missing values, which are no classes; see"
                " --problem"
            )
        return y.astype(np.int64)
    return y.astype(str) if y.dtype.kind in "SU" else y


def _values(part: _Arrays) -> np.ndarray:
    y = part.y[:, None] if part.y.ndim == 1 else part.y
    return y.astype(np.float32)


def read_x(path: Path) -> np.ndarray:
    """Return the series of a file, x [N, T, D], whether it has answers or not; inf is missing.

    Raises:
        UserError: the file is damaged, or has no such array.
    """
    place = printable(path)
    try:
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile
        with np.load(path, allow_pickle=False) as file:
            x = file[next((name for name in file.files if name.casefold() == "x"), "x")]
    except KeyError:
        raise UserError(f"{place}: no array x; expected x [N, T, D]") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        raise UserError(f"{place}: not a .npz file of numbers, or damaged") from None
    x = x[..., None] if x.ndim == 2 else x
    if x.ndim != 3 or x.dtype.kind not in "iubf" or not x.size:
        raise UserError(f"{place}: x is {list(x.shape)}, {x.dtype}; expected numbers [N, T, D]")
    x = x.astype(np.float64)
    return np.where(np.isfinite(x), x, np.nan)


def is_npz(path: Path) -> bool:
    """Whether a file's suffix is .npz."""
    return path.suffix.lower() == ".npz"
