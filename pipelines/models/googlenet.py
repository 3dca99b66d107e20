"""GoogLeNet (Szegedy et al. 2015, "Going Deeper with Convolutions"): nine inception blocks, and
auxiliary classifiers at two of them."""

from typing import Any

import keras

from ...layers import AuxiliaryClassifier, ConvUnit2D, InceptionBlock, LocalResponseNormalization
from .heads import check_head, head_layer, scaled_channels

AUXILIARY_WEIGHT = 0.3  # of the loss of each auxiliary classifier

# Filters, as in table 1 of the paper: 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool projection.
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


def googlenet(
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
    activation: Any = "relu",
) -> keras.Model:
    """The network of table 1: stem → nine inception blocks → global average pooling → head.

    Args:
        name: name of the model.
        input_shape: (H, W, C).
        num_classes: number of outputs.
        width: multiplies the number of channels.
        head: "softmax", "logits" or "identity".
        auxiliary: three outputs, {"auxiliary1": …, "auxiliary2": …, and the head's own name},
            with loss weights of 0.3, 0.3 and 1; `remove_auxiliary_outputs` leaves only the last.
            Needs images of at least 65 pixels.
        factorize: two 3×3 convolutions in place of each 5×5 convolution.
        normalization: "batch" normalises the output of every convolution and leaves out the local
            response normalisations.
        dropout: rate before the head.
        activation: φ of all convolutions but those of the auxiliary classifiers.
    """
    check_head(head)
    if auxiliary and min(input_shape[:2]) < 65:
        raise ValueError(
            "googlenet with auxiliary classifiers takes images of at least 65×65 pixels, got"
            f" {input_shape[0]}×{input_shape[1]}"
        )
    images = keras.Input(input_shape, name="images")
    x = _stem(images, width, normalization, activation)
    auxiliary_outputs = {}
    for block, filters in BLOCKS.items():
        if block in ("4a", "5a"):
            x = _pool(f"pool{int(block[0]) - 1}")(x)
        channels = tuple(scaled_channels(f, width) for f in filters)
        x = InceptionBlock(
            channels, factorize, normalization, activation, name=f"inception_{block}"
        )(x)
        if auxiliary and block in AUXILIARY_AFTER:
            auxiliary_outputs[AUXILIARY_AFTER[block]] = AuxiliaryClassifier(
                num_classes,
                scaled_channels(128, width),
                scaled_channels(1024, width),
                activation="softmax" if head == "softmax" else None,
                normalization=normalization,
                name=AUXILIARY_AFTER[block],
            )(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool5")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    y = head_layer(x, num_classes, head, kernel_initializer="he_normal")
    outputs = {**auxiliary_outputs, _layer_name(y): y} if auxiliary else y
    return keras.Model(images, outputs, name=name)


def _layer_name(tensor: Any) -> str:
    return tensor._keras_history.operation.name


def _pool(name: str) -> keras.layers.Layer:
    return keras.layers.MaxPooling2D(3, 2, "same", name=name)


def _stem(x: Any, width: float, normalization: str | None, activation: Any) -> Any:
    """Three convolutions and two poolings: [B, H, W, C] → [B, H/8, W/8, 192·width]."""

    def conv(filters: int, size: int, strides: int, name: str) -> keras.layers.Layer:
        channels = scaled_channels(filters, width)
        options = {"normalization": normalization, "activation": activation}
        return ConvUnit2D(channels, size, strides, **options, name=name)

    def local_norm(x: Any, name: str) -> Any:
        return LocalResponseNormalization(name=name)(x) if normalization is None else x

    x = _pool("pool1")(conv(64, 7, 2, "conv1")(x))  # [B, H/4, W/4, 64·width]
    x = local_norm(x, "norm1")
    x = conv(64, 1, 1, "conv2_reduce")(x)
    x = conv(192, 3, 1, "conv2")(x)
    return _pool("pool2")(local_norm(x, "norm2"))


def remove_auxiliary_outputs(model: keras.Model) -> keras.Model:
    """Return the same network, with shared weights, without its auxiliary outputs."""
    if not isinstance(model.output, dict):
        return model
    (main,) = (y for key, y in model.output.items() if not key.startswith("auxiliary"))
    return keras.Model(model.input, main, name=model.name)
