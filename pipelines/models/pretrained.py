"""Trained weights as the beginning of a network: of a trained run, or of keras.applications.

The backbone is everything up to the last convolution; all of it must fit. Dense layers between it
and the head take over their trained weights if they fit too, which depends on the size of the
images. The head always starts anew.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from ...layers import BottleneckBlock, ConvUnit2D, InceptionBlock, ResidualBlock
from ...layers.paths import walk
from ..core.console import note
from ..core.errors import UserError
from .builder import endpoints
from .imagenet_files import weight_file
from .keras_applications import MEAN, STD, from_keras_applications, keras_application
from .serving import load
from .weight_source import IMAGENET, find_source
from .zoo import MODELS

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, as in Pillow's mode L


class Backbone(NamedTuple):
    """A trained network on images.

    Attributes:
        network: (pixels / 255 − mean) / std, [B, H, W, C] → outputs.
        mean, std: [C], of the pixels that it was trained on.
        source: the value of `--weights`, for messages.
    """

    network: keras.Model
    mean: np.ndarray
    std: np.ndarray
    source: str

    @property
    def channels(self) -> int:
        return self.network.input_shape[-1]

    def options(self, name: str) -> dict[str, Any]:
        """Return the options of `build` that shape the convolutions of the network `name`."""
        options = self._activation(name)
        if MODELS[name].family not in ("vgg", "googlenet", "resnet"):
            return options
        for layer in self.network.layers:
            if isinstance(layer, ResidualBlock | BottleneckBlock):
                return options | {
                    "normalization": _normalization(layer),
                    "skip": layer.skip,
                    "preactivation": layer.preactivation,
                    "shortcut": layer.shortcut,
                }
            if isinstance(layer, ConvUnit2D) and layer.name.startswith("conv"):
                options.setdefault("normalization", _normalization(layer))
        return options

    def _activation(self, name: str) -> dict[str, Any]:
        """Return the activation of the convolutions, unless it is ReLU."""
        if name == "lenet5_original":
            return {}
        units = (ConvUnit2D, InceptionBlock, ResidualBlock, BottleneckBlock)
        found = (layer.activation for layer in self.network.layers if isinstance(layer, units))
        usual = (keras.activations.relu, keras.activations.linear)
        other = next((activation for activation in found if activation not in usual), None)
        return {} if other is None else {"activation": other}


def _normalization(layer: Any) -> str | None:
    return "batch" if layer.normalization_config else None


def load_backbone(weights: str, name: str) -> Backbone:
    """Return the trained network that `--weights` names.

    Args:
        weights: "imagenet", the folder of a run, or a .keras file.
        name: the network to build; chooses the file of ImageNet's weights.

    Raises:
        UserError: there is no such file, or it cannot be read.
    """
    if weights == IMAGENET:
        network = from_keras_applications(name, keras_application(name, weight_file(name)))
        return Backbone(network, MEAN, STD, IMAGENET)
    file = find_source(weights).file
    try:
        return _backbone_in(load(file), weights)
    except UserError as error:
        raise UserError(f"--weights {weights}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"--weights {weights}: no network on images in {file}: {reason}") from None


def _backbone_in(serving_model: keras.Model, source: str) -> Backbone:
    """Return the network on images in the model of a run of any task."""
    parts: list[Any] = [layer for _, layer in walk(serving_model)]
    encoder = next((part for part in parts if part.name == "picture"), None)
    if encoder is None:
        network, scale = serving_model.get_layer("core"), serving_model.get_layer("scale")
    else:
        network = next(layer for layer in encoder.layers if layer.name in MODELS)
        scale = encoder.get_layer("scale")
    channels = np.ones(network.input_shape[-1])
    std = channels / (255 * np.asarray(scale.scale))
    return Backbone(network, -np.asarray(scale.offset) * std, std, source)


# Copying to a new network


def copy_weights(network: keras.Model, backbone: Backbone) -> list[keras.Layer]:
    """Copy trained weights to a network of the same kind, layer by layer; return these layers.

    Channels of the input that the trained network does not have, those of motion, get weights of
    zero: the features are at first those of the image alone.

    Raises:
        UserError: a layer of the backbone does not fit; the message names the first one.
    """
    trained, copied = _by_name(backbone.network), []
    heads = {tensor._keras_history.operation.name for tensor in keras.tree.flatten(network.output)}
    convolutions = _backbone_names(network)
    heads -= convolutions  # of an encoder, whose output is the last convolution's
    for layer in network.layers:
        if not layer.weights or layer.name in heads:
            continue
        is_required = not convolutions or layer.name in convolutions
        values = _fitting_values(layer, trained.get(layer.name), is_first=not copied)
        if values is not None:
            layer.set_weights(values)
            copied.append(layer)
        elif is_required:
            raise UserError(_misfit(layer, trained.get(layer.name), backbone.source))
    new = [layer.name for layer in network.layers if layer.weights and layer not in copied]
    note(
        f"weights: {len(copied)} layers begin with those of {backbone.source}"
        + (f"; {', '.join(new)} anew" if new else "")
    )
    return copied


def _by_name(network: keras.Model) -> dict[str, Any]:
    return {layer.name: layer for layer in network.layers}


def _backbone_names(network: keras.Model) -> set[str]:
    """Return the layers with weights up to the last convolution; none in a network without any."""
    ends = [*endpoints(network)]
    names = [layer.name for layer in network.layers if len(getattr(layer.output, "shape", ())) == 4]
    return {*names[: names.index(ends[-1]) + 1]} if ends else set()


def _fitting_values(layer: Any, trained: Any, is_first: bool) -> list[np.ndarray] | None:
    """Return the trained weights for a layer; None if they do not fit."""
    if type(trained) is not type(layer):
        return None
    values = [np.asarray(value) for value in trained.get_weights()]
    shapes = [tuple(weight.shape) for weight in layer.weights]
    if is_first and len(values) == len(shapes) and isinstance(layer, ConvUnit2D):
        more = shapes[0][2] - values[0].shape[2]
        if more > 0:
            values[0] = np.pad(values[0], [(0, 0), (0, 0), (0, more), (0, 0)])
    return values if [value.shape for value in values] == shapes else None


def _misfit(layer: Any, trained: Any, source: str) -> str:
    start = f"--weights {source}: layer {layer.name} does not fit"
    if trained is None:
        return f"{start}: the trained network has none of that name"
    if type(trained) is not type(layer):
        return f"{start}: it is a {type(trained).__name__} there, a {type(layer).__name__} here"
    theirs, ours = (
        [(w.path.split("/")[-1], tuple(w.shape)) for w in layer_.weights]
        for layer_ in (trained, layer)
    )
    for (name, shape), (_, here) in zip(theirs, ours, strict=False):
        if shape != here:
            sizes = f"its {name} is {_size(shape)} there, {_size(here)} here"
            return f"{start}: {sizes}; are --width and --image-size those of the trained network?"
    return f"{start}: it has {len(theirs)} weights there, {len(ours)} here"


def _size(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "a number"


def freeze(layers: Sequence[keras.Layer]) -> None:
    """Keep layers as they are while the network trains; their batch normalisation runs as in use.

    With `trainable` false, `keras.layers.BatchNormalization` uses its moving mean and variance.
    """
    for layer in layers:
        layer.trainable = False


# Images with other channels than those of the trained network


def match_channels(images: Any, channels: int, groups: int = 1) -> Any:
    """[B, H, W, G·C] → [B, H, W, G·channels]: grey as RGB, RGB as grey.

    Args:
        images: the pixels of G images, one after the other.
        channels: of each image afterwards.
        groups: G.

    Raises:
        UserError: C is neither 1, 3 nor `channels`.
    """
    own = images.shape[-1] // groups
    if own == channels:
        return images
    if own == 1:
        return keras.ops.repeat(images, channels, axis=-1)
    if own == 3 and channels == 1:
        return sum(weight * images[..., place::3] for place, weight in enumerate(LUMA))
    raise UserError(f"--weights: the network takes images of {channels} channels, not of {own}")
