"""What the doors to captions and to stories share: images in splits and the texts of each."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..images.image_folder import read_image
from ..splits import SPLITS, Row, splits_hash, stratified_subsample

Shape = tuple[int | None, int | None, int]  # H and W where all images agree on them


class Images(Protocol):
    """Images, or sequences of images, in a fixed order, as often as one likes."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


class ImageFiles:
    """Image files as arrays uint8 [H, W, channels]; each file is read when it is accessed."""

    def __init__(self, paths: Sequence[Path], channels: int) -> None:
        self.paths = paths
        self.channels = channels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> np.ndarray:
        return read_image(self.paths[place], self.channels)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (read_image(path, self.channels) for path in self.paths)


class AnnotatedImages(NamedTuple):
    """One split of a source: N images, or sequences of them, and what is told of each."""

    texts: list[list[str]]  # every text that counts as right
    descriptions: list[list[str]]  # of each image of a sequence by itself, or of none
    digests: list[str]  # which differ as the images do
    unseen: np.ndarray  # [N] bool
    take: Callable[[np.ndarray], Images]  # the images at some places

    def at(self, places: np.ndarray) -> "AnnotatedImages":
        """What is told of the images at some places alone."""
        return AnnotatedImages(
            [self.texts[place] for place in places],
            [self.descriptions[place] for place in places],
            [self.digests[place] for place in places],
            self.unseen[places],
            lambda chosen: self.take(places[chosen]),
        )


class ImageTextItems(NamedTuple):
    """What a reader found: what is told by split, what was wrong, where it is from."""

    images_of: dict[str, AnnotatedImages]
    shape: Shape
    problems: list[str]
    source: str


@dataclass(frozen=True)
class ImageTextSplit:
    """One split: N images, or sequences of them, and of each every text that counts as right.

    Images are uint8 [H, W, C]. Those of the embedded sets are one array, [N, 80, 80, 1], of stories
    [N, 5, 80, 80, 1]; others are read as one goes through them, those of a folder also by their
    place, `images[7]`. Sequences of a folder are of any length.
    """

    images: Images
    texts: list[list[str]]  # in the order given
    descriptions: list[list[str]]  # of each image of a sequence by itself, or of none
    unseen: np.ndarray  # [N] bool: shows what training never does; False where that is not known

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, kw_only=True)
class ImageTextData:
    """Images and texts in three splits; all texts of an image are in one of them.

    `shape` is [H, W, C] of an image, H and W None where they differ; `content_hash` is the SHA-256
    of all texts and images and their splits before `limit`; `counts` is {what: {split: n}} after
    it; `problems` says line by line what was left out and why.
    """

    train: ImageTextSplit
    validation: ImageTextSplit
    test: ImageTextSplit
    shape: Shape
    content_hash: str
    counts: dict[str, dict[str, int]]
    problems: list[str]
    source: str
    labels: list[str] = field(default_factory=list)  # there are none; other tasks' data have some


def digest_of(image: bytes) -> str:
    """What tells an image from any other."""
    return hashlib.sha256(image).hexdigest()


def assemble(
    found: ImageTextItems, counted: tuple[str, str], limit: int | None, seed: int
) -> ImageTextData:
    """What a door gives of what its reader found.

    Args:
        counted: what images and texts are called.
        limit: at most so many training images; as large a share of the others, at least one;
            unseen ones in proportion.
        seed: chooses those that stay.
    """
    images_of = found.images_of if limit is None else _limited(found.images_of, limit, seed)
    images, texts = counted
    train, validation, test = (
        ImageTextSplit(
            told.take(np.arange(len(told.texts))), told.texts, told.descriptions, told.unseen
        )
        for told in (images_of[split] for split in SPLITS)
    )
    return ImageTextData(
        train=train,
        validation=validation,
        test=test,
        shape=found.shape,
        content_hash=_hash(found.images_of),
        counts={
            images: {split: len(told.texts) for split, told in images_of.items()},
            texts: {split: sum(map(len, told.texts)) for split, told in images_of.items()},
        },
        problems=found.problems,
        source=found.source,
    )


def _limited(
    images_of: Mapping[str, AnnotatedImages], limit: int, seed: int
) -> dict[str, AnnotatedImages]:
    share = min(1.0, limit / len(images_of["train"].texts))
    return {split: images_of[split].at(_share(images_of[split], share, seed)) for split in SPLITS}


def _share(told: AnnotatedImages, share: float, seed: int) -> np.ndarray:
    rows = [Row(str(unseen), str(place)) for place, unseen in enumerate(told.unseen)]
    return np.array(
        [int(row.text) for row in stratified_subsample(rows, round(share * len(rows)), seed)]
    )


def _hash(images_of: Mapping[str, AnnotatedImages]) -> str:
    return splits_hash({split: _rows(told) for split, told in images_of.items()})


def _rows(told: AnnotatedImages) -> Iterator[Row]:
    for texts, described, digest in zip(told.texts, told.descriptions, told.digests, strict=True):
        for text in texts:
            yield Row("\n".join([text, *described]), digest)
