"""Event files for TensorBoard: rows in blocks, scalars, images and texts."""

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.image.metadata import create_summary_metadata as image_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.util.tensor_util import make_tensor_proto

from ...layers.rnn.statistics import VERSION
from .blocks import BlockWriter, tag
from .memory import Thinning
from .rows import Rows
from .run_places import Place, place_of

LIMIT = 16 * 2**20  # bytes of snapshots, after which only every second one is written


class EventLog:
    """An event file in a folder of its own, opened when there is something to write.

    It needs its own folder, because TensorBoard follows only the newest file of a folder: Keras'
    own curves in `train` and `validation` would stop being updated. An `EventLog` can be
    deep-copied until it is opened. All methods that write raise an OSError if that fails.

    Args:
        folder: `log_dir`/`kind`; see `begin`.

    Attributes:
        step: the training step or epoch of what is written.
        folder: the folder that the files are written to.
    """

    def __init__(self, folder: Path):
        self.step = 0
        self.folder = folder
        self._place: Place | None = None  # where the folder is yet to be chosen
        self._is_placed = False
        self._thinning = Thinning(LIMIT)
        self._blocks: dict[tuple[str, str], BlockWriter] = {}
        self._earlier: Mapping[tuple[str, str], int] = {}
        self._writer: Any = None

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
        for name, value in scalars.items():
            if np.isfinite(value):
                summary.value.extend(scalar_pb(name, value).value)
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
        if self._writer is not None:
            with self._errors():
                self._writer.flush()
            self._check_file()

    def close(self) -> None:
        """As `flush`. Writing afterwards opens a new file."""
        self._put(self._summary())
        if self._writer is not None:
            with self._errors():
                self._writer.close()
            self._writer = None
            self._check_file()

    def abandon(self) -> None:
        """Give the file up, after an error. Writing afterwards opens a new file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(tf.errors.OpError):
                writer.close()

    def _summary(self, only_full=False):
        summary = summary_pb2.Summary()
        for blocks in self._blocks.values():
            if blocks.is_full() or not only_full:
                blocks.move_to(summary)
        return summary

    def _put(self, summary):
        if not summary.value:
            return
        content = summary.SerializeToString()
        with self._errors():
            self._writer = self._writer or self._open()
            with self._writer.as_default():  # one operation for all: each has a high fixed cost
                tf.summary.experimental.write_raw_pb(content, self.step)
        self._size += len(content)

    def _open(self):
        if self._place is not None:
            self.folder = self._place.folder(self.folder.name)
            self._place, self._is_placed = None, True
        self._other_files = {*self._files()}
        self._size = 0  # of the content, in bytes; the file is a little larger
        return tf.summary.create_file_writer(str(self.folder))

    def _files(self):
        return self.folder.glob("events.out.tfevents.*")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise TensorFlow's errors as OSError."""
        try:
            yield
        except tf.errors.OpError as error:
            reason = error.message.rpartition("}} ")[2]  # without the name of the operation
            raise OSError(f"no event file can be written to {self.folder}: {reason}") from error

    def _check_file(self):
        """Raise an OSError if content is missing: TensorFlow says nothing if the disk is full."""
        sizes = [file.stat().st_size for file in {*self._files()} - self._other_files]
        if not sizes:
            raise OSError(f"the event file in {self.folder} has disappeared")
        if max(sizes) < self._size:
            raise OSError(
                f"of {self._size:,} bytes, only {max(sizes):,} could be written to the event file "
                f"in {self.folder}: the disk may be full"
            )
