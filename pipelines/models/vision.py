"""Networks that look at each picture by convolutions, and go through pictures by recurrence."""

from typing import Any

import keras

from ...layers.text.text_layers import EachStep
from ..core.config import UserError
from . import build, endpoints
from .heads import hidden
from .recurrent import Recurrent, probabilities, recurrent_layers
from .zoo import MODELS


def picture_encoder(
    name: str,
    shape: tuple[int, int, int],
    *,
    width: float,
    features: int | None = None,
    activation: str | None = "relu",
) -> keras.Model:
    """Pixels 0 … 255 [B, H, W, C] → [B, features], by the convolutions of a network of the zoo.

    Its last maps are flattened, not averaged: where a thing is must not be lost. Without `features`
    they remain as they are, [B, P, D]: the maxima of 2×2 places each, one after the other. Deep
    networks get batch normalisation, without which they learn nothing here.

    Args:
        name, width: as `models.build` takes them.
        features: of a dense layer; None: there is none.
        activation: of that layer; None: it is linear in the maps.

    Raises:
        UserError: the network takes no such pictures, or has no convolutions.
    """
    try:
        network = build(name, shape, 10, width=width, **_normalization(name))
    except ValueError as error:
        raise UserError(f"--cnn {name}: {error}") from None
    maps = [*endpoints(network).values()]
    if not maps:
        raise UserError(f"--cnn {name}: it has no convolution")
    pixels = keras.Input(shape, name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="scale")(pixels)
    x = keras.Model(network.input, maps[-1], name=name)(x)  # [B, h, w, c]
    if features is None:
        x = keras.layers.MaxPooling2D(2, padding="same", name="pool")(x)
        x = keras.layers.Reshape([-1, x.shape[-1]], name="places")(x)
    else:
        x = keras.layers.Flatten(name="flatten")(x)
        x = hidden(x, features, "features", activation=activation)
    return keras.Model(pixels, x, name="picture")


def _normalization(name: str) -> dict[str, str]:
    can = name in MODELS and MODELS[name].family in ("vgg", "googlenet", "resnet")
    return {"normalization": "batch"} if can else {}


def frames_to_labels(
    recurrent: Recurrent | None,
    picture: keras.Model,
    *,
    labels: int,
    frames: bool,
    motion: bool,
    units: int,
    dropout: float,
    **stack: Any,
) -> keras.Model:
    """Clips [B, F, H, W, C] → {"clip": probabilities [B, K], "frames": probabilities [B, F, K]}.

    Args:
        recurrent: a recurrent layer class; None: each frame by itself, and their mean.
        picture: what looks at a frame, pixels → features.
        motion: show it the change from the frame before too, as further C channels.
        labels: K.
        frames: whether there is an answer for each frame too, after what was seen up to it.
        dropout: share left out of the features and of what each recurrent layer puts out.
        units, **stack: as `recurrent_layers` takes them.
    """
    height, width, channels = picture.input_shape[1:]
    clips = keras.Input([None, height, width, channels // (1 + motion)], name="clips")
    x = beside_their_changes(clips) if motion else clips
    x = EachStep(picture, name="each_frame")(x)  # [B, F, D]
    x = keras.layers.Dropout(dropout, name="features_dropout")(x)
    if recurrent is None:
        x = hidden(x, units, "hidden")
        last = keras.layers.GlobalAveragePooling1D(name="mean")(x)
    else:
        x = recurrent_layers(
            x, recurrent, units=units, dropout=dropout, every_step=True, **stack
        )  # [B, F, H]
        last = x[:, -1]
    outputs = {"clip": probabilities(last, labels, "clip")}
    if frames:
        outputs["frames"] = probabilities(x, labels, "frames")
    return keras.Model(clips, outputs, name="core")


def beside_their_changes(x: Any) -> Any:
    """[B, F, …, C] → [B, F, …, 2C]: each picture, or what is seen there, and what it adds to the
    one before.

    The first one has not changed.
    """
    before = keras.ops.concatenate([x[:, :1], x[:, :-1]], axis=1)
    return keras.ops.concatenate([x, x - before], axis=-1)
