"""The formats of images that Pillow decodes itself, by suffix and by first bytes."""

import functools
import mimetypes
from pathlib import Path

from PIL import Image

# Formats that Pillow recognises, but cannot decode without another program or library; and IPTC,
# which holds an image of any other format.
_FOREIGN = ("EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "IPTC")
_FOREIGN_SUFFIXES = (
    *(".heic", ".heif", ".jxl", ".svg", ".eps", ".ps", ".ai", ".wmf", ".emf", ".pdf"),
    # Camera raw files are TIFF files of a small preview and data that Pillow cannot decode.
    *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".sr2", ".srw"),
)
_SIGNATURES = {  # of the formats that are often found under another suffix, or without any
    0: (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*"),
    4: (b"ftypavif", b"ftypavis", b"jP  \r\n\x87\n"),
    8: (b"WEBP",),
}


@functools.cache
def suffixes() -> frozenset[str]:
    """Return the suffixes of the formats that Pillow decodes itself, in lower case."""
    Image.init()
    names = {*formats(), "MPO"}  # Pillow opens MPO files as JPEG files
    return frozenset(s for s, name in Image.registered_extensions().items() if name in names)


@functools.cache
def formats() -> list[str]:
    """Return the names of the formats that Pillow decodes itself."""
    Image.init()
    return [name for name in Image.OPEN if name not in _FOREIGN]


def is_image(path: Path) -> bool:
    """Whether a file is an image by its suffix or, if that is unknown, by its first bytes."""
    suffix = path.suffix.lower()
    if suffix in suffixes():
        return True
    kind, _ = mimetypes.guess_type(path.name)
    is_other = suffix in _FOREIGN_SUFFIXES or not (kind or "image").startswith("image")
    return not is_other and _has_signature(path)


def foreign_format(path: Path) -> str | None:
    """Return the reason against an image in a format that Pillow cannot decode; else None."""
    if path.suffix.lower() not in _FOREIGN_SUFFIXES:
        return None
    return "a format that cannot be read; convert it to JPEG or PNG"


def _has_signature(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    return any(head[place:].startswith(marks) for place, marks in _SIGNATURES.items())
