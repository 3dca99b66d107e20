"""Event files for TensorBoard: rows in blocks, pictures, a few scalars."""

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

from .blocks import Blocks, tag
from .rows import Rows, Thinning

LIMIT = 16 * 2**20  # bytes of rows after which only every second one is written


class EventLog:
    """An event file in a folder of its own, opened when there is something to write.

    A folder of its own, since TensorBoard follows only the newest file of a folder: Keras' own
    curves in `train` and `validation` would stand still. Can be deep-copied until it is opened.
    """

    def __init__(self, folder: Path, every: int):
        self._folder = folder
        self._thinning = Thinning(every, LIMIT)
        self._blocks: dict[str, Blocks] = {}
        self._step = 0
        self._writer: Any = None

    def _open(self):
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self._folder))
        return self._writer.as_default()

    def write(
        self,
        kind: str,
        new: Mapping[str, Rows],
        contents: Mapping[str, Mapping[str, Any]],
        scalars: Mapping[str, float],
        step: int,
    ) -> None:
        """Takes rows of each name, and scalars, of which those that are no finite number are left.

        contents: what the metadata of each name say besides kind and name.
        """
        self._step = step
        size = 0
        for name, rows in new.items():
            if name not in self._blocks:
                content = {"kind": kind, "name": name, **contents[name]}
                self._blocks[name] = Blocks(tag(kind, "rows", name), content)
            chosen = rows.every(self._thinning.stride)
            self._blocks[name].add(chosen)
            size += chosen.nbytes
        self._thinning.has_doubled(size)
        summary = self._summary(Blocks.is_full)
        for name, value in scalars.items():
            if np.isfinite(value):
                summary.value.extend(scalar_pb(name, value).value)
        self._put(summary)

    def _summary(self, chosen):
        summary = summary_pb2.Summary()
        for blocks in self._blocks.values():
            if chosen(blocks):
                blocks.move_to(summary)
        return summary

    def _put(self, summary):
        if summary.value:
            with self._open():  # one operation: each takes longer than what it does
                tf.summary.experimental.write_raw_pb(summary.SerializeToString(), self._step)

    def image(self, name: str, picture: np.ndarray, description: str) -> None:
        """picture: [height, width, 3] uint8, as of the last step that was written."""
        height, width, _ = picture.shape
        png = io.BytesIO()
        # Half the time of tf.summary.image, for a file larger by a sixth.
        Image.fromarray(picture).save(png, "png", compress_level=1)
        parts = [str(width).encode(), str(height).encode(), png.getvalue()]
        summary = summary_pb2.Summary()
        summary.value.add(
            tag=name,
            tensor=make_tensor_proto(parts),
            metadata=image_metadata(display_name=None, description=description),
        )
        self._put(summary)

    def flush(self) -> None:
        """What waits becomes visible, as long as a run is young; later, whole blocks only."""
        self._put(self._summary(Blocks.is_young))
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Writes all that waits; a later call of anything opens a new file."""
        self._put(self._summary(lambda blocks: True))
        if self._writer is not None:
            self._writer.close()
            self._writer = None
