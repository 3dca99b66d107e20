"""The convolutions of keras.applications in our networks, with the same features."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from ...layers import BottleneckBlock, ConvUnit2D
from .builder import build, endpoints
from .zoo import MODELS

# Of RGB pixels, for (pixels / 255 − mean) / std: `preprocess_input` of these networks subtracts the
# mean from pixels 0 … 255, and does not scale them.
MEAN = np.array([123.68, 116.779, 103.939]) / 255
STD = np.full(3, 1 / 255)
# The ε of their batch normalisation, and of ours.
THEIR_EPSILON, EPSILON = 1.001e-5, 1e-5

_CLASSES = {
    "vgg16": keras.applications.VGG16,
    "vgg19": keras.applications.VGG19,
    "resnet50": keras.applications.ResNet50,
    "resnet101": keras.applications.ResNet101,
    "resnet152": keras.applications.ResNet152,
}


def keras_application(name: str, weights: Path | None = None, size: int = 32) -> keras.Model:
    """Return the convolutions of a model of keras.applications: BGR [B, H, W, 3] → features.

    Args:
        name: one of `imagenet_files.FILES`.
        weights: a file with its weights; None: random ones.
        size: H and W.
    """
    file = None if weights is None else str(weights)
    return _CLASSES[name](include_top=False, weights=file, input_shape=(size, size, 3))


def from_keras_applications(name: str, theirs: keras.Model) -> keras.Model:
    """Return the convolutions of our network with the weights of one of keras.applications.

    It takes RGB images of 32×32 pixels, (pixels / 255 − `MEAN`) / `STD`. The features are the same
    up to rounding; the weights differ:

    * The input is RGB, theirs is BGR: the input channels of the first kernel are reversed.
    * ResNet: our convolutions have no bias. Theirs, b, is subtracted from the moving mean μ of the
      batch normalisation that follows: γ (x + b − μ) / √(σ² + ε) + β. Their ε is 1.001e-5, ours
      is 1e-5: the moving variance σ² grows by the difference.

    Args:
        name: one of `imagenet_files.FILES`.
        theirs: that model, with or without the dense layers.
    """
    ours = build(name, (32, 32, 3), 1)
    copy, first = (
        (_copy_vgg, "conv1_1") if MODELS[name].family == "vgg" else (_copy_resnet, "conv1")
    )
    copy(theirs, ours)
    kernel: Any = ours.get_layer(first).convolution.kernel
    kernel.assign(np.asarray(kernel)[:, :, ::-1])
    return keras.Model(ours.input, [*endpoints(ours).values()][-1], name=name)


def _copy_vgg(theirs: keras.Model, ours: keras.Model) -> None:
    for layer in ours.layers:
        if isinstance(layer, ConvUnit2D):
            name = layer.name.removeprefix("conv").replace("_", "_conv")
            layer.set_weights(theirs.get_layer(f"block{name}").get_weights())


def _copy_resnet(theirs: keras.Model, ours: keras.Model) -> None:
    for layer in ours.layers:
        if isinstance(layer, ConvUnit2D):
            _copy_unit(theirs, "conv1", layer)
        if isinstance(layer, BottleneckBlock):
            stage, block = layer.name.removeprefix("stage").split("_")  # their stage 1 is the stem
            units = ([] if layer.projection is None else [(0, layer.projection)]) + [
                *enumerate(layer.units, start=1)
            ]
            for number, unit in units:
                _copy_unit(theirs, f"conv{int(stage) + 1}_{block}_{number}", unit)


def _copy_unit(theirs: keras.Model, name: str, unit: Any) -> None:
    kernel, bias = theirs.get_layer(f"{name}_conv").get_weights()
    gamma, beta, mean, variance = theirs.get_layer(f"{name}_bn").get_weights()
    unit.convolution.set_weights([kernel])
    variance = variance + (THEIR_EPSILON - EPSILON)
    unit.normalization.set_weights([gamma, beta, mean - bias, variance])
