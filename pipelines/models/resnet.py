"""Residual networks (He, Zhang, Ren & Sun 2016, "Deep Residual Learning for Image Recognition"):
18 to 152 layers for ImageNet, 20 to 110 for CIFAR-10.

`errorflow images train --model resnet20` trains on 3,600 digits and classifies 99.0 % of the 1,000
test digits correctly (mean of three seeds, 98.9 to 99.1) after 397 s on two cores, with a second
network in training at the same time (`python benchmarks/seeds.py images --models resnet20`).
"""

from typing import Any, NamedTuple

import keras

from ...layers import BottleneckBlock, ConvUnit2D, ResidualBlock
from .heads import head_layer, scaled_channels


class Variant(NamedTuple):
    """A depth: the block, and for each stage the number of blocks and of filters."""

    block: type[keras.layers.Layer]
    counts: tuple[int, ...]
    filters: tuple[int, ...]
    shortcut: str  # the shortcut of blocks that change the shape, see `ResidualBlock`


def _imagenet(block: type[keras.layers.Layer], *counts: int) -> Variant:
    return Variant(block, counts, (64, 128, 256, 512), "projection")


def _cifar(depth: int) -> Variant:
    return Variant(ResidualBlock, ((depth - 2) // 6,) * 3, (16, 32, 64), "zero_padding")


VARIANTS = {
    "resnet18": _imagenet(ResidualBlock, 2, 2, 2, 2),
    "resnet34": _imagenet(ResidualBlock, 3, 4, 6, 3),
    "resnet50": _imagenet(BottleneckBlock, 3, 4, 6, 3),
    "resnet101": _imagenet(BottleneckBlock, 3, 4, 23, 3),
    "resnet152": _imagenet(BottleneckBlock, 3, 8, 36, 3),
    **{f"resnet{depth}": _cifar(depth) for depth in (20, 32, 44, 56, 110)},
}


def resnet(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    head: str = "softmax",
    skip: bool = True,
    preactivation: bool = False,
    shortcut: str | None = None,
    normalization: str | None = "batch",
    activation: Any = "relu",
) -> keras.Model:
    """Stem → stages of blocks → global average pooling → head.

    Each stage but the first halves the resolution.

    Args:
        name: a key of `VARIANTS`.
        input_shape: (H, W, C).
        num_classes: number of outputs.
        width: multiplies the number of channels.
        head: "softmax", "logits" or "identity".
        skip: False leaves out the shortcuts: the plain counterpart of the paper.
        preactivation: normalise and activate before each convolution (He et al. 2016, "Identity
            Mappings in Deep Residual Networks").
        shortcut: "projection" or "zero_padding", as in `ResidualBlock`; by default the paper's:
            projections for ImageNet (option B), zero padding for CIFAR (option A).
        normalization: "batch", or None for no normalisation.
        activation: φ of the hidden layers.
    """
    variant = VARIANTS[name]
    images = keras.Input(input_shape, name="images")
    x = _stem(images, variant, width, normalization, preactivation, activation)
    for stage, (count, filters) in enumerate(zip(variant.counts, variant.filters, strict=True), 1):
        for number in range(1, count + 1):
            x = variant.block(
                scaled_channels(filters, width),
                strides=2 if stage > 1 and number == 1 else 1,
                shortcut=shortcut or variant.shortcut,
                preactivation=preactivation,
                skip=skip,
                normalization=normalization,
                activation=activation,
                name=f"stage{stage}_block{number}",
            )(x)
    if preactivation:
        x = _final_activation(x, normalization, activation)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    y = head_layer(x, num_classes, head, kernel_initializer="he_normal")
    return keras.Model(images, y, name=name)


def _stem(
    x: Any,
    variant: Variant,
    width: float,
    normalization: str | None,
    preactivation: bool,
    activation: Any,
) -> Any:
    """CIFAR: a 3×3 convolution. ImageNet: a strided 7×7 convolution and max pooling, size / 4."""
    filters = scaled_channels(variant.filters[0], width)
    options: dict[str, Any] = {
        "normalization": normalization,
        "activation": activation,
        "use_bias": normalization is None,
    }
    if len(variant.filters) == 3:
        if preactivation:  # the first block normalises and activates its input
            options |= {"normalization": None, "activation": None}
        return ConvUnit2D(filters, 3, **options, name="conv1")(x)
    x = ConvUnit2D(filters, 7, 2, padding=3, **options, name="conv1")(x)
    # After a ReLU or sigmoid, padding with zeros has the effect of padding with −∞.
    x = keras.layers.ZeroPadding2D(1, name="pool1_padding")(x)
    return keras.layers.MaxPooling2D(3, 2, name="pool1")(x)


def _final_activation(x: Any, normalization: str | None, activation: Any) -> Any:
    """Normalise and activate the last sum, which pre-activation blocks leave as it is."""
    if normalization:
        norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="normalization")
        x = norm(x)
    if activation == "relu":
        return keras.layers.ReLU(name="activation")(x)
    return keras.layers.Activation(activation, name="activation")(x)
