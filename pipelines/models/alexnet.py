"""AlexNet (Krizhevsky, Sutskever & Hinton 2012), its one-tower form (Krizhevsky 2014), and ZFNet.

ZFNet (Zeiler & Fergus 2014) is AlexNet with smaller filters and strides in the first two layers;
Clarifai's entry, which won ILSVRC 2013, was based on it.
"""

from typing import Any, NamedTuple

import keras

from ...layers import ConvUnit2D, LocalResponseNormalization
from .heads import head_layer, hidden_layer, scaled_channels


class Conv(NamedTuple):
    """A convolution with ReLU, and the max pooling after it, if any."""

    filters: int
    size: int
    strides: int = 1
    padding: str | int = "same"
    groups: int = 1
    pool: str | None = None  # padding of the 3×3 max pooling with stride 2; None: no pooling


class Variant(NamedTuple):
    """Five convolutions, and the place of the local response normalisation."""

    convolutions: tuple[Conv, ...]
    normalise: str | None  # in the first two layers, "before" or "after" pooling; None: not at all


VARIANTS = {
    # Two towers, one per GPU, connected only in the third convolution.
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
    # Feature maps of 110, 26, 13, 13, 13 and 6 pixels, as in figure 3 of the paper.
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


def alexnet(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    head: str = "softmax",
    dropout: float = 0.5,
    initializer: str | None = None,
    activation: Any = "relu",
) -> keras.Model:
    """Five convolutions, two hidden dense layers with dropout, and the head.

    Args:
        name: a key of `VARIANTS`.
        input_shape: (H, W, C).
        num_classes: number of outputs.
        width: multiplies the number of channels and hidden units.
        head: "softmax", "logits" or "identity".
        dropout: rate after each hidden dense layer.
        initializer: initializer of the weights. By default `alexnet` has the paper's
            normal(0, 0.01) with some biases of 1, which learns slowly at first, and the other
            variants have He initialisation.
        activation: φ of the hidden layers.
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
            activation=activation,
            **_initializers(name, initializer, number in (2, 4, 5)),
        )
    x = keras.layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        options = {"activation": activation} | _initializers(name, initializer, True)
        x = hidden_layer(x, scaled_channels(4096, width), f"hidden{number}", dropout, **options)
    y = head_layer(x, num_classes, head, **_initializers(name, initializer, False))
    return keras.Model(images, y, name=name)


def _initializers(name: str, initializer: str | None, ones: bool) -> dict[str, Any]:
    """Return the initializers of a layer's weights and biases."""
    if initializer is None and name == "alexnet":
        normal = keras.initializers.RandomNormal(stddev=0.01)
        return {"kernel_initializer": normal, "bias_initializer": "ones" if ones else "zeros"}
    return {"kernel_initializer": initializer or "he_normal"}


def _convolution(
    x: Any, conv: Conv, number: int, normalise: str | None, width: float, **options: Any
) -> Any:
    filters = scaled_channels(conv.filters, width, multiple=2)  # half for each of two towers
    x = ConvUnit2D(
        filters,
        conv.size,
        conv.strides,
        conv.padding,
        conv.groups,
        name=f"conv{number}",
        **options,
    )(x)
    normalised = normalise if number <= 2 else None
    if normalised == "before":
        x = LocalResponseNormalization(name=f"norm{number}")(x)
    if conv.pool:
        x = keras.layers.MaxPooling2D(3, 2, conv.pool, name=f"pool{number}")(x)
    if normalised == "after":
        x = LocalResponseNormalization(name=f"norm{number}")(x)
    return x
