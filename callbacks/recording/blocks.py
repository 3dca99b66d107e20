"""Rows in blocks, as event files hold them. Importing this module imports no TensorFlow.

**Layout.** A summary with the plugin name "errorflow" and the tag `<kind>/rows/<name>`
holds a block of rows as one float32 tensor [N, 1 + S, W]:

    block[:, 0, 0]       the training step, or epoch, of each row (exact up to 2²⁴)
    block[:, 0, 1]       its length L
    block[:, 1 + s, :L]  statistic s, by the names in the metadata; NaN behind L

The metadata's content is JSON: {"version": 1, "kind": …, "name": …, "statistics": […], …}.

For the kind "error_flow" a row is what one recurrent layer met in one training step, L is the
number of its time steps, and S is the number of statistics, or twice that: then all of them come
once more with the last valid step of every example in column L-1 (if they do not, the two readings
are the same); "joined" names pairs of layers that share a time axis. For the kind "layer_gradients"
L is the number of layers, named in "layers"; "clip_norm" is what the whole gradient is clipped to.

For the kinds "gates", "horizon" and "error_matrix" a row is what was seen after an epoch, and L the
number of time steps; of an error matrix, each statistic is a loss step.

The k-th block of a tag is the longer the larger k is, so that TensorBoard, which keeps 100 tensors
of a tag, shows all of a long run. Who needs more than 64 blocks (by very many calls of `fit`) goes
on under `<tag>/2`, `<tag>/3`, …
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorboard.compat.proto import summary_pb2
from tensorboard.util.tensor_util import make_tensor_proto

from .rows import Rows, join

PLUGIN = "errorflow"
BLOCKS = 64  # of rows under one tag
EARLY = 24  # of these may be cut short, so that a young run can be looked at


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
