"""GoogLeNet (Szegedy et al. 2015): nine inception blocks, and classifiers on the way."""

import keras

from ...layers import AuxiliaryClassifier, ConvUnit2D, InceptionBlock, LocalResponseNormalization
from .heads import check_head, scaled
from .heads import head as head_layer

AUXILIARY_WEIGHT = 0.3  # of each auxiliary loss

# The paper's table 1: 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool projection.
BLOCKS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
AUXILIARY_AFTER = {"4a": "auxiliary1", "4d": "auxiliary2"}


def build(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    head: str = "softmax",
    auxiliary: bool = False,
    factorize: bool = False,
    normalization: str | None = None,
    dropout: float = 0.4,
) -> keras.Model:
    """The network of table 1.

    Args:
        auxiliary: three outputs, {"auxiliary1": …, "auxiliary2": …, and the head's own name},
            to be weighed 0.3, 0.3 and 1 in training; `without_auxiliary` drops them again. Takes
            images of 65 pixels at least.
        factorize: 5×5 convolutions as two 3×3.
        normalization: of every convolution; "batch" takes the local response normalisations away.
        dropout: share left out before the head.
    """
    check_head(head)
    if auxiliary and min(input_shape[:2]) < 65:
        raise ValueError(
            "googlenet with auxiliary classifiers takes images of 65×65 pixels at least, got"
            f" {input_shape[0]}×{input_shape[1]}"
        )
    images = keras.Input(input_shape, name="images")
    x = _stem(images, width, normalization)
    outputs = {}
    for block, filters in BLOCKS.items():
        if block in ("4a", "5a"):
            x = _pool(f"pool{int(block[0]) - 1}")(x)
        wide = tuple(scaled(f, width) for f in filters)
        x = InceptionBlock(wide, factorize, normalization, name=f"inception_{block}")(x)
        if auxiliary and block in AUXILIARY_AFTER:
            outputs[AUXILIARY_AFTER[block]] = AuxiliaryClassifier(
                num_classes,
                scaled(128, width),
                scaled(1024, width),
                activation="softmax" if head == "softmax" else None,
                normalization=normalization,
                name=AUXILIARY_AFTER[block],
            )(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool5")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    y = head_layer(x, num_classes, head, kernel_initializer="he_normal")
    return keras.Model(images, {**outputs, _name(y): y} if auxiliary else y, name=name)


def _name(y) -> str:
    return y._keras_history.operation.name


def _pool(name: str) -> keras.layers.Layer:
    return keras.layers.MaxPooling2D(3, 2, "same", name=name)


def _stem(x, width: float, normalization: str | None):
    """Three convolutions and two pools: [B, H, W, C] → [B, H/8, W/8, 192·width]."""

    def norm(name):
        return LocalResponseNormalization(name=name) if normalization is None else lambda x: x

    def unit(filters, size, strides, name):
        return ConvUnit2D(
            scaled(filters, width), size, strides, normalization=normalization, name=name
        )

    x = norm("norm1")(_pool("pool1")(unit(64, 7, 2, "conv1")(x)))
    x = unit(64, 1, 1, "conv2_reduce")(x)
    x = norm("norm2")(unit(192, 3, 1, "conv2")(x))
    return _pool("pool2")(x)


def without_auxiliary(model: keras.Model) -> keras.Model:
    """The same network, on the same weights, with its one real output."""
    if not isinstance(model.output, dict):
        return model
    (main,) = (y for key, y in model.output.items() if not key.startswith("auxiliary"))
    return keras.Model(model.input, main, name=model.name)
