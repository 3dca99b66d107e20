"""Event files for TensorBoard: rows in blocks, scalars, images and texts."""

import contextlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.image.metadata import create_summary_metadata as image_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.util.tensor_util import make_tensor_proto

from ...layers.rnn.statistics import VERSION
from .blocks import BlockWriter, tag
from .event_file import EventFile, shared_file
from .memory import Thinning
from .rows import Rows
from .run_places import Place, place_of

LIMIT = 16 * 2**20  # bytes of snapshots, after which only every second one is written


class EventLog:
    """What one callback writes to the event file that all callbacks share in a folder.

    The file is opened when there is something to write (see `shared_file`). An `EventLog` can be
    deep-copied until then. All methods that write raise an OSError if that fails.

    Args:
        folder: `log_dir`/`part`, where the part is "train" or "validation"; see `begin`.
        kind: the name of the callback's kind of records; see `run_places`.

    Attributes:
        step: the training step or epoch of what is written.
        folder: the folder that the files are written to.
    """

    def __init__(self, folder: Path, kind: str = ""):
        self.step = 0
        self.folder = folder
        self._kind = kind
        self._place: Place | None = None  # where the folder is yet to be chosen
        self._is_placed = False
        self._thinning = Thinning(LIMIT)
        self._blocks: dict[tuple[str, str], BlockWriter] = {}
        self._earlier: Mapping[tuple[str, str], int] = {}
        self._file: EventFile | None = None

    def begin(self, callback: keras.callbacks.Callback, epoch: int) -> None:
        """Write to the run of a training (see `run_places`), unless something is written yet.

        Args:
            callback: the callback that writes.
            epoch: the first epoch of a call of `fit`, which begins now.
        """
        if not self._is_placed:
            self._place = place_of(callback, self.folder.parent, epoch)

    def go_on_after(self, blocks: Mapping[tuple[str, str], int]) -> None:
        """Continue the files of an earlier process.

        Args:
            blocks: the number of blocks that they hold, by kind and name.
        """
        self._earlier = blocks

    def write(
        self,
        kind: str,
        new: Mapping[str, Rows],
        about: Mapping[str, Any],
        scalars: Mapping[str, float],
        step: int,
        every_row: bool = False,
    ) -> None:
        """Add rows of each name, and write scalars.

        Args:
            kind: see `blocks`.
            new: the rows, by name.
            about: the metadata of the rows besides version, kind, name and statistics.
            scalars: by tag; values that are not finite are left out.
            step: the training step or epoch of the scalars.
            every_row: write all of these rows, also when a long run keeps only some.
        """
        self.step = step
        size = 0
        for name, rows in new.items():
            chosen = rows if every_row else rows.every(self._thinning.stride)
            self._blocks_of(kind, name, rows, about).add(chosen)
            size += chosen.nbytes
        self._thinning.add(size)
        summary = self._summary(only_full=True)
        _add_scalars(summary, {n: value for n, value in scalars.items() if np.isfinite(value)})
        self._put(summary)

    def scalars(self, scalars: Mapping[str, float], step: int) -> None:
        """Write scalars by tag, also those that are not finite."""
        self.step, summary = step, summary_pb2.Summary()
        _add_scalars(summary, scalars)
        self._put(summary)

    def _blocks_of(self, kind, name, rows, about):
        key = kind, name
        if key not in self._blocks:
            content = {
                "version": VERSION,
                "kind": kind,
                "name": name,
                "statistics": list(rows.statistics),
                **about,
            }
            written = self._earlier.get(key, 0)
            self._blocks[key] = BlockWriter(tag(kind, "rows", name), content, written)
        return self._blocks[key]

    def image(self, name: str, image: np.ndarray, description: str) -> None:
        """Write an image [height, width] or [height, width, 3] uint8."""
        height, width = image.shape[:2]
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

    def images(self, kind: str, images: Iterable[tuple[str, np.ndarray, str]]) -> None:
        """Write the heat maps of several names, each with its image and description."""
        for name, image, description in images:
            self.image(tag(kind, "heat_map", name), image, description)

    def text(self, name: str, text: str) -> None:
        """Write a text in Markdown; for text of data see `literal`."""
        self._put(text_pb(name, text))

    def flush(self) -> None:
        """Write everything that was added to the file, where it survives the process."""
        self._put(self._summary())
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """As `flush`. Writing afterwards opens a new file, unless another callback has one."""
        self._put(self._summary())
        file, self._file = self._file, None
        if file is not None:
            file.leave(self)

    def abandon(self) -> None:
        """Leave the file, after an error, without what is not written yet."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.leave(self)

    def _summary(self, only_full=False):
        summary = summary_pb2.Summary()
        for blocks in self._blocks.values():
            if blocks.is_full() or not only_full:
                blocks.move_to(summary)
        return summary

    def _put(self, summary):
        if not summary.value:
            return
        self._file = self._file or self._open()
        # One operation for all: each has a high fixed cost.
        self._file.write(summary.SerializeToString(), self.step)

    def _open(self):
        if self._place is None:
            return shared_file(self.folder, self)
        with self._place.reserved():
            self.folder = self._place.folder(self.folder.name, self._kind)
            self._place, self._is_placed = None, True
            return shared_file(self.folder, self)


def _add_scalars(summary, scalars):
    for name, value in scalars.items():
        summary.value.extend(scalar_pb(name, value).value)
