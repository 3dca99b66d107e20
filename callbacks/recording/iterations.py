"""How long a model has been trained."""

import contextlib
from typing import Any

import keras


def iterations(model: keras.Model) -> int:
    """Return the number of training steps that the optimizer has applied, without skipped ones."""
    with contextlib.suppress(AttributeError):  # no optimizer, or one that does not count
        return int(model.optimizer.iterations.numpy())
    return 0


def batches(model: keras.Model) -> int:
    """Return the number of training steps, where gradients are accumulated over several of them."""
    optimizer: Any = getattr(model, "optimizer", None)
    return iterations(model) * (getattr(optimizer, "gradient_accumulation_steps", None) or 1)
