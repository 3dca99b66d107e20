"""What stands around a network on images so that it takes pixels and answers in words."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .serving import answers


def resizing(height: int, width: int) -> keras.layers.Layer:
    """Brings an image of any size to this one: scaled, and cut where it is too long."""
    return keras.layers.Resizing(
        height, width, crop_to_aspect_ratio=True, antialias=True, dtype="float32", name="size"
    )


def package(
    core: keras.Model, labels: Sequence[str], mean: np.ndarray, std: np.ndarray
) -> keras.Model:
    """Pixels 0 … 255 [B, H, W, C] of any size → {"probabilities": [B, K], "label": [B] strings}.

    Around `core`, which takes (pixels / 255 − mean) / std of its own size; mean and std: [C].
    """
    height, width, channels = core.input_shape[1:]
    pixels = keras.Input([None, None, channels], name="pixels")
    # Its `training` is True by default, and what it is would hold for all layers after it.
    x = resizing(height, width)(pixels, training=False)
    scale, offset = (1 / (255 * std)).tolist(), (-mean / std).tolist()
    x = keras.layers.Rescaling(scale, offset, dtype="float32", name="scale")(x)
    return keras.Model(pixels, answers(core(x), labels), name="package")


def probabilities(package: keras.Model, batches: Iterable[Any]) -> np.ndarray:
    """What a packaged model says of batches of images (images [B, H, W, C], …), [N, K]."""
    ask = tf.function(lambda x: package(x)["probabilities"], reduce_retracing=True)
    return np.concatenate([ask(tf.cast(images, tf.float32)).numpy() for images, *_ in batches])


def network_inputs(package: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """What the network in a package gets for these pixels [B, H, W, C]."""
    scaled = package.get_layer("scale").output
    return keras.Model(package.input, scaled)(pixels).numpy()
