"""How long it took to compile the training step."""

import statistics
import time
from collections import defaultdict
from typing import Any

import keras


class CompileTime(keras.callbacks.Callback):
    """Measure the compile time in the first epoch of a training.

    The first step of each batch shape is compiled and run; the time it takes beyond the median of
    the later steps of that shape is compile time.

    Args:
        train_data: has `shapes(epoch)`, one shape per step; without it, all steps have one shape.

    Attributes:
        seconds: compile time of all shapes; None until an epoch with more than one step has ended.
    """

    def __init__(self, train_data: Any):
        super().__init__()
        self._train_data = train_data
        self._taken: list[float] = []
        self.seconds: float | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._taken = epoch, []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.seconds is None:
            self._taken.append(time.perf_counter() - self._began)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.seconds is not None or len(self._taken) < 2:
            return
        shapes = getattr(self._train_data, "shapes", lambda epoch: [0] * len(self._taken))(epoch)
        self.seconds = round(compiling(shapes[: len(self._taken)], self._taken), 1)


def compiling(shapes: list[Any], taken: list[float]) -> float:
    """Return the seconds by which the first step of each shape exceeds the later ones."""
    by_shape = defaultdict(list)
    for shape, seconds in zip(shapes, taken, strict=True):
        by_shape[shape].append(seconds)
    usual = statistics.median(taken)
    return sum(
        max(0.0, first - (statistics.median(later) if later else usual))
        for first, *later in by_shape.values()
    )
