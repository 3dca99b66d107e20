"""Pictures in one size, each at hand when a batch wants it."""

import itertools
import math
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import UserError
from ..datasets.image_text.image_text_data import Images
from ..datasets.images.image_folder import with_progress
from ..datasets.images.resizing import resizing_layer
from ..models.image_to_text import PADDING_PIXEL


class Store(NamedTuple):
    """N pictures, or N sequences of pictures."""

    pictures: np.ndarray  # uint8 [M, H, W, C], those of a sequence one after the other
    begins: np.ndarray  # [N + 1] where each sequence does, and where the last one ends
    several: bool

    def __len__(self) -> int:
        return len(self.begins) - 1

    def __getitem__(self, place: int) -> np.ndarray:
        """The pictures of one item, [F, H, W, C]."""
        return self.pictures[self.begins[place] : self.begins[place + 1]]

    @property
    def counts(self) -> np.ndarray:
        """How many pictures each item has, [N]."""
        return np.diff(self.begins)

    def take(self, chosen: Sequence[int] | np.ndarray, most: int | None = None) -> np.ndarray:
        """float32 [B, H, W, C], or [B, F, H, W, C]: the first `most` of each, and no picture behind
        their end."""
        if not self.several:
            return self.pictures[chosen].astype(np.float32)
        items = [self[place][:most] for place in chosen]
        most = most or max(map(len, items))
        taken = np.full([len(items), most, *self.pictures.shape[1:]], PADDING_PIXEL, np.float32)
        for row, item in zip(taken, items, strict=True):
            row[: len(item)] = item
        return taken


def store(images: Images, shape: tuple[int, int, int], most: int | None = None) -> Store:
    """The first `most` pictures or sequences, brought to [H, W, C].

    Those that are an array of this size already are taken as they are; others are written to a file
    without a name, which the system keeps in memory as far as there is room, and which goes with
    the store.
    """
    count = len(images) if most is None else min(most, len(images))
    if isinstance(images, np.ndarray) and images.shape[-3:] == shape:
        several, chosen = images.ndim == 5, images[:count]
        each = chosen.shape[1] if several else 1
        return Store(chosen.reshape(-1, *shape), np.arange(count + 1) * each, several)
    items = [*itertools.islice(images, count)] if _are_sequences(images) else None
    counts = [1] * count if items is None else [*map(len, items)]
    single = itertools.islice(images, count) if items is None else itertools.chain(*items)
    begins = np.concatenate([[0], np.cumsum(counts, dtype=int)])
    return Store(_written(single, int(begins[-1]), shape), begins, items is not None)


def _are_sequences(images: Images) -> bool:
    first: Any = next(iter(images))
    return not isinstance(first, np.ndarray) or first.ndim == 4


def _written(pictures: Iterable[np.ndarray], count: int, shape: tuple[int, int, int]) -> np.ndarray:
    _check_room(count * math.prod(shape))
    with tempfile.TemporaryFile() as file:
        kept = np.memmap(file, np.uint8, "w+", shape=(count, *shape))  # outlives the open file
    for place, picture in enumerate(with_progress(_resized(pictures, shape), count)):
        kept[place] = picture
    return kept


def _check_room(size: int) -> None:
    """`UserError` unless there is: without it, writing to memory that is a file's kills us."""
    folder = tempfile.gettempdir()
    if size > shutil.disk_usage(folder).free:
        raise UserError(
            f"{folder}: no room for pictures of {size / 1e9:,.1f} GB; lower --size or --limit, or"
            " set TMPDIR to another folder"
        )


def _resized(pictures: Iterable[np.ndarray], shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    layer = resizing_layer(*shape[:2])
    for picture in pictures:
        pixels = layer(picture[None].astype(np.float32))[0].numpy()
        yield np.rint(pixels.clip(0, 255)).astype(np.uint8)
