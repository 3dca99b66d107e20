"""The files of keras.applications with weights that were trained on ImageNet.

Keras downloads them to its cache, $KERAS_HOME/models or ~/.keras/models. They hold the convolutions
only, without the dense layers of ImageNet's classes. This module imports Keras only for a download.
"""

import contextlib
import hashlib
import io
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..core.console import is_muted, note
from ..core.errors import UserError

_SERVER = "https://storage.googleapis.com/tensorflow/keras-applications"
TIMEOUT = 30.0  # seconds without an answer


class WeightFile(NamedTuple):
    """A file in the cache of Keras.

    Attributes:
        folder: folder on the server.
        name: name there and in the cache.
        md5: its MD5 hash.
    """

    folder: str
    name: str
    md5: str

    @property
    def url(self) -> str:
        return f"{_SERVER}/{self.folder}/{self.name}"


def _file(model: str, folder: str, md5: str) -> WeightFile:
    return WeightFile(folder, f"{model}_weights_tf_dim_ordering_tf_kernels_notop.h5", md5)


FILES: dict[str, WeightFile] = {
    "vgg16": _file("vgg16", "vgg16", "6d6bbae143d832006294945121d1f1fc"),
    "vgg19": _file("vgg19", "vgg19", "253f8cb515780f3b799900260a226db6"),
    "resnet50": _file("resnet50", "resnet", "4d473c1dd8becc155b73f8504c6f6626"),
    "resnet101": _file("resnet101", "resnet", "88cf7a10940856eca736dc7b7e228a21"),
    "resnet152": _file("resnet152", "resnet", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
}


def weight_file(model: str) -> Path:
    """Return the file with the weights of a model, a key of `FILES`; download it if it is missing.

    Raises:
        UserError: it is damaged, or it is missing and cannot be downloaded.
    """
    file = FILES[model]
    for path in (folder / file.name for folder in _folders()):
        if path.exists():
            _check_hash(path, file)
            return path
    return _download(file)


def _folders() -> list[Path]:
    """Return where Keras looks: its cache and, where it may not write there, one in /tmp."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()
    temporary = Path("/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()) / ".keras"
    existing = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    is_usable = os.access(existing, os.W_OK)
    return [folder / "models" for folder in ([home] if is_usable else [home, temporary])]


def _check_hash(path: Path, file: WeightFile) -> None:
    try:
        with path.open("rb") as content:
            found = hashlib.file_digest(content, "md5").hexdigest()
    except OSError as error:
        raise UserError(f"--weights imagenet: cannot read {path}: {error.strerror}") from None
    if found != file.md5:
        raise UserError(
            f"--weights imagenet: {path} is damaged or incomplete (MD5 {found}, not {file.md5}):"
            f" delete it, or put {file.url} in its place"
        )


def _download(file: WeightFile) -> Path:
    from ..core.devices import load_tensorflow

    folder = _folders()[-1]
    note(f"weights: {file.name} goes to {folder}")
    load_tensorflow()
    import keras

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _patient(), _progress_on_stderr():
            path = keras.utils.get_file(
                file.name,
                file.url,
                cache_dir=str(folder.parent),
                cache_subdir="models",
                file_hash=file.md5,
            )
    except Exception as error:  # Keras raises a bare Exception for a failed download
        reason = str(error).rpartition(" -- ")[2] or type(error).__name__
        raise UserError(
            f"--weights imagenet: cannot download {file.name} ({reason}): put {file.url} into"
            f" {folder}"
        ) from None
    return Path(path)


@contextlib.contextmanager
def _patient() -> Iterator[None]:
    """Inside the block, a server that does not answer is an error after `TIMEOUT`."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _progress_on_stderr() -> Iterator[None]:
    """Show Keras' progress bar on stderr, or not at all where output is muted."""
    with contextlib.redirect_stdout(io.StringIO() if is_muted() else sys.stderr):
        yield
