"""What a convolution makes of one image, as it learns."""

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

MOST = 64  # channels shown
SIDE = 96  # pixels of a map, about


class FeatureMaps(keras.callbacks.Callback):
    """Writes a picture for TensorBoard after each epoch: the maps of a layer, side by side.

    All maps share one grey scale: black is the least value of all, white the largest.

    Args:
        image: [H, W, C], as the model takes it.
        log_dir: event files go to `log_dir`/feature_maps.
        layer: name of a layer of the model with an output [B, H, W, C]; by default the first one
            with weights.

    Raises:
        ValueError: when training begins, and the model has no such layer.
    """

    def __init__(self, image: np.ndarray, log_dir: str | Path, layer: str | None = None):
        super().__init__()
        self.image, self.layer = np.asarray(image), layer
        self.folder = Path(log_dir) / "feature_maps"
        self._writer: Any = None
        self._eye: Any = None

    def on_train_begin(self, logs=None):
        found = self._find()
        self._eye = keras.Model(self.model.inputs, found.output)
        self._about = f"Maps of {found.name}: one square per channel, one grey scale for all."
        self._writer = tf.summary.create_file_writer(str(self.folder))

    def _find(self) -> keras.Layer:
        for layer in self.model.layers:
            if layer.name == (self.layer or layer.name) and layer.weights:
                if len(layer.output.shape) == 4:
                    return layer
                break
        raise ValueError(f"FeatureMaps: {self.layer or 'the first layer'} gives no [B, H, W, C]")

    def on_epoch_end(self, epoch, logs=None):
        maps = np.asarray(self._eye([self.image[None]], training=False), "float32")[0]
        with self._writer.as_default(step=epoch + 1):
            tf.summary.image(
                "feature_maps", mosaic(maps)[None, :, :, None], description=self._about
            )
        self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()
        self._writer = self._eye = None  # neither can be copied


def mosaic(maps: np.ndarray) -> np.ndarray:
    """[H, W, C] → one grey picture uint8: at most 64 maps in a square, white lines between."""
    maps = maps[..., :MOST]
    low, high = maps.min(), maps.max()
    grey = np.uint8(255 * (maps - low) / (high - low or 1))
    times = max(1, round(SIDE / max(grey.shape[:2])))
    grey = grey.repeat(times, axis=0).repeat(times, axis=1)
    height, width, channels = grey.shape
    across = math.ceil(math.sqrt(channels))
    down = math.ceil(channels / across)
    picture = np.full([down * (height + 1) - 1, across * (width + 1) - 1], 255, np.uint8)
    for channel in range(channels):
        top, left = (height + 1) * (channel // across), (width + 1) * (channel % across)
        picture[top : top + height, left : left + width] = grey[..., channel]
    return picture
