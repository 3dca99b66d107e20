"""The multilayer perceptron: the feed-forward network that knows nothing of images."""

from typing import Any

import keras

from .heads import head as head_layer
from .heads import hidden, scaled


def build(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    head: str = "softmax",
    hidden_layers: int = 2,
    units: int = 512,
    dropout: float = 0.0,
    activation: Any = "relu",
) -> keras.Model:
    """Flatten → (dense, φ, dropout) × hidden_layers → head."""
    images = keras.Input(input_shape, name="images")
    x = keras.layers.Flatten(name="flatten")(images)
    for number in range(1, hidden_layers + 1):
        x = hidden(x, scaled(units, width), f"hidden{number}", dropout, activation=activation)
    return keras.Model(images, head_layer(x, num_classes, head), name=name)
