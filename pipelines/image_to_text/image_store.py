"""Images of one size, in memory or in a temporary file, ready for batches."""

import dataclasses
import itertools
import math
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core.errors import UserError
from ..datasets.image_text.image_text_data import Images
from ..datasets.images.image_files import with_progress
from ..datasets.images.resizing import resizing_layer
from ..models.image_to_text import PADDING_PIXEL


@dataclasses.dataclass(frozen=True)
class ImageStore:
    """N items, each an image or a sequence of images.

    Attributes:
        images: uint8 [M, H, W, C], those of a sequence one after the other.
        offsets: [N + 1], index of the first image of each item, and the end of the last item.
        has_sequences: whether items are sequences.
    """

    images: np.ndarray
    offsets: np.ndarray
    has_sequences: bool

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, item: int) -> np.ndarray:
        """The images of one item, [F, H, W, C]."""
        return self.images[self.offsets[item] : self.offsets[item + 1]]

    @property
    def counts(self) -> np.ndarray:
        """The number of images of each item, [N]."""
        return np.diff(self.offsets)

    def take(self, items: Sequence[int] | np.ndarray, length: int | None = None) -> np.ndarray:
        """Return a batch of items, float32 [B, H, W, C], or [B, F, H, W, C] of sequences.

        Args:
            items: indices of items.
            length: number of images of a sequence, F; longer ones are cut, shorter ones padded with
                `PADDING_PIXEL` (default: that of the longest).
        """
        if not self.has_sequences:
            return self.images[items].astype(np.float32)
        sequences = [self[item][:length] for item in items]
        length = length or max(map(len, sequences))
        batch = np.full([len(sequences), length, *self.images.shape[1:]], PADDING_PIXEL, np.float32)
        for row, sequence in zip(batch, sequences, strict=True):
            row[: len(sequence)] = sequence
        return batch


def store_images(
    images: Images, shape: tuple[int, int, int], limit: int | None = None
) -> ImageStore:
    """Resize images, or sequences of images, and store them.

    An array of the right size is used as it is. Other images are written to an unnamed temporary
    file, which the system keeps in memory as long as there is room, and which is deleted with the
    store.

    Args:
        images: an array, or an iterable of images or sequences.
        shape: [H, W, C] of the stored images.
        limit: maximum number of items, the first ones.
    """
    count = len(images) if limit is None else min(limit, len(images))
    if isinstance(images, np.ndarray) and images.shape[-3:] == shape:
        chosen, has_sequences = images[:count], images.ndim == 5
        length = chosen.shape[1] if has_sequences else 1
        offsets = np.arange(count + 1) * length
        return ImageStore(chosen.reshape(-1, *shape), offsets, has_sequences)
    if _are_sequences(images):
        sequences = [*itertools.islice(images, count)]
        counts, single = [*map(len, sequences)], itertools.chain(*sequences)
    else:
        sequences, counts, single = None, [1] * count, itertools.islice(images, count)
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=int)])
    return ImageStore(_write(single, int(offsets[-1]), shape), offsets, sequences is not None)


def _are_sequences(images: Images) -> bool:
    first: Any = next(iter(images))
    return not isinstance(first, np.ndarray) or first.ndim == 4


def _write(images: Iterable[np.ndarray], count: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Resize `count` images into a memory-mapped temporary file, uint8 [count, H, W, C]."""
    _check_disk_space(count * math.prod(shape))
    with tempfile.TemporaryFile() as file:
        stored = np.memmap(file, np.uint8, "w+", shape=(count, *shape))  # outlives the open file
    for place, image in enumerate(with_progress(_resize(images, shape), count)):
        stored[place] = image
    return stored


def _check_disk_space(size: int) -> None:
    """Raise `UserError` if there is not enough: writing to mapped memory would kill the process."""
    folder = tempfile.gettempdir()
    if size > shutil.disk_usage(folder).free:
        raise UserError(
            f"{folder}: no room for images of {size / 1e9:,.1f} GB; lower --size or --limit, or"
            " set TMPDIR to another folder"
        )


def _resize(images: Iterable[np.ndarray], shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    layer = resizing_layer(*shape[:2])
    for image in images:
        pixels = layer(image[None].astype(np.float32))[0].numpy()
        yield np.rint(pixels.clip(0, 255)).astype(np.uint8)
