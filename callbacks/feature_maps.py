"""The output of a convolutional layer for one image, after each epoch."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

MAX_CHANNELS = 64  # drawn
SIDE = 96  # pixels of a feature map's longer side, about


class FeatureMaps(keras.callbacks.Callback):
    """Writes the feature maps of a layer, side by side, as an image for TensorBoard.

    It writes after each epoch. All maps share one grey scale: black is the smallest value in any of
    them, white the largest.

    Args:
        image: [H, W, C], as the model takes it.
        log_dir: event files are written to `log_dir`/feature_maps.
        layer: name of a layer of the model with an output [B, H, W, C]; None: the first layer with
            weights.

    Raises:
        ValueError: when training begins, if the model has no such layer.
    """

    def __init__(self, image: np.ndarray, log_dir: str | Path, layer: str | None = None):
        super().__init__()
        self.image, self.layer = np.asarray(image), layer
        self.folder = Path(log_dir) / "feature_maps"
        self._writer: Any = None
        self._features: Any = None  # a model from the image to the layer's output

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        layer = self._find_layer()
        self._features = keras.Model(self.model.inputs, layer.output)
        self._description = (
            f"Feature maps of {layer.name}: one square per channel, one grey scale for all."
        )
        self._writer = tf.summary.create_file_writer(str(self.folder))

    def _find_layer(self) -> keras.Layer:
        for layer in self.model.layers:
            if layer.name == (self.layer or layer.name) and layer.weights:
                if len(layer.output.shape) == 4:
                    return layer
                break
        name = f"layer {self.layer!r}" if self.layer else "the first layer with weights"
        raise ValueError(f"FeatureMaps: {name} has no output [B, H, W, C]")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        maps = np.asarray(self._features([self.image[None]], training=False), "float32")[0]
        image = mosaic(maps)[None, :, :, None]
        with self._writer.as_default(step=epoch + 1):
            tf.summary.image("feature_maps", image, description=self._description)
        self._writer.flush()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._writer.close()
        self._writer = self._features = None  # neither can be copied


def mosaic(maps: np.ndarray) -> np.ndarray:
    """Return one grey image [height, width] uint8 of at most 64 feature maps [H, W, C].

    The maps form a square, with white lines between them.
    """
    maps = maps[..., :MAX_CHANNELS]
    low, high = maps.min(), maps.max()
    grey = np.uint8(255 * (maps - low) / (high - low or 1))
    factor = max(1, round(SIDE / max(grey.shape[:2])))
    grey = grey.repeat(factor, axis=0).repeat(factor, axis=1)
    height, width, channels = grey.shape
    across = math.ceil(math.sqrt(channels))
    down = math.ceil(channels / across)
    image = np.full([down * (height + 1) - 1, across * (width + 1) - 1], 255, np.uint8)
    for channel in range(channels):
        top, left = (height + 1) * (channel // across), (width + 1) * (channel % across)
        image[top : top + height, left : left + width] = grey[..., channel]
    return image
