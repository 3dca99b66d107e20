"""A multilayer perceptron on pixels: the baseline without convolutions."""

from typing import Any

import keras

from .heads import head_layer, hidden_layer, scaled_channels


def mlp(
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
    """Flatten → (dense, φ, dropout) × hidden_layers → head: [B, H, W, C] → [B, num_classes].

    Args:
        name: name of the model.
        input_shape: (H, W, C).
        num_classes: number of outputs.
        width: multiplies `units`.
        head: "softmax", "logits" or "identity".
        hidden_layers: number of hidden layers.
        units: size of each hidden layer.
        dropout: rate after each hidden layer.
        activation: φ.
    """
    images = keras.Input(input_shape, name="images")
    x = keras.layers.Flatten(name="flatten")(images)
    for number in range(1, hidden_layers + 1):
        size = scaled_channels(units, width)
        x = hidden_layer(x, size, f"hidden{number}", dropout, activation=activation)
    return keras.Model(images, head_layer(x, num_classes, head), name=name)
