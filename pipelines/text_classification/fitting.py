"""The size of the batches and the length of an epoch, fitted to the number of examples.

On a person's few texts, batches of 128 would leave one or two training steps in an epoch, and 25
epochs too few steps to learn anything.
"""

import math
from typing import NamedTuple

from .config import TextClassificationConfig

STEPS = 12  # of a pass over the examples; with fewer, batches become smaller
SMALLEST_BATCH = 8
LEAST_STEPS = 600  # of a training


class Fitted(NamedTuple):
    """The examples of a batch, and the passes over all examples in an epoch."""

    batch_size: int
    passes: int = 1


def fit(config: TextClassificationConfig, count: int) -> Fitted:
    """Return batch size and passes for a training on `count` examples."""
    size = config.optimisation.batch_size
    if isinstance(size, int):
        return Fitted(size)
    if size != "auto":
        return Fitted({"online": 1, "full": count}[size])
    size = config.largest_batch
    while size > SMALLEST_BATCH and count / size < STEPS:
        size //= 2
    steps = config.optimisation.epochs * math.ceil(count / size)
    return Fitted(size, math.ceil(LEAST_STEPS / steps))


def in_one_line(config: TextClassificationConfig, fitted: Fitted, count: int) -> str:
    """Return what was fitted, for a note; "" if nothing was."""
    if config.optimisation.batch_size != "auto" or fitted == Fitted(config.largest_batch):
        return ""
    passes = f", {fitted.passes} passes over them per epoch" if fitted.passes > 1 else ""
    return (
        f"{count:,} training examples: batches of {fitted.batch_size}{passes}"
        " (--batch-size, --epochs)"
    )
