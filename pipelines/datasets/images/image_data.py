"""The loader of labelled images. Importing this module loads TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ...core.errors import UserError
from ..left_out import LeftOut
from ..sources import check_single_source
from ..splits import SPLITS, hash_fraction
from .image_folder import read_folder, read_image
from .tfds_images import ImageSet, Selection


@dataclass(frozen=True)
class ImageSplit:
    """One split: N images in a fixed order, and the index of each image's label."""

    examples: tf.data.Dataset  # of (uint8 [H, W, C], int64)
    labels: np.ndarray  # [N] int32

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width; None if images differ."""
        spec: Any = self.examples.element_spec
        return tuple(spec[0].shape[:2])

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageData:
    """Labelled images in three splits.

    Attributes:
        train, validation, test: the splits.
        labels: the classes, in the order of their indices.
        shape: [H, W, C], H and W None if they differ.
        content_hash: hash of all images, before `limit`.
        counts: {label: {split: number of images}}, after `limit`.
        problems: remarks on the data, such as a missing split, one line each.
        source: where the data come from.
        left_out: each item that was left out.
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
    left_out: Sequence[LeftOut] = ()


def load_images(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
) -> ImageData:
    """Read labelled images. Nothing is downloaded, and no image is kept in memory.

    Args:
        dataset: `mnist_digits` (the default), `digits`, or a prepared TFDS dataset.
        data_dir: the user's folder, one sub-folder of images per class.
        limit: the maximum number of training images; labels stay in proportion, and the other
            splits shrink in proportion.
        seed: selects the images that `limit` keeps.

    Raises:
        UserError: the data are missing or unusable, or the arguments exclude each other.
    """
    check_single_source(dataset, data_dir)
    if data_dir is not None:
        return _from_folder(data_dir, limit, seed)
    return _from_tfds(dataset, limit, seed)


def _from_folder(data_dir: str | Path, limit: int | None, seed: int) -> ImageData:
    items, shape, content_hash = read_folder(data_dir)
    index = {label: i for i, label in enumerate(items.labels)}
    labels = {s: np.array([index[r.label] for r in items.rows_of[s]], np.int32) for s in SPLITS}
    kept = _subsampled(labels, len(items.labels), limit, seed)
    splits = {}
    for split, indices in kept.items():
        paths = [items.rows_of[split][index].text for index in indices]
        splits[split] = _files(paths, labels[split][indices], shape)
    return ImageData(
        **splits,
        labels=items.labels,
        shape=shape,
        content_hash=content_hash,
        counts=_counts(splits, items.labels),
        problems=items.problems,
        source=items.source,
        left_out=items.left_out,
    )


def _files(
    paths: Sequence[str], labels: np.ndarray, shape: tuple[int | None, int | None, int]
) -> ImageSplit:
    def read(path: Any, label: Any) -> tuple[Any, Any]:
        image = tf.numpy_function(lambda p: read_image(p.decode(), shape[-1]), [path], tf.uint8)
        image.set_shape(shape)
        return image, label

    pairs = tf.data.Dataset.from_tensor_slices((list(paths), labels.astype(np.int64)))
    return ImageSplit(pairs.map(read, num_parallel_calls=tf.data.AUTOTUNE), labels)


def _from_tfds(dataset: str | None, limit: int | None, seed: int) -> ImageData:
    images = ImageSet(dataset)
    selections, problems = images.select_splits()
    labels = {split: selections[split].labels for split in SPLITS}
    kept = _subsampled(labels, len(images.labels), limit, seed)
    splits = {}
    for split, indices in kept.items():
        whole = selections[split]
        selection = Selection(whole.split, whole.indices[indices], whole.labels[indices])
        splits[split] = ImageSplit(images.examples(selection), selection.labels)
    counts = _counts(splits, images.labels)
    for split in SPLITS:
        absent = [label for label in images.labels if not counts[label][split]]
        if absent:
            problems.append(f"no {split} image of {len(absent)} classes: {', '.join(absent[:5])}")
    return ImageData(
        **splits,
        labels=images.labels,
        shape=images.shape,
        content_hash=images.content_hash,
        counts=counts,
        problems=problems,
        source=f"{images.builder.info.full_name} ({len(images.labels)} classes)",
    )


def _subsampled(
    labels: dict[str, np.ndarray], classes: int, limit: int | None, seed: int
) -> dict[str, np.ndarray]:
    """Return {split: kept indices}: the same share of each label in each split, one at least."""
    if limit is None:
        return {split: np.arange(len(every)) for split, every in labels.items()}
    if limit < classes:
        raise UserError(f"--limit {limit}: less than the number of classes, {classes}")
    share = min(1.0, limit / len(labels["train"]))
    return {split: _share(every, share, seed) for split, every in labels.items()}


def _share(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    kept: list[int] = []
    for label in np.unique(labels):
        indices = np.flatnonzero(labels == label).tolist()
        indices.sort(key=lambda index: hash_fraction(f"{seed}\t{index}"))
        kept += indices[: max(1, int(share * len(indices)))]
    return np.array(sorted(kept))


def _counts(splits: dict[str, ImageSplit], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    tallies = {s: np.bincount(p.labels, minlength=len(labels)) for s, p in splits.items()}
    return {label: {s: int(tallies[s][i]) for s in SPLITS} for i, label in enumerate(labels)}
