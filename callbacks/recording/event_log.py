"""Event files for TensorBoard: rows in blocks, images and scalars."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.image.metadata import create_summary_metadata as image_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util.tensor_util import make_tensor_proto

from ...layers.rnn.statistics import VERSION
from .blocks import BlockWriter, tag
from .memory import Thinning
from .rows import Rows

LIMIT = 16 * 2**20  # bytes of rows, after which only every second one is written


class EventLog:
    """An event file in a folder of its own, opened when there is something to write.

    It needs its own folder, because TensorBoard follows only the newest file of a folder: Keras'
    own curves in `train` and `validation` would stop being updated. An `EventLog` can be
    deep-copied until it is opened.
    """

    def __init__(self, folder: Path, every: int):
        self._folder = folder
        self._thinning = Thinning(every, LIMIT)
        self._blocks: dict[str, BlockWriter] = {}
        self._step = 0
        self._writer: Any = None

    def write(
        self,
        kind: str,
        new: Mapping[str, Rows],
        about: Mapping[str, Any],
        scalars: Mapping[str, float],
        step: int,
    ) -> None:
        """Add rows of each name, and write scalars.

        Args:
            kind: see `blocks`.
            new: the rows, by name.
            about: the metadata of the rows besides version, kind, name and statistics.
            scalars: by tag; values that are not finite are left out.
            step: the training step or epoch of the scalars.
        """
        self._step = step
        size = 0
        for name, rows in new.items():
            chosen = rows.every(self._thinning.stride)
            self._blocks_of(kind, name, rows, about).add(chosen)
            size += chosen.nbytes
        self._thinning.add(size)
        summary = self._summary(BlockWriter.is_full)
        for name, value in scalars.items():
            if np.isfinite(value):
                summary.value.extend(scalar_pb(name, value).value)
        self._put(summary)

    def _blocks_of(self, kind, name, rows, about):
        if name not in self._blocks:
            content = {
                "version": VERSION,
                "kind": kind,
                "name": name,
                "statistics": list(rows.statistics),
                **about,
            }
            self._blocks[name] = BlockWriter(tag(kind, "rows", name), content)
        return self._blocks[name]

    def image(self, name: str, image: np.ndarray, description: str) -> None:
        """Write an image [height, width, 3] uint8, at the step of the last `write`."""
        height, width, _ = image.shape
        png = io.BytesIO()
        # Takes half the time of tf.summary.image, for a file that is a sixth larger.
        Image.fromarray(image).save(png, "png", compress_level=1)
        parts = [str(width).encode(), str(height).encode(), png.getvalue()]
        summary = summary_pb2.Summary()
        summary.value.add(
            tag=name,
            tensor=make_tensor_proto(parts),
            metadata=image_metadata(display_name=None, description=description),
        )
        self._put(summary)

    def flush(self) -> None:
        """Write added rows to the file: all of them while a run is young, later whole blocks."""
        self._put(self._summary(BlockWriter.is_young))
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Write everything that was added. Writing afterwards opens a new file."""
        self._put(self._summary(lambda blocks: True))
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _summary(self, is_due):
        summary = summary_pb2.Summary()
        for blocks in self._blocks.values():
            if is_due(blocks):
                blocks.move_to(summary)
        return summary

    def _put(self, summary):
        if not summary.value:
            return
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self._folder))
        with self._writer.as_default():  # one operation for all: each has a high fixed cost
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), self._step)
