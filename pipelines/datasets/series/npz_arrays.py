"""The arrays of NumPy's .npz files: x [N, T, D], and y with an answer for each series."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...core.errors import UserError
from ..listing import printable
from ..ready_splits import NAMES
from ..splits import SPLITS

FORMS = "x [N, T, D], and y: classes [N] or, of each step, [N, T]; values [N], [N, K] or [N, T, K]"


class Arrays(NamedTuple):
    """The arrays of one split."""

    place: str
    x: np.ndarray  # float64 [N, T, D]
    y: np.ndarray


def read_arrays(paths: Mapping[str, Path]) -> dict[str, Arrays]:
    """Return the arrays of each split.

    Args:
        paths: the file of each split, or that of "train", which may hold arrays of all splits
            (x_train, y_train, x_test, y_test).

    Raises:
        UserError: a file is damaged, or its arrays have other shapes or types.
    """
    parts = {name: part for split, path in paths.items() for name, part in _read(split, path)}
    _check_alike(parts)
    return parts


def _read(split: str, path: Path) -> list[tuple[str, Arrays]]:
    """Return the arrays of a file by split."""
    place, names = printable(path), {}
    try:
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile
        with np.load(path, allow_pickle=False) as file:
            names = {name.casefold(): name for name in file.files}
            pairs = _pairs(names, split)
            return [(own, _arrays(place, file, names[x], names[y])) for own, x, y in pairs]
    except KeyError as error:
        held = ", ".join(map(printable, names)) or "nothing"
        lacks = f" but no {error.args[0]}" if len(names) > 1 else ""
        raise UserError(f"{place}: holds {held}{lacks}; expected {FORMS}") from None
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


def _arrays(place: str, file: Mapping[str, np.ndarray], x: str, y: str) -> Arrays:
    series, answers = file[x], file[y]
    if series.ndim == 2:
        series = series[..., None]
    if series.ndim != 3 or series.dtype.kind not in "iubf" or not series.size:
        raise UserError(
            f"{place}: x has shape {list(series.shape)}, {series.dtype}; expected {FORMS}"
        )
    if answers.dtype.kind not in "iubfSU":
        raise UserError(f"{place}: y is {answers.dtype}; expected numbers, texts or truth values")
    if answers.ndim == 0 or len(answers) != len(series):
        raise UserError(
            f"{place}: {len(series)} series in x, but y has shape {list(answers.shape)}"
        )
    if answers.ndim > 3 or (answers.ndim == 3 and answers.shape[1] != series.shape[1]):
        raise UserError(f"{place}: y has shape {list(answers.shape)}; expected {FORMS}")
    return Arrays(place, series.astype(np.float64), answers)


def _check_alike(parts: Mapping[str, Arrays]) -> None:
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
        if (part.y.dtype.kind in "SU") != (first.y.dtype.kind in "SU"):
            raise UserError(
                f"{part.place}: y of {split} is {part.y.dtype}, but {first.y.dtype} of train"
            )


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
