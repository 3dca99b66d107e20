"""A small network of convolutions for a person's own images: the default for folders.

Not from a paper: the parts that the networks of 2014 to 2016 have in common, in a size that a few
hundred images can train (`python benchmarks/own_images.py`).
"""

import math
from typing import Any

import keras

from ...layers import ConvUnit2D
from .heads import head_layer, scaled_channels

# Filters of the stages, each of which halves the resolution. From 64 pixels on, the first
# convolution halves it as well, so that large images take no more time than small ones.
FILTERS = (16, 48, 96, 128, 128, 128)
STRIDED_FILTERS = (32, 64, 128, 128, 256, 256)
STRIDED = 64  # pixels
SMALLEST = 3  # rows of the last feature maps; from 64 pixels on 2


def convnet(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    head: str = "softmax",
    dropout: float = 0.3,
    activation: Any = "relu",
) -> keras.Model:
    """Stages of convolution, batch normalisation, ReLU and pooling → mean and maximum → head.

    The number of stages follows the size of the images. The mean over all places describes
    textures, the maximum things that are somewhere in the image; both have few weights behind them,
    and so need few images (Lin, Chen & Yan 2014, "Network in Network").

    Args:
        name: name of the model.
        input_shape: (H, W, C).
        num_classes: number of outputs.
        width: multiplies the number of channels.
        head: "softmax", "logits" or "identity".
        dropout: rate before the head.
        activation: φ of the hidden layers.
    """
    images = x = keras.Input(input_shape, name="images")
    size = min(input_shape[:2])
    is_strided = size >= STRIDED
    halvings = int(math.log2(size / (4 if is_strided else SMALLEST)))
    stages = max(1, min(len(FILTERS), halvings))
    for number, filters in enumerate((STRIDED_FILTERS if is_strided else FILTERS)[:stages], 1):
        channels = scaled_channels(filters, width)
        strides = 2 if is_strided and number == 1 else 1
        x = ConvUnit2D(
            channels,
            3,
            strides,
            normalization="batch",
            activation=activation,
            name=f"conv{number}",
        )(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool{number}")(x)  # [B, H / 2^number, …, filters]
    mean = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    maximum = keras.layers.GlobalMaxPooling2D(name="maximum")(x)
    x = keras.layers.Concatenate(name="both")([mean, maximum])
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(images, head_layer(x, num_classes, head), name=name)
