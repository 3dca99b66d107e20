"""The data of the task `series`: series in three splits, and how they are made."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from ..left_out import LeftOut
from .series_split import SeriesSplit

ScalingName = Literal["last", "standard"]
PAST, FUTURE = 96, 24


class SeriesOptions(NamedTuple):
    """How examples are made of series.

    Attributes:
        past, future: P and F, the rows that a window reads and forecasts; None: `PAST`, `FUTURE`.
        season: m, the steps of a season; None: as the data say; 0: none.
        scaling: "last", "standard"; None: last for forecasts, standard for answers.
        max_gap: the most missing values in a row that are filled.
        limit: the most training examples; None: all.
        seed: of the choice of these.
    """

    past: int | None = None
    future: int | None = None
    season: int | None = None
    scaling: ScalingName | None = None
    max_gap: int = 3
    limit: int | None = None
    seed: int = 1


@dataclasses.dataclass(frozen=True)
class SeriesData:
    """Series in three splits.

    Attributes:
        train, validation, test: the splits.
        labels: the classes; empty if values are predicted.
        content_hash: SHA-256 of all examples and their splits.
        counts: {label or "windows": {split: number}}.
        source: where the series are from, in words.
        problems: remarks on the data, one line each.
        left_out: each item that was left out.
    """

    train: SeriesSplit
    validation: SeriesSplit
    test: SeriesSplit
    labels: list[str]
    content_hash: str
    counts: dict[str, dict[str, int]]
    source: str
    problems: list[str] = dataclasses.field(default_factory=list)
    left_out: Sequence[LeftOut] = ()


def content_hash(*groups: Sequence[np.ndarray]) -> str:
    """Return the SHA-256 of arrays, in hexadecimal digits."""
    digest = hashlib.sha256()
    for array in (array for group in groups for array in group):
        digest.update(
            f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes()
        )
    return digest.hexdigest()
