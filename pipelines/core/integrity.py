"""Whether a file is still what was written."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

from .errors import DamagedFile
from .files import read_json

MOST_EXPANDED = 50  # the size of an archive's content over its own; Keras hardly compresses


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whole_model(path: Path) -> bool:
    """Whether a .keras file exists and is whole; its archive has a checksum of each part."""
    if not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            return size <= MOST_EXPANDED * path.stat().st_size and archive.testzip() is None
    except Exception:  # zipfile raises something else for each kind of damage
        return False


def is_whole_hdf5(path: Path) -> bool:
    """Whether an HDF5 file exists and was not cut; most other damage is not found."""
    import h5py

    if not path.is_file():
        return False
    try:
        h5py.File(path).close()
    except OSError:
        return False
    return True


def whole_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file that holds an object; None: it is missing or damaged."""
    try:
        return read_json(path) or None
    except DamagedFile:
        return None


def damaged_or_missing(path: Path) -> str:
    """Return what is wrong with a file, in one word."""
    return "damaged" if path.exists() else "missing"
