"""Convolutional encoders of single images, and recurrent networks on sequences of images."""

from typing import Any

import keras
import numpy as np

from ...layers.text.each_step import EachStep
from ..core.errors import UserError
from .builder import build, endpoints
from .heads import hidden_layer
from .pretrained import Backbone, copy_weights, freeze, load_backbone, match_channels
from .recurrent import Recurrent, class_probabilities, recurrent_layers
from .weight_source import NO_MOTION
from .zoo import MODELS

IMAGE_NETWORK = "picture"  # the name of the model inside the networks of sequences of images


def image_encoder(
    name: str,
    shape: tuple[int, int, int],
    *,
    width: float,
    features: int | None = None,
    activation: str | None = "relu",
    weights: str | None = None,
    frozen: bool = False,
    motion: bool = False,
) -> keras.Model:
    """Pixels 0 … 255 [B, H, W, C] → features, by the convolutions of a network of the zoo.

    With `features`, the last feature maps are flattened for a dense layer: [B, features]. They are
    not averaged, since the position of a thing matters. Without `features`, they are max-pooled by
    2×2 and returned as P places: [B, P, D]. Deep networks get batch normalisation, without which
    they learn nothing here.

    Args:
        name: name of the network, a key of `zoo.MODELS`.
        shape: (H, W, C).
        width: multiplies the number of channels.
        features: size of the dense layer; None: no dense layer.
        activation: of the dense layer; None: linear.
        weights: trained weights of the convolutions, as `pretrained.load_backbone` takes them; the
            pixels are then scaled as they were in that training.
        frozen: keep these weights as they are.
        motion: half of the channels are the difference to the image before.

    Raises:
        UserError: the network does not take images of this shape, or has no convolutions; or the
            weights are not those of this network.
    """
    pixels = keras.Input(shape, name="pixels")
    if weights is None:
        x: Any = keras.layers.Rescaling(1 / 255, name="scale")(pixels)
        x = _convolutions(name, shape, {"width": width, **_normalization(name)})(x)
    else:
        x = _pretrained(pixels, load_backbone(weights, name), name, width, frozen, motion)
    if features is None:
        x = keras.layers.MaxPooling2D(2, padding="same", name="pool")(x)
        x = keras.layers.Reshape([-1, x.shape[-1]], name="places")(x)  # [B, P, D]
    else:
        x = keras.layers.Flatten(name="flatten")(x)
        x = hidden_layer(x, features, "features", activation=activation)
    return keras.Model(pixels, x, name=IMAGE_NETWORK)


def _convolutions(name: str, shape: tuple[int, ...], options: dict[str, Any]) -> keras.Model:
    """Scaled pixels [B, H, W, C] → the last feature maps [B, h, w, D]."""
    try:
        network = build(name, (shape[0], shape[1], shape[2]), 10, **options)
    except ValueError as error:
        raise UserError(f"--cnn {name}: {error}") from None
    feature_maps = [*endpoints(network).values()]
    if not feature_maps:
        raise UserError(f"--cnn {name}: this network has no convolutions")
    return keras.Model(network.input, feature_maps[-1], name=name)


def _pretrained(
    pixels: Any, backbone: Backbone, name: str, width: float, frozen: bool, motion: bool
) -> Any:
    """Pixels [B, H, W, C] → the last feature maps, with trained weights.

    The first kernel has weights of zero for the channels of motion, unless it was trained with
    motion.
    """
    groups, own = 1 + motion, backbone.channels
    knows_motion = own % 2 == 0
    if knows_motion and not motion:
        raise UserError(f"--weights {backbone.source}: that network was trained with motion")
    if motion and frozen and not knows_motion:
        raise UserError(NO_MOTION)
    channels = own // groups if knows_motion else own
    scale, offset = 1 / (255 * backbone.std[:channels]), -(backbone.mean / backbone.std)[:channels]
    x = match_channels(pixels, channels, groups)
    x = keras.layers.Rescaling(
        np.tile(scale, groups).tolist(),
        [*offset, *np.zeros(channels * motion)],  # differences have no mean to subtract
        name="scale",
    )(x)
    network = _convolutions(name, x.shape[1:], {"width": width, **backbone.options(name)})
    copied = copy_weights(network, backbone)
    if frozen:
        freeze(copied)
    return network(x)


def _normalization(name: str) -> dict[str, str]:
    supported = name in MODELS and MODELS[name].family in ("vgg", "googlenet", "resnet")
    return {"normalization": "batch"} if supported else {}


def frames_to_labels(
    recurrent: Recurrent | None,
    image_encoder: keras.Model,
    *,
    labels: int,
    frames: bool,
    motion: bool,
    units: int,
    dropout: float,
    **stack_options: Any,
) -> keras.Model:
    """Clips [B, F, H, W, C] → {"clip": probabilities [B, K], "frames": probabilities [B, F, K]}.

    Args:
        recurrent: a recurrent layer class; None: no recurrence, the clip's label comes from the
            mean over all frames.
        image_encoder: pixels of one frame → features [B, D].
        labels: K.
        frames: also predict a label for each frame, from the frames up to it.
        motion: add each frame's difference to the previous one to its input, as C more channels.
        units: size of each recurrent layer, or of the dense layer without recurrence.
        dropout: rate after the features and after each recurrent layer.
        **stack_options: see `recurrent_layers`.
    """
    height, width, channels = image_encoder.input_shape[1:]
    clips = keras.Input([None, height, width, channels // (1 + motion)], name="clips")
    x = with_differences(clips) if motion else clips
    x = EachStep(image_encoder, name="each_frame")(x)  # [B, F, D]
    x = keras.layers.Dropout(dropout, name="features_dropout")(x)
    if recurrent is None:
        x = hidden_layer(x, units, "hidden")
        summary = keras.layers.GlobalAveragePooling1D(name="mean")(x)  # [B, H]
    else:
        x = recurrent_layers(
            x, recurrent, units=units, dropout=dropout, every_step=True, **stack_options
        )  # [B, F, H]
        summary = x[:, -1]
    outputs = {"clip": class_probabilities(summary, labels, "clip")}
    if frames:
        outputs["frames"] = class_probabilities(x, labels, "frames")
    return keras.Model(clips, outputs, name="core")


def with_differences(x: Any) -> Any:
    """[B, F, …, C] → [B, F, …, 2C]: each step, and its difference to the step before.

    The difference of the first step is 0.
    """
    before = keras.ops.concatenate([x[:, :1], x[:, :-1]], axis=1)
    return keras.ops.concatenate([x, x - before], axis=-1)
