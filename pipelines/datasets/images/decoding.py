"""Decoding images within bounds: a file of some bytes may hold more pixels than there is memory."""

import contextlib
import io
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from ..left_out import UnreadableFile
from .image_formats import formats
from .metadata import without_metadata

TOO_LARGE = "too large an image"
MEMORY = 2**31  # bytes for all images that are decoded at the same time
LARGEST_FILE = 2**30  # bytes; some decoders read the whole file
_LARGEST_REPAIRED = 2**26  # bytes of a file that is read without its broken metadata
_BYTES = {"AVIF": 16, "JPEG2000": 28, "WEBP": 20}  # of memory per pixel; others need less
_BYTES_OF_OTHERS = 8
LONGEST_SIDE = 2**20  # pixels
_LARGEST_SLOW = 2**24  # pixels, for decoders that are written in Python

# Pillow warns of large images and of faults in metadata: here, what is too large is refused, and
# an image that cannot be read has a line of its own.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
# Pillow divides a large image into blocks. The memory of small ones stays with the thread that
# decoded the image (glibc's arenas); blocks of more than 32 MB go back to the system.
Image.core.set_block_size(2**26)


class MemoryBudget:
    """Memory that threads share: each waits until there is room for its image.

    Args:
        size: bytes.
    """

    def __init__(self, size: int = MEMORY) -> None:
        self._size, self._taken = size, 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Take some bytes for the block; more than all are taken when nobody else has any."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + size <= self._size)
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()


@contextlib.contextmanager
def decoded(path: Path, file: io.BufferedReader, budget: MemoryBudget) -> Iterator[Image.Image]:
    """Yield the decoded image of a file, whose memory is taken from a budget for the block.

    The size is checked before the image is decoded. Metadata are ignored if they are broken.

    Raises:
        UnreadableFile: too many pixels or bytes.
        Exception: whatever a decoder raises for damaged data.
    """
    size = os.fstat(file.fileno()).st_size
    if size > LARGEST_FILE:
        raise UnreadableFile(path, TOO_LARGE, f"a file of {size / 1e9:,.1f} GB")
    with contextlib.ExitStack() as stack:
        try:
            image = _load(path, file, size, budget, stack)
        except (UnreadableFile, Image.DecompressionBombError):
            raise
        except Exception:
            if size > _LARGEST_REPAIRED:
                raise
            stack.close()  # whoever holds memory and waits for more could wait forever
            with budget.taken(2 * size):
                file.seek(0)
                pixels = without_metadata(file.read())
            if pixels is None:
                raise
            image = _load(path, io.BytesIO(pixels), len(pixels), budget, stack)
        yield image


def open_image(path: Path, file: Any) -> Image.Image:
    """Read the header of an opened image file, and check the size of the image.

    Raises:
        UnreadableFile: too many pixels.
        Exception: whatever Pillow raises for a file that is no image, or damaged.
    """
    try:
        image = Image.open(file, formats=formats())
    except Image.DecompressionBombError as error:
        raise UnreadableFile(path, TOO_LARGE, str(error)) from None
    most = MEMORY // _bytes_per_pixel(image)
    if any(tile[0] in Image.DECODERS for tile in image.tile):
        most = _LARGEST_SLOW
    if max(image.size) > LONGEST_SIDE or image.width * image.height > most:
        size = f"{image.width:,} x {image.height:,} pixels"
        limit = f"of {image.format}, at most {most / 1e6:,.0f} million can be read"
        raise UnreadableFile(path, TOO_LARGE, f"{size}; {limit}")
    return image


def _load(
    path: Path, file: Any, size: int, budget: MemoryBudget, stack: contextlib.ExitStack
) -> Image.Image:
    """Decode an image; its memory is taken until the stack is closed."""
    with budget.taken(2 * size):  # some decoders hold the file twice
        image = stack.enter_context(open_image(path, file))
    stack.enter_context(budget.taken(size + image.width * image.height * _bytes_per_pixel(image)))
    image.load()
    return image


def _bytes_per_pixel(image: Image.Image) -> int:
    return _BYTES.get(image.format or "", _BYTES_OF_OTHERS)
