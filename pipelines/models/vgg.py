"""VGG (Simonyan & Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image
Recognition"): only 3×3 convolutions, and depth."""

from typing import Any

import keras

from ...layers import ConvUnit2D
from .heads import head_layer, hidden_layer, scaled_channels

FILTERS = (64, 128, 256, 512, 512)  # of the five stages; each ends with 2×2 max pooling
# Convolutions in each stage: configurations A, B, D and E of the paper's table 1.
VARIANTS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}


def vgg(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    head: str = "softmax",
    dropout: float = 0.5,
    normalization: str | None = None,
    activation: Any = "relu",
) -> keras.Model:
    """Five stages, two hidden dense layers with dropout, and the head.

    Args:
        name: a key of `VARIANTS`.
        input_shape: (H, W, C).
        num_classes: number of outputs.
        width: multiplies the number of channels and hidden units.
        head: "softmax", "logits" or "identity".
        dropout: rate after each hidden dense layer.
        normalization: "batch" normalises the output of every convolution, which makes the deeper
            variants trainable from scratch; None, as in the paper, does not.
        activation: φ of the hidden layers.
    """
    images = x = keras.Input(input_shape, name="images")
    for stage, (filters, count) in enumerate(zip(FILTERS, VARIANTS[name], strict=True), 1):
        for number in range(1, count + 1):
            x = ConvUnit2D(
                scaled_channels(filters, width),
                3,
                normalization=normalization,
                activation=activation,
                name=f"conv{stage}_{number}",
            )(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool{stage}")(x)  # [B, H / 2^stage, …, filters]
    x = keras.layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        units = scaled_channels(4096, width)
        x = hidden_layer(x, units, f"hidden{number}", dropout, activation=activation)
    return keras.Model(images, head_layer(x, num_classes, head), name=name)
