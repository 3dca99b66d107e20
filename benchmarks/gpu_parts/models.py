"""Small models around one recurrent layer, with their data, on the device of a part."""

from typing import NamedTuple


class Shape(NamedTuple):
    """The shape of a batch and of the layer."""

    batch: int
    steps: int
    width: int
    units: int

    def __str__(self):
        return ",".join(map(str, self))


def sequences(shape):
    """Return random sequences [B, T, D] and a target for each, [B, 1]."""
    import numpy as np

    random = np.random.default_rng(0)
    x = random.standard_normal((shape.batch, shape.steps, shape.width), dtype="float32")
    return x, random.standard_normal((shape.batch, 1), dtype="float32")


def stock_model(cell, shape, policy="float32", stack=1):
    """Return a model of stock Keras: recurrent layers, a mean over time and a Dense layer."""
    import keras

    keras.utils.set_random_seed(0)
    make = getattr(keras.layers, cell)
    names = ["recurrent", *(f"recurrent_{n}" for n in range(1, stack))]
    return keras.Sequential(
        [
            keras.Input((shape.steps, shape.width)),
            *(make(shape.units, return_sequences=True, name=n, dtype=policy) for n in names),
            keras.layers.GlobalAveragePooling1D(dtype=policy),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )
