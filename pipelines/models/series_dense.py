"""Networks without a notion of time: a multilayer perceptron and a linear map of a whole series."""

import keras

from .heads import hidden_layer
from .series_head import SeriesShape, from_vector


def series_mlp(
    shape: SeriesShape, *, units: int, layers: int = 2, dropout: float = 0.0
) -> keras.Model:
    """Flatten → (dense, ReLU, dropout) × layers → answers: x [B, P, D] → [B, *leading, *of_step].

    Args:
        shape: of inputs and outputs.
        units: size of each hidden layer.
        layers: number of hidden layers; 0: a linear map.
        dropout: rate after each hidden layer.
    """
    series = shape.make_input()
    x = keras.layers.Flatten(name="flatten")(series)
    for number in range(1, layers + 1):
        x = hidden_layer(x, units, f"hidden{number}", dropout)
    return keras.Model(series, from_vector(x, shape), name="core")


def series_linear(shape: SeriesShape) -> keras.Model:
    """One linear map from a whole series to all answers: x [B, P, D] → [B, *leading, *of_step]."""
    return series_mlp(shape, units=0, layers=0)
