"""A small network of convolutions for a person's own images: the default for folders.

Not from a paper: the parts that the networks of 2014 to 2016 have in common, in a size that a few
hundred images can train (`python benchmarks/own_images.py`).
"""

import math

import keras

from ...layers import ConvUnit2D
from .heads import head_layer, scaled_channels

FILTERS = (32, 64, 128, 128, 256, 256)  # of the stages; each halves the resolution
SMALLEST = 4  # pixels; no stage begins below twice this size
STRIDED = 64  # pixels; from this size on the first convolution halves the resolution as well


def convnet(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    head: str = "softmax",
    dropout: float = 0.3,
) -> keras.Model:
    """Stages of convolution, batch normalisation, ReLU and pooling → mean over places → head.

    The number of stages follows the size of the images, so that the last feature maps have 4 to 7
    rows or columns. The mean over all places has few weights behind it, which is why it needs few
    images (Lin, Chen & Yan 2014, "Network in Network").

    Args:
        name: name of the model.
        input_shape: (H, W, C).
        num_classes: number of outputs.
        width: multiplies the number of channels.
        head: "softmax", "logits" or "identity".
        dropout: rate before the head.
    """
    images = x = keras.Input(input_shape, name="images")
    size = min(input_shape[:2])
    stages = max(1, min(len(FILTERS), int(math.log2(size / SMALLEST))))
    for number, filters in enumerate(FILTERS[:stages], 1):
        channels = scaled_channels(filters, width)
        strides = 2 if number == 1 and size >= STRIDED else 1
        x = ConvUnit2D(channels, 3, strides, normalization="batch", name=f"conv{number}")(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool{number}")(x)  # [B, H / 2^number, …, filters]
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(images, head_layer(x, num_classes, head), name=name)
