"""Digits read pixel by pixel: scikit-learn's, 8×8, as sequences of 64 numbers."""

import numpy as np

from ..images.image_data import ImageSplit, load_images
from .problems import Drawn, Problem
from .sequences import LagSplit

STEPS = 64


def load_digit_sequences() -> tuple[Problem, LagSplit, LagSplit]:
    """The problem, whose sequences come from the train split, and the other two splits."""
    data = load_images("digits", None, limit=None, seed=0)
    x, y = _series(data.train)

    def draw(random: np.random.Generator, count: int) -> Drawn:
        chosen = random.integers(0, len(x), count)
        return Drawn(x[chosen], y[chosen])

    made = Problem(
        name="digits",
        about="which digit it is, of 8×8 pixels read row by row",
        symbols=(),
        labels=tuple(data.labels),
        steps=STEPS,
        longest=STEPS,
        draw=draw,
        in_a_row=0,
        epoch=len(x),
    )
    return made, LagSplit(made, *_series(data.validation)), LagSplit(made, *_series(data.test))


def _series(part: ImageSplit) -> Drawn:
    """x [N, 64, 1] from 0 to 1, y [N, 10]."""
    images = np.stack([image for image, _ in part.examples.as_numpy_iterator()])
    one_hot = np.eye(10, dtype=np.float32)[part.labels]
    return Drawn(images.reshape(len(images), STEPS, 1).astype(np.float32) / 255, one_hot)
