"""The format in which event files hold rows. Importing this module imports no TensorFlow.

A summary with the plugin name "errorflow" and the tag `<kind>/rows/<name>` holds a block of rows as
one float32 tensor [N, 1 + S, W]:

    block[:, 0, 0]       the training step, or epoch, of each row (exact up to 2²⁴)
    block[:, 0, 1]       its length L
    block[:, 0, 2]       1 if dynamic loss scaling skipped the training step
    block[:, 1 + s, :L]  statistic s; NaN beyond L

The content of the summary's metadata is JSON:

    version      of the table of statistics, `errorflow.layers.rnn.statistics.VERSION`; the files of
                 versions 1 and 2 hold the first six of them, and no mark of skipped training steps
    kind, name   as in the tag
    statistics   S names, in the order of the tensor
    …            depending on the kind

"error_flow"       One row per training step of one recurrent layer; L is the number of time steps.
                   The tensor may hold 2 · S tables: all statistics, then the same with the last
                   valid step of every example in column L-1. If it holds S, the two are equal.
                   "joined": pairs of layers that share a time axis, by name. "backwards": the
                   layers that read their input from its last step on. "truncate": k of the layers
                   that cut their error every k steps, by path; not in files without such layers.
"error_probe"      The same for the error of one prediction, see `findings.probe`; the statistics
                   "cost" and "compiling" are the same in all columns. "prediction": which one.
                   "examples": the number of examples.
"layer_gradients"  One row per training step; L is the number of layers, named in "layers".
                   "clip_norm": the limit of the global gradient norm. "every": training steps
                   between two rows that were measured. "relu": whether the network has a ReLU.
                   Of this kind, "error_flow" and "depth_flow", "steps_per_epoch": training steps of
                   an epoch, or null if they are unknown when training begins; older files do not
                   have it.
"depth_flow"       One row per training step, of the names "layers" and "paths"; L is the number of
                   layers, or of paths. Both name them in "layers" and "paths"; "adds_to" and
                   "outputs": see `DepthFlow.history`. "every": training steps between two rows.
                   Rows that have more columns than there are names hold layers or paths that came
                   later.
"gates", "horizon" One row per epoch of one recurrent layer; L is the number of time steps.
"error_matrix"     The same; each statistic is a loss step.
"lyapunov"         One row per epoch of one recurrent layer; L is the number of exponents.

A block is written when it is full, and after each epoch. Blocks get longer with their index k under
one tag. After 64 blocks rows continue under `<tag>/2`, `<tag>/3`, …, because TensorBoard keeps 100
tensors of a tag.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto import summary_pb2
from tensorboard.util.tensor_util import make_tensor_proto

from .rows import Rows, join

PLUGIN = "errorflow"
MAX_BLOCKS = 64  # under one tag


def block_length(index: int) -> int:
    """Return the number of rows in the index-th block of a tag: 64 blocks hold four million."""
    return 16 * 2 ** (index // 4)


def pack(rows: Rows) -> np.ndarray:
    """Return rows as one block, [N, 1 + S, W]."""
    statistics, count, width = rows.values.shape
    block = np.full([count, 1 + statistics, max(width, 3)], np.nan, np.float32)
    block[:, 0, 0], block[:, 0, 1], block[:, 0, 2] = rows.steps, rows.lengths, rows.were_skipped
    block[:, 1:, :width] = rows.values.swapaxes(0, 1)
    return block


def unpack(block: np.ndarray, statistics: Sequence[str]) -> Rows:
    """Return the rows of a block, whose metadata name these statistics.

    If an older version began the file, its metadata name only the first statistics of a block that
    a later version appended; the others are left out.

    Raises:
        ValueError: it is no block of these statistics.
    """
    if block.ndim != 3 or block.dtype.kind != "f" or not len(block) or block.shape[2] < 2:
        raise ValueError(f"a block of shape {block.shape} and type {block.dtype} holds no rows")
    if block.shape[1] <= len(statistics):
        raise ValueError(f"a block has {block.shape[1] - 1} of {len(statistics)} statistics")
    if not (np.isfinite(block[:, 0, :2]).all() and (block[:, 0, :2] >= 0).all()):
        raise ValueError("a block has a row without a training step or a length")
    lengths = block[:, 0, 1].astype(np.int64)
    values = block[:, 1:, : lengths.max(initial=0)].swapaxes(0, 1)
    alignments = 2 if len(values) >= 2 * len(statistics) else 1
    values = values.reshape(alignments, -1, *values.shape[1:])[:, : len(statistics)]
    values = values.reshape(-1, *values.shape[2:])
    skipped = (block[:, 0, 2:3] == 1).any(axis=-1)  # NaN or missing in older files
    return Rows(block[:, 0, 0].astype(np.int64), lengths, values, statistics, skipped)


def tag(kind: str, figure: str, name: str) -> str:
    """Return "error_flow/half_life/lstm"; without a name, "layer_gradients/global_norm"."""
    return "/".join(filter(None, (kind, figure, name)))


class BlockWriter:
    """Collects the rows of one name until they fill a block.

    Args:
        tag: the tag of the first blocks.
        content: the metadata.
        written: the number of blocks that are in the files already.
    """

    def __init__(self, tag: str, content: Mapping[str, Any], written: int = 0):
        self._tag = tag
        self._metadata = summary_pb2.SummaryMetadata(
            plugin_data={
                "plugin_name": PLUGIN,
                "content": json.dumps(content, default=float).encode(),
            },
            data_class=summary_pb2.DATA_CLASS_TENSOR,
        )
        self._waiting: list[Rows] = []
        self._written = written

    def add(self, rows: Rows) -> None:
        self._waiting.append(rows)

    def is_full(self) -> bool:
        waiting = sum(len(rows.steps) for rows in self._waiting)
        return waiting >= block_length(self._written % MAX_BLOCKS)

    def move_to(self, summary: Any) -> None:
        """Add the waiting rows to a summary, as one block."""
        rows = join(self._waiting) if self._waiting else None
        self._waiting = []
        if rows is None or not len(rows.steps):
            return
        part = 1 + self._written // MAX_BLOCKS
        summary.value.add(
            tag=self._tag if part == 1 else f"{self._tag}/{part}",
            tensor=make_tensor_proto(pack(rows)),
            metadata=self._metadata,
        )
        self._written += 1
