"""Reading single image files of every format that Pillow decodes itself."""

import functools
import hashlib
import io
import mimetypes
import stat
import time
import warnings
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from ...core.console import note
from ..left_out import LeftOut, UnreadableFile
from .metadata import without_metadata

GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "F")
Item = TypeVar("Item")
PROGRESS = 3  # seconds between notes
NOT_AN_IMAGE = "not an image"
# Formats that Pillow recognises, but cannot decode without another program or library.
_FOREIGN = ("EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5")
_FOREIGN_SUFFIXES = (
    *(".heic", ".heif", ".jxl", ".svg", ".eps", ".ps", ".ai", ".wmf", ".emf", ".pdf"),
    # Camera raw files are TIFF files of a small preview and data that Pillow cannot decode.
    *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".sr2", ".srw"),
)
_ORIENTATION = 0x0112  # the EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIGNATURES = {  # of the formats that are often found under another suffix, or without any
    0: (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*"),
    4: (b"ftypavif", b"ftypavis", b"jP  \r\n\x87\n"),
    8: (b"WEBP",),
}


@functools.cache
def suffixes() -> frozenset[str]:
    """Return the suffixes of the formats that Pillow decodes itself, in lower case."""
    Image.init()
    formats = {*_formats(), "MPO"}  # Pillow opens MPO files as JPEG files
    return frozenset(s for s, name in Image.registered_extensions().items() if name in formats)


@functools.cache
def _formats() -> list[str]:
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


def read_image(path: str | Path, channels: int) -> np.ndarray:
    """Return the pixels of an image file, uint8 [H, W, channels], channels 1 (grey) or 3 (RGB).

    The image is rotated as its EXIF data require; other metadata are ignored, even if they are
    broken. Transparent pixels become white. Values of 16 bits are reduced to 8, and so are 32-bit
    integers and floats: from 0 … 1, 0 … 255 or 0 … 65535, whichever they fit first, or from their
    own range. Of several frames or pages, the first is read.

    Raises:
        UserError: the file does not exist, is not an image, or is broken.
    """
    path = Path(path)
    with _opened(path) as file:
        return _decoded(path, file, channels)[0]


class Inspection(NamedTuple):
    """An image file that was opened: its fault, or the digest, size and mode of the image."""

    path: Path
    fault: LeftOut | None
    digest: str = ""
    size: tuple[int, int] = (0, 0)  # height, width
    grey: bool = False


def inspect_image(path: Path) -> Inspection:
    """Open an image file and report whether it can be read, and what it holds."""
    try:
        with _opened(path) as file:
            pixels, grey = _decoded(path, file, 3)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except UnreadableFile as error:
        return Inspection(path, error.left_out)
    except OSError as error:
        return Inspection(path, UnreadableFile(path, "cannot be read", str(error)).left_out)
    return Inspection(path, None, digest, (pixels.shape[0], pixels.shape[1]), grey)


def inspect_images(paths: Collection[Path]) -> list[Inspection]:
    """Open image files, in parallel; the inspections are in the order of the paths."""
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("ignore")  # Pillow's, about metadata
        return list(with_progress(pool.map(inspect_image, paths), len(paths)))


def with_progress(items: Iterable[Item], total: int, noun: str = "images") -> Iterator[Item]:
    """Yield the items, with a note on stderr about the progress every few seconds."""
    last = time.monotonic()
    for number, item in enumerate(items, start=1):
        if time.monotonic() - last > PROGRESS:
            last = time.monotonic()
            note(f"data: {number:,} of {total:,} {noun} read")
        yield item


def common_shape(inspections: Iterable[Inspection]) -> tuple[int | None, int | None, int]:
    """Return [H, W, C] of readable images, H and W None if they differ."""
    readable = [*inspections]
    sizes = {inspection.size for inspection in readable}
    height, width = sizes.pop() if len(sizes) == 1 else (None, None)
    return height, width, 1 if all(inspection.grey for inspection in readable) else 3


def _opened(path: Path) -> io.BufferedReader:
    """Open a file; opening a pipe or a device could wait forever."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
            raise UnreadableFile(path, NOT_AN_IMAGE, f"is {kind}")
        if not status.st_size:
            raise UnreadableFile(path, "empty file")
        return path.open("rb")
    except FileNotFoundError:
        raise UnreadableFile(path, "no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableFile(path, "cannot be read", reason) from None


def _decoded(path: Path, file: io.BufferedReader, channels: int) -> tuple[np.ndarray, bool]:
    """Return the pixels of an image, and whether its mode is one of grey."""
    try:
        with _loaded(file) as image:
            return _pixels(_upright(image), channels), image.mode in GREY
    except UnidentifiedImageError:
        raise UnreadableFile(path, f"{NOT_AN_IMAGE} that can be read") from None
    except (Image.DecompressionBombError, MemoryError) as error:
        raise UnreadableFile(path, "too large an image", str(error)) from None
    except Exception as error:  # whatever a decoder raises for damaged data is the file's fault
        raise UnreadableFile(path, "broken image", str(error) or type(error).__name__) from None


def _loaded(file: io.BufferedReader) -> Image.Image:
    try:
        return _load(file)
    except Image.DecompressionBombError:
        raise
    except Exception:
        file.seek(0)
        if pixels := without_metadata(file.read()):
            return _load(io.BytesIO(pixels))
        raise


def _load(file: Any) -> Image.Image:
    image = Image.open(file, formats=_formats())
    image.load()
    return image


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata say nothing about the orientation
        return image
    return image if turn is None else image.transpose(turn)


def _pixels(image: Image.Image, channels: int) -> np.ndarray:
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_in_8_bits(np.asarray(image), image.mode))
    if image.mode == "LAB":
        spaces = [ImageCms.createProfile(space) for space in ("LAB", "sRGB")]
        converted = ImageCms.profileToProfile(image, *spaces, outputMode="RGB")
        image = converted or image
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, _rgba(image))
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[..., None] if channels == 1 else pixels


def _rgba(image: Image.Image) -> Image.Image:
    if image.mode == "La":  # premultiplied; Pillow converts it to LA only
        image = image.convert("LA")
    return image.convert("RGBA")


def _in_8_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """Reduce integers of 16 or 32 bits, or floats, to 8 bits; NaN becomes 0."""
    if mode.startswith("I;16"):
        return (values.astype(np.uint32) // 257).astype(np.uint8)
    values = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    low, high = values.min(), values.max()
    tops = (65535,) if mode == "I" else (1, 255, 65535)
    top = next((top for top in tops if low >= 0 and high <= top), None)
    if top is None:
        values, top = values - low, (high - low) or 1
    return np.rint(values * (255 / top)).astype(np.uint8)
