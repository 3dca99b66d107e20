"""The loader of labelled images. Importing this module loads TensorFlow."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ...core.errors import UserError
from ..class_folders import LabelledFiles
from ..left_out import LeftOut
from ..sources import check_single_source
from ..splits import SPLITS, hash_fraction
from .decoding import MemoryBudget
from .image_files import read_image
from .image_folder import find_images
from .image_tables import BY_NAME, Columns
from .labelled_images import read_images
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
    ready_splits: bool = True,
    limit: int | None = None,
    seed: int = 0,
    columns: Columns = BY_NAME,
    found: LabelledFiles | None = None,
) -> ImageData:
    """Read labelled images. Nothing is downloaded, and no image is kept in memory.

    Args:
        dataset: `mnist_digits` (the default), `digits`, or a prepared TFDS dataset.
        data_dir: the user's folder, one sub-folder of images per class, or a table; see
            `find_images`.
        ready_splits: whether folders of `data_dir` named train, val, test are splits.
        limit: the maximum number of training images; labels stay in proportion, and the other
            splits shrink in proportion.
        seed: selects the images that `limit` keeps.
        columns: the columns and encoding of tables in `data_dir`.
        found: the result of `find_images`, if it has been called already.

    Raises:
        UserError: the data are missing or unusable, or the arguments exclude each other.
    """
    check_single_source(dataset, data_dir)
    if data_dir is not None:
        found = found or find_images(data_dir, ready_splits=ready_splits, columns=columns)
        return _from_files(found, limit, seed)
    return _from_tfds(dataset, limit, seed)


def _from_files(listing: LabelledFiles, limit: int | None, seed: int) -> ImageData:
    items, shape, content_hash, digest_of = read_images(listing)
    index = {label: i for i, label in enumerate(items.labels)}
    labels = {s: np.array([index[r.label] for r in items.rows_of[s]], np.int32) for s in SPLITS}
    keys = {s: [digest_of[row.text] for row in items.rows_of[s]] for s in SPLITS}
    kept = _subsampled(labels, keys, len(items.labels), limit, seed)
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
        problems=items.problems + _absent(splits, items.labels),
        source=items.source,
        left_out=items.left_out,
    )


def _files(
    paths: Sequence[str], labels: np.ndarray, shape: tuple[int | None, int | None, int]
) -> ImageSplit:
    budget = MemoryBudget()

    def pixels(path: bytes) -> np.ndarray:
        return read_image(os.fsdecode(path), shape[-1], budget)

    def read(path: Any, label: Any) -> tuple[Any, Any]:
        image = tf.numpy_function(pixels, [path], tf.uint8)
        image.set_shape(shape)
        return image, label

    names = list(map(os.fsencode, paths))  # bytes, as names need not be UTF-8
    pairs = tf.data.Dataset.from_tensor_slices((names, labels.astype(np.int64)))
    return ImageSplit(pairs.map(read, num_parallel_calls=tf.data.AUTOTUNE), labels)


def _from_tfds(dataset: str | None, limit: int | None, seed: int) -> ImageData:
    images = ImageSet(dataset)
    selections, problems = images.select_splits()
    labels = {split: selections[split].labels for split in SPLITS}
    keys = {split: list(map(str, range(len(every)))) for split, every in labels.items()}
    kept = _subsampled(labels, keys, len(images.labels), limit, seed)
    splits = {}
    for split, indices in kept.items():
        whole = selections[split]
        selection = Selection(whole.split, whole.indices[indices], whole.labels[indices])
        splits[split] = ImageSplit(images.examples(selection), selection.labels)
    return ImageData(
        **splits,
        labels=images.labels,
        shape=images.shape,
        content_hash=images.content_hash,
        counts=_counts(splits, images.labels),
        problems=problems + _absent(splits, images.labels),
        source=f"{images.builder.info.full_name} ({len(images.labels)} classes)",
    )


def _subsampled(
    labels: dict[str, np.ndarray],
    keys: dict[str, list[str]],
    classes: int,
    limit: int | None,
    seed: int,
) -> dict[str, np.ndarray]:
    """Return {split: kept indices}: the same share of each label in each split, one at least.

    Args:
        labels: {split: the label of each image}.
        keys: {split: a name of each image that does not depend on the others}.
    """
    if limit is None:
        return {split: np.arange(len(every)) for split, every in labels.items()}
    if limit < classes:
        raise UserError(f"--limit {limit}: less than the number of classes, {classes}")
    share = min(1.0, limit / len(labels["train"]))
    return {split: _share(labels[split], keys[split], share, seed) for split in labels}


def _share(labels: np.ndarray, keys: Sequence[str], share: float, seed: int) -> np.ndarray:
    kept: list[int] = []
    for label in np.unique(labels):
        indices = np.flatnonzero(labels == label).tolist()
        indices.sort(key=lambda index: hash_fraction(f"{seed}\t{keys[index]}"))
        kept += indices[: max(1, int(share * len(indices)))]
    return np.array(sorted(kept))


def _absent(splits: dict[str, ImageSplit], labels: Sequence[str]) -> list[str]:
    """Return a line for each split in which classes have no image."""
    lines = []
    for split, part in splits.items():
        present = set(part.labels.tolist())
        absent = [label for i, label in enumerate(labels) if i not in present]
        if absent:
            lines.append(f"no {split} image of {len(absent)} classes: {', '.join(absent[:5])}")
    return lines


def _counts(splits: dict[str, ImageSplit], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    tallies = {s: np.bincount(p.labels, minlength=len(labels)) for s, p in splits.items()}
    return {label: {s: int(tallies[s][i]) for s in SPLITS} for i, label in enumerate(labels)}
