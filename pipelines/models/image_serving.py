"""Serving models on images: pixels in, labels out."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..datasets.images.resizing import resizing_layer
from .serving import label_outputs, make_serving_model, traced


def build_serving_model(
    core: keras.Model,
    labels: Sequence[str],
    mean: np.ndarray,
    std: np.ndarray,
    name: str = "serving_model",
) -> keras.Model:
    """Pixels 0 … 255 [B, H, W, C] of any size → {"probabilities": [B, K], "label": [B] strings}.

    Args:
        core: the trained network; takes (pixels / 255 − mean) / std, images of its own size.
        labels: K names.
        mean: mean of each channel, [C].
        std: standard deviation of each channel, [C].
        name: name of the network; as that of the serving model it is the one place in the file
            where `--weights` can read it.
    """
    height, width, channels = core.input_shape[1:]
    pixels = keras.Input([None, None, channels], name="pixels")
    scale, offset = (1 / (255 * std)).tolist(), (-mean / std).tolist()

    def answer(pixels: Any) -> dict[str, Any]:
        # `training` of Resizing is True by default and would be passed on to all layers after it.
        x = resizing_layer(height, width)(pixels, training=False)
        x = keras.layers.Rescaling(scale, offset, dtype="float32", name="scale")(x)
        return label_outputs(core(x), labels)

    return make_serving_model(pixels, answer, name)


def predict_probabilities(serving_model: keras.Model, batches: Iterable[Any]) -> np.ndarray:
    """Return the probabilities [N, K] for batches (images [B, H, W, C], …)."""
    predict, floats = traced(serving_model), (tf.cast(x, tf.float32) for x, *_ in batches)
    return np.concatenate([predict(images)["probabilities"].numpy() for images in floats])


def resized(serving_model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """Return pixels [B, H, W, C] in the size of the network inside a serving model."""
    return keras.Model(serving_model.input, serving_model.get_layer("size").output)(pixels).numpy()


def network_inputs(serving_model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """Return the inputs of the network inside a serving model for pixels [B, H, W, C]."""
    scaled = serving_model.get_layer("scale").output
    return keras.Model(serving_model.input, scaled)(pixels).numpy()
