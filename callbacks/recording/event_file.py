"""Open event files: one in each folder, which all callbacks of the process share."""

import contextlib
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

SUFFIX = ".errorflow.v2"  # of the names of our event files; TensorFlow's own is ".v2"
_open: weakref.WeakValueDictionary[Path, "EventFile"] = weakref.WeakValueDictionary()


def shared_file(folder: Path, user: Any) -> "EventFile":
    """Return the event file that is open in a folder; open one if there is none.

    Raises:
        OSError: no file can be written there.
    """
    key = folder.resolve()
    file = _open.get(key)
    if file is None:
        file = _open[key] = EventFile(key)
    file.users.add(user)
    return file


def holds_event_files(folder: Path) -> bool:
    """Return whether callbacks have written event files to a folder, beside Keras' own."""
    return any(folder.glob(f"events.out.tfevents.*{SUFFIX}"))


class EventFile:
    """A new event file, open until its last user has left it.

    It is shared because TensorBoard's Python loader follows only the newest file of a folder. All
    methods raise an OSError if writing fails; after that, `shared_file` opens a new file.

    Attributes:
        users: who writes to the file. One that is forgotten has left it.
    """

    def __init__(self, folder: Path):
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()
        self._folder = folder
        before = self._files()
        with self._errors():
            writer = tf.summary.create_file_writer(str(folder), filename_suffix=SUFFIX)
        self._writer: Any = writer
        self._paths = self._files() - before  # of one file
        self._size = 0  # of the content, in bytes; the file is a little larger

    def _files(self) -> set[Path]:
        return {*self._folder.glob(f"events.out.tfevents.*{SUFFIX}")}

    def write(self, content: bytes, step: int) -> None:
        """Write a serialized summary of a training step or an epoch."""
        with self._errors(), self._writer.as_default():
            tf.summary.experimental.write_raw_pb(content, step)
        self._size += len(content)

    def flush(self) -> None:
        """Write everything to the disk, where it survives the process."""
        with self._errors():
            self._writer.flush()
            self._check()

    def leave(self, user: Any) -> None:
        """As `flush`, for a user that writes no more; close the file if it was the last one."""
        self.users.discard(user)
        if self.users:
            self.flush()
            return
        self._forget()
        with self._errors():
            self._writer.close()
            self._check()

    def _forget(self):
        if _open.get(self._folder) is self:
            del _open[self._folder]

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise TensorFlow's errors as OSError."""
        try:
            yield
        except (tf.errors.OpError, OSError) as error:
            self._forget()
            if isinstance(error, OSError):
                raise
            reason = error.message.rpartition("}} ")[2]  # without the name of the operation
            raise OSError(f"no event file can be written to {self._folder}: {reason}") from error

    def _check(self):
        """Raise an OSError if content is missing: TensorFlow says nothing if the disk is full."""
        sizes = [path.stat().st_size for path in self._paths if path.exists()]
        if not sizes:
            raise OSError(f"the event file in {self._folder} has disappeared")
        if max(sizes) < self._size:
            raise OSError(
                f"of {self._size:,} bytes, only {max(sizes):,} could be written to the event file "
                f"in {self._folder}: the disk may be full"
            )
