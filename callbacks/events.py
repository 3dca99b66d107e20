"""Event files for TensorBoard: rows in blocks, pictures, a few scalars.

**Layout of the rows.** A summary with the plugin name "errorflow" and the tag `<kind>/rows/<name>`
holds a block of rows as one float32 tensor [N, 1 + S, W]:

    block[:, 0, 0]       the training step of each row (exact up to 2²⁴)
    block[:, 0, 1]       its length L
    block[:, 1 + s, :L]  statistic s, by the names in the metadata; NaN behind L

The metadata's content is JSON: {"version": 1, "kind": …, "name": …, "statistics": […], …}.

For the kind "error_flow" a row is what one recurrent layer met in one training step, L is the
number of its time steps, and S is the number of statistics, or twice that: then all of them come
once more with the last valid step of every example in column L-1 (if they do not, the two readings
are the same). For the kind "layer_gradients" L is the number of layers, named in "layers".

The k-th block of a tag is the longer the larger k is, so that TensorBoard, which keeps 100 tensors
of a tag, shows all of a long run. Who needs more than 64 blocks (by very many calls of `fit`) goes
on under `<tag>/2`, `<tag>/3`, …
"""

import io
import json
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

from .rows import Rows, Thinning, join

PLUGIN = "errorflow"
BLOCKS = 64  # of rows under one tag
EARLY = 24  # of these may be cut short, so that a young run can be looked at
LIMIT = 16 * 2**20  # bytes of rows after which only every second one is written


def block_length(index: int) -> int:
    """Rows in the index-th block of a tag: 64 of them hold four million."""
    return 16 * 2 ** (index // 4)


def pack(rows: Rows) -> np.ndarray:
    """Rows as one block, [N, 1 + S, W]."""
    statistics, count, width = rows.values.shape
    block = np.full([count, 1 + statistics, max(width, 2)], np.nan, np.float32)
    block[:, 0, 0], block[:, 0, 1] = rows.steps, rows.lengths
    block[:, 1:, :width] = rows.values.swapaxes(0, 1)
    return block


def unpack(block: np.ndarray) -> Rows:
    """The rows of a block."""
    lengths = block[:, 0, 1].astype(np.int64)
    values = block[:, 1:, : lengths.max(initial=0)].swapaxes(0, 1)
    return Rows(block[:, 0, 0].astype(np.int64), lengths, values)


def tag(kind: str, what: str, name: str) -> str:
    """error_flow/half_life/lstm; without a name, layer_gradients/global_norm."""
    return "/".join(filter(None, (kind, what, name)))


class Blocks:
    """The rows under one name that wait to become a block."""

    def __init__(self, tag: str, content: Mapping[str, Any]):
        self._tag = tag
        self._metadata = summary_pb2.SummaryMetadata(
            plugin_data={
                "plugin_name": PLUGIN,
                "content": json.dumps({"version": 1, **content}).encode(),
            },
            data_class=summary_pb2.DATA_CLASS_TENSOR,
        )
        self._waiting: list[Rows] = []
        self._written = 0

    def add(self, rows: Rows) -> None:
        self._waiting.append(rows)

    def is_full(self) -> bool:
        return sum(len(r.steps) for r in self._waiting) >= block_length(self._written % BLOCKS)

    def is_young(self) -> bool:
        return self._written < EARLY

    def move_to(self, summary) -> None:
        """Add what waits to a summary, as a block."""
        rows = join(self._waiting) if self._waiting else None
        self._waiting = []
        if rows is None or not len(rows.steps):
            return
        part = 1 + self._written // BLOCKS
        summary.value.add(
            tag=self._tag if part == 1 else f"{self._tag}/{part}",
            tensor=make_tensor_proto(pack(rows)),
            metadata=self._metadata,
        )
        self._written += 1


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
