"""What stands around a network on images so that it takes pixels and answers in words."""

from collections.abc import Sequence

import keras
import numpy as np

from .packages import answers


def package(
    core: keras.Model, labels: Sequence[str], mean: Sequence[float], std: Sequence[float]
) -> keras.Model:
    """Pixels 0 … 255 [B, H, W, C] of any size → {"probabilities": [B, K], "label": [B] strings}.

    Around `core`, which takes (pixels / 255 − mean) / std of its own size.
    """
    height, width, channels = core.input_shape[1:]
    middle, spread = np.asarray(mean, "float64"), np.asarray(std, "float64")
    pixels = keras.Input([None, None, channels], name="pixels")
    x = keras.layers.Resizing(height, width, antialias=True, name="size")(pixels)
    scale, offset = (1 / (255 * spread)).tolist(), (-middle / spread).tolist()
    probabilities = core(keras.layers.Rescaling(scale, offset, name="scale")(x))
    return keras.Model(pixels, answers(probabilities, labels), name="package")


def probabilities(package: keras.Model, images: Sequence[np.ndarray]) -> np.ndarray:
    """What a packaged model says of images [H, W, C] of any size each, [N, K]."""
    rows = [package(image[None].astype("float32"))["probabilities"] for image in images]
    return np.concatenate(rows)
