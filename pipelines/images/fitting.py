"""A recipe, fitted to the number of images.

The recipes of the papers are for 60,000 to 1,200,000 images. On a person's few hundred an epoch has
3 to 30 steps, and the same numbers fail:

* A learning rate of 0.1 meets weights that nothing has adjusted yet, and kills the ReLUs; over a
  million images there is time to recover. So the rate warms up and the gradient is clipped.
* Batches of 256 leave one or two steps per epoch. So batches become smaller, and the rate with
  them: in proportion for SGD (Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.1), by
  the root for Adam and its kin (Malladi et al. 2022, "On the SDEs and Scaling Rules for Adaptive
  Gradient Algorithms").
* The number of epochs times a few steps is too little to learn anything. So an epoch consists of
  several passes over the images.
* Batch normalisation keeps the average of 10 past steps: with as many steps per epoch, validation
  still reads the statistics of untrained weights. So its average becomes shorter.

With many images, warm-up and clipping alone remain.
"""

import dataclasses
import math
from typing import NamedTuple

from .config import ImagesOptimisation

STEPS = 30  # per pass; with fewer, batches become smaller
SMALL_BATCH = 32  # not below, except with very few images
VERY_FEW = 8  # steps per pass with small batches; with fewer, half of that batch
LEAST_STEPS = 200  # of a training
PASSES, ENOUGH_STEPS = 30, 1500  # of a training: as many passes, unless the steps are enough
WARMUP, LONGEST_WARMUP = 0.1, 1000  # share of all steps; steps
CLIP_NORM = 1.0
ADAPTIVE = ("adam", "adamw", "rmsprop")


class Fitted(NamedTuple):
    """Settings for a number of images.

    Attributes:
        optimisation: the settings, some of them changed.
        passes: number of passes over the images in each epoch.
        warmup: number of steps in which the learning rate rises.
    """

    optimisation: ImagesOptimisation
    passes: int = 1
    warmup: int = 0


def fit(settings: ImagesOptimisation, count: int) -> Fitted:
    """Return the settings for a training on `count` images; what `fitted` does not name remains."""
    names, changes = settings.fitted_settings, {}
    size, rate, epochs = settings.batch_size, settings.learning_rate, settings.epochs
    assert size is not None and rate is not None and epochs is not None
    if "batch_size" in names:
        changes["batch_size"] = small = batch_size(size, count)
        if "learning_rate" in names:
            ratio = small / size
            power = 0.5 if settings.optimizer in ADAPTIVE else 1.0
            changes["learning_rate"] = rate * ratio**power
        size = small
    if "clip_norm" in names and not settings.clip_norm:
        changes["clip_norm"] = CLIP_NORM
    steps = max(1, count // size)
    passes = passes_per_epoch(epochs, steps) if "epochs" in names else 1
    warmup = min(LONGEST_WARMUP, round(WARMUP * epochs * passes * steps))
    return Fitted(
        dataclasses.replace(settings, **changes),
        passes,
        warmup if "learning_rate" in names and not settings.warm_up else 0,
    )


def batch_size(size: int, count: int) -> int:
    """Return the batch size of a recipe, halved until a pass over the images has enough steps.

    With few steps it is rounded down so that a pass leaves out as few images as possible.
    """
    while size > SMALL_BATCH and count // size < STEPS:
        size = max(SMALL_BATCH, size // 2)
    if count // size < VERY_FEW:
        size = min(size, SMALL_BATCH // 2)
    return size if count // size >= STEPS else count // -(-count // size)


def passes_per_epoch(epochs: int, steps: int) -> int:
    """Return the number of passes, of a number of steps each, that make up an epoch."""
    least = math.ceil(LEAST_STEPS / (epochs * steps))
    return max(1, least, min(round(PASSES / epochs), round(ENOUGH_STEPS / (epochs * steps))))


def normalization_momentum(momentum: float, steps: int) -> float:
    """Return the momentum of batch normalisation's averages for epochs of a number of steps.

    At the end of the first epoch, the initial values have a weight of a tenth at most.
    """
    return min(momentum, 0.1 ** (1 / steps))


def in_one_line(before: ImagesOptimisation, fitted: Fitted, count: int) -> str:
    """Return what was fitted, for a note."""
    after, parts = fitted.optimisation, []
    if after.batch_size != before.batch_size:
        parts.append(f"batches of {after.batch_size} in place of {before.batch_size}")
    old, new = (f"{settings.learning_rate:.2g}" for settings in (before, after))
    if old != new:
        parts.append(f"learning rate {new} in place of {old}")
    if fitted.passes > 1:
        parts.append(f"{fitted.passes} passes per epoch")
    if fitted.warmup:
        parts.append(f"warm-up of {fitted.warmup} steps")
    if after.clip_norm != before.clip_norm:
        parts.append(f"gradient norm at most {after.clip_norm:g}")
    return f"recipe fitted to {count:,} images: {', '.join(parts)}" if parts else ""
