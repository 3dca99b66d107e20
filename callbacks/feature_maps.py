"""The output of a convolutional layer for one image, after each epoch."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from matplotlib.figure import Figure

from .drawing.notebook_figure import NothingRecorded
from .drawing.plain_figures import image_figure
from .findings.finding import Finding
from .recording.snapshot import SnapshotCallback

if TYPE_CHECKING:
    import pandas as pd

MAX_CHANNELS = 64  # drawn
SIDE = 96  # pixels of a feature map's longer side, about


class FeatureMaps(SnapshotCallback):
    """Writes the feature maps of a layer, side by side, as an image for TensorBoard.

    It writes after each epoch. All maps share one grey scale: black is the smallest value in any of
    them, white the largest.

    Args:
        image: [H, W, C], as the model takes it.
        log_dir: event files are written to `log_dir`/train; None: no files. The latest maps are
            kept for `plot` and `to_frame` in either case.
        layer: name of a layer of the model with an output [B, H, W, C]; None: the first layer with
            weights.

    Raises:
        ValueError: when training begins, if the model has no such layer.
    """

    takes_first = False

    def __init__(
        self, image: np.ndarray, log_dir: str | Path | None = None, layer: str | None = None
    ):
        super().__init__(self._measure, log_dir, "feature_maps")
        self.image, self.layer = np.asarray(image), layer

    def findings(self) -> list[Finding]:
        """Return how many feature maps were constant over the image in the last epoch."""
        return [_finding(name, maps, self._latest_epoch) for name, maps in self._latest]

    def plot(self) -> Figure:
        """Return the feature maps of the last epoch side by side, at most 64.

        Raises:
            ValueError: nothing was recorded.
        """
        if not self._latest:
            raise NothingRecorded
        ((_, maps),) = self._latest
        return image_figure(mosaic(maps))

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each value of the last epoch's feature maps, H · W · C rows.

        channel  int      from 1
        row      int      from 1, downwards
        column   int      from 1
        value    float32  the output of the layer
        """
        import pandas as pd  # noqa: PLC0415 — takes half a second

        columns = ["channel", "row", "column", "value"]
        if not self._latest:
            return pd.DataFrame(columns=columns)
        ((_, maps),) = self._latest
        values = np.moveaxis(maps, -1, 0)
        places = np.indices(values.shape).reshape(3, -1) + 1
        return pd.DataFrame(dict(zip(columns, [*places, values.ravel()], strict=True)))

    def _check(self) -> None:
        if self.model.built:
            self._find_layer()

    def _measure(self):
        """→ [(the layer's name, [H, W, C])]"""
        layer = self._find_layer()
        features = keras.Model(self.model.inputs, layer.output)
        maps = features([self.image[None]], training=False)
        return [(layer.name, np.asarray(maps, "float32")[0])]

    def _find_layer(self) -> keras.Layer:
        for layer in self.model.layers:
            if layer.name == (self.layer or layer.name) and layer.weights:
                if len(layer.output.shape) == 4:
                    return layer
                break
        name = f"layer {self.layer!r}" if self.layer else "the first layer with weights"
        raise ValueError(f"FeatureMaps: {name} has no output [B, H, W, C]")

    def _write(self, snapshot: Any, step: int) -> None:
        ((name, maps),) = snapshot
        description = f"Feature maps of {name}: one square per channel, one grey scale for all."
        self._log.step = step
        self._log.image("feature_maps", mosaic(maps), description)


def _finding(name: str, maps: np.ndarray, epoch: int) -> Finding:
    if not np.isfinite(maps).all():
        text = f"its feature maps are not all finite numbers (epoch {epoch:,})"
        return Finding(name, "not finite", "feature maps not finite", text, {"epoch": epoch})
    count, constant = maps.shape[-1], int((np.ptp(maps, axis=(0, 1)) == 0).sum())
    headline = f"{constant:,} of {count:,} feature maps constant"
    text = f"{constant:,} of {count:,} feature maps are constant over the image (epoch {epoch:,})"
    evidence = {"constant": constant, "channels": count, "epoch": epoch}
    return Finding(name, "measured", headline, text, evidence)


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
