"""Residual networks (He, Zhang, Ren & Sun 2016): for ImageNet, 18 to 152 layers; for CIFAR, 20 to
110.

`errorflow images train --model resnet20`, which learns from 3,600 digits, tells 99.0 % of the 1,000
test digits right (mean of three seeds, 98.9 to 99.1), after 397 s on two cores that train another
network too (`python benchmarks/seeds.py images --models resnet20`).
"""

from typing import NamedTuple

import keras

from ...layers import BottleneckBlock, ConvUnit2D, ResidualBlock
from .heads import head as head_layer
from .heads import scaled


class Variant(NamedTuple):
    block: type
    counts: tuple[int, ...]  # blocks of each stage
    filters: tuple[int, ...]
    shortcut: str


def _imagenet(block: type, *counts: int) -> Variant:
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


def build(
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
) -> keras.Model:
    """Stem → stages of blocks, each but the first halving the image → mean over it → head.

    Args:
        skip: False gives the plain counterpart.
        preactivation: the order of He et al. 2016b.
        shortcut: "projection" or "zero_padding", as in `ResidualBlock`; by default the paper's:
            projections for ImageNet (option B), zeros for CIFAR (option A).
        normalization: None takes the batch normalisation away, to see what it does.
    """
    variant = VARIANTS[name]
    images = keras.Input(input_shape, name="images")
    x = _stem(images, variant, width, normalization, preactivation)
    for stage, (count, filters) in enumerate(zip(variant.counts, variant.filters, strict=True), 1):
        for number in range(1, count + 1):
            x = variant.block(
                scaled(filters, width),
                strides=2 if stage > 1 and number == 1 else 1,
                shortcut=shortcut or variant.shortcut,
                preactivation=preactivation,
                skip=skip,
                normalization=normalization,
                name=f"stage{stage}_block{number}",
            )(x)
    if preactivation:  # the last sum has not been activated
        if normalization:
            norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="normalization")
            x = norm(x)
        x = keras.layers.ReLU(name="activation")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    y = head_layer(x, num_classes, head, kernel_initializer="he_normal")
    return keras.Model(images, y, name=name)


def _stem(x, variant: Variant, width: float, normalization: str | None, preactivation: bool):
    """The first convolution; for ImageNet a strided one and a maximum: a quarter of the size."""
    filters = scaled(variant.filters[0], width)
    options = {"normalization": normalization, "use_bias": normalization is None}
    if len(variant.filters) == 3:
        if preactivation:  # the first block normalises and activates
            options |= {"normalization": None, "activation": None}
        return ConvUnit2D(filters, 3, **options, name="conv1")(x)
    x = ConvUnit2D(filters, 7, 2, padding=3, **options, name="conv1")(x)
    # after a ReLU zeros are as good as −∞ around the image
    x = keras.layers.ZeroPadding2D(1, name="pool1_padding")(x)
    return keras.layers.MaxPooling2D(3, 2, name="pool1")(x)
