"""Images and their texts in three splits, as the loaders of captions and of stories return them."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..images.image_folder import read_image
from ..left_out import LeftOut
from ..splits import SPLITS, Row, splits_hash, stratified_subsample

Shape = tuple[int | None, int | None, int]  # [H, W, C]; H and W None if they differ


class Images(Protocol):
    """Images, or sequences of images, in a fixed order; can be iterated repeatedly."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


class ImageFiles:
    """Image files as arrays uint8 [H, W, channels]; each file is read when it is accessed."""

    def __init__(self, paths: Sequence[Path], channels: int) -> None:
        self.paths = paths
        self.channels = channels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return read_image(self.paths[index], self.channels)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (read_image(path, self.channels) for path in self.paths)


class AnnotatedImages(NamedTuple):
    """One split of a source: N items, each an image or a sequence of images, and their texts.

    Attributes:
        texts: the reference texts of each item.
        descriptions: for each item, a text per image of its sequence; empty if there are none.
        digests: hash of each item's images.
        unseen: [N] bool, as in `ImageTextSplit`.
        load: returns the images of the items at some indices.
    """

    texts: list[list[str]]
    descriptions: list[list[str]]
    digests: list[str]
    unseen: np.ndarray
    load: Callable[[np.ndarray], Images]

    def select(self, indices: np.ndarray) -> "AnnotatedImages":
        """Return the items at some indices."""
        return AnnotatedImages(
            [self.texts[index] for index in indices],
            [self.descriptions[index] for index in indices],
            [self.digests[index] for index in indices],
            self.unseen[indices],
            lambda selected: self.load(indices[selected]),
        )


class ImageTextItems(NamedTuple):
    """The result of a reader.

    Attributes:
        images_of: the annotated images of each split.
        shape: shape of the images.
        problems: remarks on the data, such as a missing split, one line each.
        source: where the data come from.
        left_out: each item that was left out.
    """

    images_of: dict[str, AnnotatedImages]
    shape: Shape
    problems: list[str]
    source: str
    left_out: Sequence[LeftOut] = ()


@dataclass(frozen=True)
class ImageTextSplit:
    """One split: N images, or sequences of images, and the reference texts of each.

    Attributes:
        images: uint8 [H, W, C] each. Each embedded dataset is one array, [N, 80, 80, 1] for
            captions and [N, 5, 80, 80, 1] for stories. Other images are read during the iteration;
            those of a folder can also be indexed, `images[7]`, and its sequences have any length.
        texts: the reference texts of each item, in the order of the source.
        descriptions: for each item, a text per image of its sequence; empty if there are none.
        unseen: [N] bool, whether an item shows a combination that is never in train; False where
            that is unknown.
    """

    images: Images
    texts: list[list[str]]
    descriptions: list[list[str]]
    unseen: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, kw_only=True)
class ImageTextData:
    """Images and texts in three splits; all texts of an image are in the same split.

    Attributes:
        train, validation, test: the splits.
        shape: [H, W, C] of an image, H and W None if they differ.
        content_hash: SHA-256 of all texts and images and their splits, before `limit`.
        counts: {kind: {split: number}}, kind "images" and "captions" or "sequences" and "stories",
            after `limit`.
        problems: remarks on the data, such as a missing split, one line each.
        source: where the data come from.
        labels: empty, as nothing is classified.
        left_out: each item that was left out.
    """

    train: ImageTextSplit
    validation: ImageTextSplit
    test: ImageTextSplit
    shape: Shape
    content_hash: str
    counts: dict[str, dict[str, int]]
    problems: list[str]
    source: str
    labels: list[str] = field(default_factory=list)
    left_out: Sequence[LeftOut] = ()


def digest_of(image: bytes) -> str:
    """Return the SHA-256 of an image."""
    return hashlib.sha256(image).hexdigest()


def assemble(
    items: ImageTextItems, kinds: tuple[str, str], limit: int | None, seed: int
) -> ImageTextData:
    """Return the data of a reader's result.

    Args:
        items: the result of the reader.
        kinds: the names of images and texts in `counts`.
        limit: the maximum number of training images; the other splits shrink in proportion, to one
            image at least. Unseen images stay in proportion.
        seed: selects the images that `limit` keeps.
    """
    images_of = items.images_of if limit is None else _limited(items.images_of, limit, seed)
    images, texts = kinds
    train, validation, test = (_split(images_of[split]) for split in SPLITS)
    return ImageTextData(
        train=train,
        validation=validation,
        test=test,
        shape=items.shape,
        content_hash=_hash(items.images_of),
        counts={
            images: {split: len(images_of[split].texts) for split in images_of},
            texts: {split: sum(map(len, images_of[split].texts)) for split in images_of},
        },
        problems=items.problems,
        source=items.source,
        left_out=items.left_out,
    )


def _split(annotated: AnnotatedImages) -> ImageTextSplit:
    every = np.arange(len(annotated.texts))
    return ImageTextSplit(
        annotated.load(every), annotated.texts, annotated.descriptions, annotated.unseen
    )


def _limited(
    images_of: Mapping[str, AnnotatedImages], limit: int, seed: int
) -> dict[str, AnnotatedImages]:
    share = min(1.0, limit / len(images_of["train"].texts))
    return {
        split: images_of[split].select(_share(images_of[split], share, seed)) for split in SPLITS
    }


def _share(annotated: AnnotatedImages, share: float, seed: int) -> np.ndarray:
    """Return the indices of a share of the items, seen and unseen ones in proportion.

    The selection depends on the images, not on their order.
    """
    place_of: dict[str, int] = {}
    for place, digest in enumerate(annotated.digests):
        key, number = digest, 1
        while key in place_of:  # equal images
            number += 1
            key = f"{digest} {number}"
        place_of[key] = place
    rows = [Row(str(annotated.unseen[place]), key) for key, place in place_of.items()]
    kept = stratified_subsample(rows, round(share * len(rows)), seed)
    return np.array([place_of[row.text] for row in kept])


def _hash(images_of: Mapping[str, AnnotatedImages]) -> str:
    return splits_hash({split: _rows(annotated) for split, annotated in images_of.items()})


def _rows(annotated: AnnotatedImages) -> Iterator[Row]:
    for texts, descriptions, digest in zip(
        annotated.texts, annotated.descriptions, annotated.digests, strict=True
    ):
        for text in texts:
            yield Row("\n".join([text, *descriptions]), digest)
