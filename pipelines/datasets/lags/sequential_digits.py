"""Digits read pixel by pixel: scikit-learn's, 8×8, as sequences of 64 numbers."""

import numpy as np

from ..images.image_data import ImageSplit, load_images
from .problems import LagSequences, Problem
from .sequences import LagSplit

STEPS = 64


def load_digit_sequences() -> tuple[Problem, LagSplit, LagSplit]:
    """Return the problem, which samples the train split, and the validation and test splits."""
    data = load_images("digits", None, limit=None, seed=0)
    x, y = _series(data.train)

    def draw(random: np.random.Generator, count: int) -> LagSequences:
        indices = random.integers(0, len(x), count)
        return LagSequences(x[indices], y[indices])

    problem = Problem(
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
    return (
        problem,
        LagSplit(problem, *_series(data.validation)),
        LagSplit(problem, *_series(data.test)),
    )


def _series(split: ImageSplit) -> LagSequences:
    """Return x [N, 64, 1] from 0 to 1 and y [N, 10]."""
    images = np.stack([image for image, _ in split.examples.as_numpy_iterator()])
    one_hot = np.eye(10, dtype=np.float32)[split.labels]
    return LagSequences(images.reshape(len(images), STEPS, 1).astype(np.float32) / 255, one_hot)
