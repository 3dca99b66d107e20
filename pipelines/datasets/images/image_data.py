"""Labelled images in three splits, whatever they come from. Importing this imports TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ...core.errors import UserError
from ..splits import SPLITS, hash_fraction
from .image_folder import read_folder, read_image
from .tfds_images import ImageSet, Selection


@dataclass(frozen=True)
class ImageSplit:
    """One split: N images, in a fixed order, and the index of each one's label."""

    examples: tf.data.Dataset  # of (uint8 [H, W, C], int64)
    labels: np.ndarray  # [N] int32

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width, where all images have the same."""
        spec: Any = self.examples.element_spec
        return tuple(spec[0].shape[:2])

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageData:
    """Labelled images in three splits.

    `shape` is [H, W, C], H and W None where they differ; `counts` is {label: {split: n}};
    `problems` says line by line what was left out and why.
    """

    train: ImageSplit
    validation: ImageSplit
    test: ImageSplit
    labels: list[str]
    shape: tuple[int | None, int | None, int]
    content_hash: str
    counts: dict[str, dict[str, int]]
    problems: list[str]
    source: str


def load_images(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
) -> ImageData:
    """Reads labelled images; nothing is ever downloaded, and nothing decoded yet.

    Args:
        dataset: `mnist_digits` (the default), `digits`, or a prepared TFDS set.
        data_dir: the user's folder, one sub-folder of images per class.
        limit: at most so many training images, labels in proportion; other splits likewise.
        seed: chooses the images that stay under `limit`.

    Raises:
        UserError: the data are not there, not usable, or the arguments do not go together.
    """
    if dataset is not None and data_dir is not None:
        raise UserError("--dataset and --data-dir: two sources; give one of them")
    if data_dir is not None:
        return _from_folder(data_dir, limit, seed)
    return _from_tfds(dataset, limit, seed)


def _from_folder(data_dir: str | Path, limit: int | None, seed: int) -> ImageData:
    items, shape, content_hash = read_folder(data_dir)
    index = {label: i for i, label in enumerate(items.labels)}
    labels = {s: np.array([index[r.label] for r in items.rows_of[s]], np.int32) for s in SPLITS}
    kept = _thinned(labels, len(items.labels), limit, seed)
    parts = {}
    for split, places in kept.items():
        paths = [items.rows_of[split][place].text for place in places]
        parts[split] = _files(paths, labels[split][places], shape)
    return ImageData(
        **parts,
        labels=items.labels,
        shape=shape,
        content_hash=content_hash,
        counts=_counts(parts, items.labels),
        problems=items.problems,
        source=items.source,
    )


def _files(paths: Sequence[str], labels: np.ndarray, shape) -> ImageSplit:
    def read(path, label):
        image = tf.numpy_function(lambda p: read_image(p.decode(), shape[-1]), [path], tf.uint8)
        image.set_shape(shape)
        return image, label

    pairs = tf.data.Dataset.from_tensor_slices((list(paths), labels.astype(np.int64)))
    return ImageSplit(pairs.map(read, num_parallel_calls=tf.data.AUTOTUNE), labels)


def _from_tfds(dataset: str | None, limit: int | None, seed: int) -> ImageData:
    images = ImageSet(dataset)
    chosen, problems = images.parts()
    labels = {split: chosen[split].labels for split in SPLITS}
    kept = _thinned(labels, len(images.labels), limit, seed)
    parts = {}
    for split, places in kept.items():
        found = chosen[split]
        part = Selection(found.split, found.places[places], found.labels[places])
        parts[split] = ImageSplit(images.examples(part), part.labels)
    counts = _counts(parts, images.labels)
    for split in SPLITS:
        absent = [label for label in images.labels if not counts[label][split]]
        if absent:
            problems.append(f"no {split} image of {len(absent)} classes: {', '.join(absent[:5])}")
    return ImageData(
        **parts,
        labels=images.labels,
        shape=images.shape,
        content_hash=images.content_hash,
        counts=counts,
        problems=problems,
        source=f"{images.builder.info.full_name} ({len(images.labels)} classes)",
    )


def _thinned(
    labels: dict[str, np.ndarray], classes: int, limit: int | None, seed: int
) -> dict[str, np.ndarray]:
    """{split: places that stay}: the same share of each label in each split, one at least."""
    if limit is None:
        return {split: np.arange(len(found)) for split, found in labels.items()}
    if limit < classes:
        raise UserError(f"--limit {limit}: less than the number of classes, {classes}")
    share = min(1.0, limit / len(labels["train"]))
    return {split: _share(found, share, seed) for split, found in labels.items()}


def _share(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    kept: list[int] = []
    for label in np.unique(labels):
        found = np.flatnonzero(labels == label).tolist()
        places = sorted(found, key=lambda p: hash_fraction(f"{seed}\t{p}"))
        kept += places[: max(1, int(share * len(places)))]
    return np.array(sorted(kept))


def _counts(parts: dict[str, ImageSplit], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    tallies = {s: np.bincount(p.labels, minlength=len(labels)) for s, p in parts.items()}
    return {label: {s: int(tallies[s][i]) for s in SPLITS} for i, label in enumerate(labels)}
