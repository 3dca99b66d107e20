"""Time series with an answer each: a class, values, or values at each step."""

import dataclasses
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class SeriesExamples:
    """Series of up to T steps and their answers, in one split or several.

    Attributes:
        x: {"train": float32 [N, T, D], …}; the splits may be train, validation and test, and T and
            D are the same in all. What follows the end of a shorter series is nan.
        y: the answers of each split, by the same names: class indices int32 [N], or values float32
            [N, K], or [N, T, K] with nan after the end.
        labels: the classes, in the order of their indices; empty if the answers are values.
        columns: the D names of the columns of x.
        source: where the series are from, in a few words.

    Raises:
        ValueError: the shapes or splits do not fit together.
    """

    x: Mapping[str, np.ndarray]
    y: Mapping[str, np.ndarray]
    labels: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if "train" not in self.x or self.x.keys() != self.y.keys():
            raise ValueError("x and y must have the same splits, train among them")
        shapes = {values.shape[1:] for values in self.x.values()}
        if len(shapes) > 1 or len(next(iter(shapes))) != 2:
            raise ValueError(f"x must be [N, T, D] with the same T and D, got {shapes}")
        for split, values in self.x.items():
            if len(values) != len(self.y[split]):
                raise ValueError(f"{split}: {len(values)} series, {len(self.y[split])} answers")

    @property
    def features(self) -> int:
        """D, the number of columns of x."""
        return self.x["train"].shape[2]
