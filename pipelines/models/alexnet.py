"""AlexNet (Krizhevsky, Sutskever & Hinton 2012), its one tower (Krizhevsky 2014), and ZFNet.

ZFNet (Zeiler & Fergus 2014) is AlexNet with a finer first layer; Clarifai, who won in 2013, built
on it.
"""

from typing import NamedTuple

import keras

from ...layers import ConvUnit2D, LocalResponseNormalization
from .heads import head as head_layer
from .heads import hidden, scaled


class Conv(NamedTuple):
    """A convolution, whether its responses are normalised, and the pool behind it, if any."""

    filters: int
    size: int
    strides: int = 1
    padding: str | int = "same"
    groups: int = 1
    pool: str | None = None  # padding of the 3×3 maximum over every second pixel


class Variant(NamedTuple):
    convolutions: tuple[Conv, ...]
    normalise: str | None  # the first two layers' responses, "before" or "after" the pool


VARIANTS = {
    # Two towers, one per GPU, which see each other in the third convolution only.
    "alexnet": Variant(
        (
            Conv(96, 11, 4, "valid", pool="valid"),
            Conv(256, 5, groups=2, pool="valid"),
            Conv(384, 3),
            Conv(384, 3, groups=2),
            Conv(256, 3, groups=2, pool="valid"),
        ),
        normalise="before",
    ),
    "alexnet_one_tower": Variant(
        (
            Conv(64, 11, 4, 2, pool="valid"),
            Conv(192, 5, pool="valid"),
            Conv(384, 3),
            Conv(256, 3),
            Conv(256, 3, pool="valid"),
        ),
        normalise=None,
    ),
    # Feature maps of 110, 26, 13, 13, 13 and 6 pixels, as in the paper's figure 3.
    "zfnet": Variant(
        (
            Conv(96, 7, 2, 1, pool="same"),
            Conv(256, 5, 2, "valid", pool="same"),
            Conv(384, 3),
            Conv(384, 3),
            Conv(256, 3, pool="valid"),
        ),
        normalise="after",
    ),
}


def build(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    head: str = "softmax",
    dropout: float = 0.5,
    initializer: str | None = None,
) -> keras.Model:
    """Five convolutions, two hidden dense layers with dropout, and the head.

    Args:
        initializer: of the weights; by default the paper's normal(0, 0.01) with biases of 1 in
            `alexnet`, which is slow to start, and He et al.'s in the others.
    """
    variant = VARIANTS[name]
    images = x = keras.Input(input_shape, name="images")
    for number, conv in enumerate(variant.convolutions, start=1):
        x = _convolution(
            x,
            conv,
            number,
            variant.normalise,
            width,
            **_start(name, initializer, number in (2, 4, 5)),
        )
    x = keras.layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        x = hidden(
            x, scaled(4096, width), f"hidden{number}", dropout, **_start(name, initializer, True)
        )
    y = head_layer(x, num_classes, head, **_start(name, initializer, False))
    return keras.Model(images, y, name=name)


def _start(name: str, initializer: str | None, ones: bool) -> dict:
    """Initializers of weights and biases."""
    if initializer is None and name == "alexnet":
        normal = keras.initializers.RandomNormal(stddev=0.01)
        return {"kernel_initializer": normal, "bias_initializer": "ones" if ones else "zeros"}
    return {"kernel_initializer": initializer or "he_normal"}


def _convolution(x, conv: Conv, number: int, normalise: str | None, width: float, **start):
    filters = scaled(conv.filters, width, multiple=2)  # two towers share every layer evenly
    x = ConvUnit2D(
        filters,
        conv.size,
        conv.strides,
        conv.padding,
        conv.groups,
        name=f"conv{number}",
        **start,
    )(x)
    normalised = normalise if number <= 2 else None
    if normalised == "before":
        x = LocalResponseNormalization(name=f"norm{number}")(x)
    if conv.pool:
        x = keras.layers.MaxPooling2D(3, 2, conv.pool, name=f"pool{number}")(x)
    if normalised == "after":
        x = LocalResponseNormalization(name=f"norm{number}")(x)
    return x
