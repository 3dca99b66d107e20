"""Schedules of the learning rate."""

from typing import Any

import keras

from ..core.config import Optimisation


def learning_rate(settings: Optimisation, steps: int, warmup: int = 0) -> Any:
    """Return the learning rate, or its schedule over all steps.

    Args:
        settings: the rate, its schedule and the number of epochs.
        steps: number of steps per epoch.
        warmup: number of steps in which the rate rises to its value.
    """
    rate, total = settings.learning_rate, settings.epochs * steps
    schedules = keras.optimizers.schedules
    if settings.schedule == "cosine":
        rate = schedules.CosineDecay(rate, total)
    elif settings.schedule == "step":
        boundaries = [total // 2, total * 3 // 4]
        rate = schedules.PiecewiseConstantDecay(boundaries, [rate, rate / 10, rate / 100])
    return Warmup(rate, warmup) if warmup else rate


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """min(1, (step + 1) / steps) · rate(step): the rate rises in a line from the first step on.

    Args:
        rate: the learning rate, or its schedule.
        steps: number of steps after which the rate is its own.
    """

    def __init__(self, rate: Any, steps: int):
        super().__init__()
        self.rate, self.steps = rate, steps

    def __call__(self, step: Any) -> Any:
        rate = self.rate(step) if callable(self.rate) else self.rate
        share = (keras.ops.cast(step, "float32") + 1) / self.steps
        return rate * keras.ops.minimum(share, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "steps": self.steps}
