"""The size of the batches and the length of an epoch, fitted to the number of examples.

On a person's few examples, batches of 32 or 128 would leave one or two training steps in an epoch,
and the usual number of epochs too few steps to learn anything.
"""

import math
from typing import Literal, NamedTuple

from ..core.console import note

STEPS = 12  # of a pass over the examples; with fewer, batches become smaller
SMALLEST_BATCH = 8
LEAST_STEPS = 600  # of a training


class Fitted(NamedTuple):
    """The number of examples of a batch, and of passes over all examples in an epoch."""

    batch_size: int
    passes: int = 1


def fit(
    batch_size: int | Literal["auto", "online", "full"], count: int, *, largest: int, epochs: int
) -> Fitted:
    """Return batch size and passes for a training; say what is fitted, if anything is.

    Args:
        batch_size: a number or full (all examples) or online (one) is kept; auto is fitted.
        count: number of training examples.
        largest: the batch size for many examples.
        epochs: the task's default number of epochs; --epochs 1 is not to mean many passes.
    """
    if batch_size != "auto":
        return Fitted({"online": 1, "full": count}.get(str(batch_size)) or int(batch_size))
    size = largest
    while size > SMALLEST_BATCH and count / size < STEPS:
        size //= 2
    passes = math.ceil(LEAST_STEPS / (epochs * math.ceil(count / size)))
    if (size, passes) != (largest, 1):
        repeated = f" and {passes} passes over them per epoch" if passes > 1 else ""
        note(f"{count:,} training examples: batches of {size}{repeated} (see --batch-size)")
    return Fitted(size, passes)
