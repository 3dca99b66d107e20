"""VGG (Simonyan & Zisserman 2015): nothing but 3×3 convolutions, and depth."""

import keras

from ...layers import ConvUnit2D
from .heads import head as head_layer
from .heads import hidden, scaled

FILTERS = (64, 128, 256, 512, 512)  # of the five stages; a 2×2 maximum ends each
CONVOLUTIONS = {  # per stage: the paper's configurations A, B, D and E
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}


def build(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    head: str = "softmax",
    dropout: float = 0.5,
    normalization: str | None = None,
) -> keras.Model:
    """Five stages, two hidden dense layers with dropout, and the head.

    Args:
        normalization: of every convolution; "batch" makes the nets trainable from scratch.
    """
    images = x = keras.Input(input_shape, name="images")
    for stage, (filters, count) in enumerate(zip(FILTERS, CONVOLUTIONS[name], strict=True), 1):
        for number in range(1, count + 1):
            unit = ConvUnit2D(
                scaled(filters, width), 3, normalization=normalization, name=f"conv{stage}_{number}"
            )
            x = unit(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool{stage}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        x = hidden(x, scaled(4096, width), f"hidden{number}", dropout)
    return keras.Model(images, head_layer(x, num_classes, head), name=name)
