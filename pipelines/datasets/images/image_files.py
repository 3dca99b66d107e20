"""Reading single image files of every format that Pillow decodes itself."""

import functools
import hashlib
import io
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...core.console import note
from ..left_out import LeftOut, UnreadableFile
from .decoding import TOO_LARGE, MemoryBudget, decoded
from .pixels import GREY, to_array

Item = TypeVar("Item")
PROGRESS = 3  # seconds between notes
NOT_AN_IMAGE = "not an image"


def read_image(path: str | Path, channels: int, budget: MemoryBudget | None = None) -> np.ndarray:
    """Return the pixels of an image file, uint8 [H, W, channels], channels 1 (grey) or 3 (RGB).

    The image is rotated as its EXIF data require; other metadata are ignored, even if they are
    broken. Transparent pixels become white. Values of 16 bits are reduced to 8, and so are 32-bit
    integers and floats: from 0 … 1, 0 … 255 or 0 … 65535, whichever they fit first, or from their
    own range. Of several frames or pages, the first is read. An image of more than 16 million
    pixels is reduced by a whole factor.

    Args:
        path: the file.
        channels: 1 or 3.
        budget: the memory that threads share; None: this image has all of it.

    Raises:
        UserError: the file does not exist, is not an image, is broken, or has too many pixels.
    """
    path = Path(path)
    with opened(path) as file:
        return _read(path, file, channels, budget or MemoryBudget())[0]


class Inspection(NamedTuple):
    """An image file that was opened: its fault, or the digest, size and mode of the image."""

    path: Path
    fault: LeftOut | None
    digest: str = ""
    size: tuple[int, int] = (0, 0)  # height, width
    grey: bool = False


def inspect_image(path: Path, budget: MemoryBudget | None = None) -> Inspection:
    """Open an image file and report whether it can be read, and what it holds."""
    try:
        with opened(path) as file:
            pixels, grey = _read(path, file, 3, budget or MemoryBudget())
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except UnreadableFile as error:
        return Inspection(path, error.left_out)
    except OSError as error:
        return Inspection(path, UnreadableFile(path, "cannot be read", str(error)).left_out)
    return Inspection(path, None, digest, (pixels.shape[0], pixels.shape[1]), grey)


def inspect_images(paths: Collection[Path]) -> list[Inspection]:
    """Open image files, in parallel; the inspections are in the order of the paths."""
    inspect = functools.partial(inspect_image, budget=MemoryBudget())
    with ThreadPoolExecutor() as pool:
        return list(with_progress(pool.map(inspect, paths), len(paths)))


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


def opened(path: Path) -> io.BufferedReader:
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


def _read(
    path: Path, file: io.BufferedReader, channels: int, budget: MemoryBudget
) -> tuple[np.ndarray, bool]:
    """Return the pixels of an image, and whether its mode is one of grey."""
    try:
        with decoded(path, file, budget) as image:
            return to_array(image, channels), image.mode in GREY
    except UnreadableFile:
        raise
    except UnidentifiedImageError:
        raise UnreadableFile(path, f"{NOT_AN_IMAGE} that can be read") from None
    except (Image.DecompressionBombError, MemoryError) as error:
        raise UnreadableFile(path, TOO_LARGE, str(error)) from None
    except Exception as error:  # whatever a decoder raises for damaged data is the file's fault
        raise UnreadableFile(path, "broken image", str(error) or type(error).__name__) from None
