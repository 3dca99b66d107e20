"""Images and captions out of TFDS datasets. Importing this module loads TensorFlow."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from ...core.errors import UserError
from ..splits import SPLIT_NAMES, SPLITS, Row, assign_splits
from ..tfds_sets import check_on_disk, check_train, features_of, features_of_type, find_builder
from ..utf8 import collapse_whitespace
from .image_text_data import AnnotatedImages, ImageTextItems, digest_of

_SPLIT_NAMES = SPLIT_NAMES | {
    "validation": (*SPLIT_NAMES["validation"], "val")
}  # val: in coco_captions


def read(dataset: str) -> ImageTextItems:
    """Read the images and captions of a prepared TFDS dataset.

    A missing validation or test split (or one without captions) is carved from train, a tenth each,
    by the images' indices. Images without a caption are left out.

    Raises:
        UserError: unknown or unprepared dataset, no train split, too few images with captions.
    """
    builder = find_builder(dataset)
    image, _ = image_and_captions(builder)  # check before the user downloads it
    check_on_disk(builder, dataset)
    check_train(builder, dataset)
    images_of, problems = {}, []
    for split in SPLITS:
        for name in [name for name in _SPLIT_NAMES[split] if name in builder.info.splits][:1]:
            images_of[split], left_out = _annotated(builder, name)
            problems += left_out
    missing = [
        split for split in SPLITS[1:] if split not in images_of or not images_of[split].texts
    ]
    if (number := len(images_of["train"].texts)) <= len(missing):
        raise UserError(
            f"--dataset {dataset}: {number} training images with a caption, too few; choose another"
            " dataset"
        )
    if missing:
        images_of |= _carve(images_of["train"], ["train", *missing])
        problems.append(f"{builder.name}: no {' and no '.join(missing)} split; carved from train")
    height, width, channels = features_of(builder)[image].shape
    return ImageTextItems(
        images_of, (height, width, channels or 3), problems, builder.info.full_name
    )


def image_and_captions(builder: tfds.core.DatasetBuilder) -> tuple[str, bool]:
    """Return the name of the image, and whether "captions" have a "text" among other features."""
    images = features_of_type(builder, tfds.features.Image)
    caption = getattr(features_of(builder).get("captions"), "feature", None)
    nested = isinstance(caption, tfds.features.FeaturesDict)
    if len(images) != 1 or caption is None or (nested and "text" not in caption):
        raise UserError(
            f'--dataset {builder.name}: needs one image and a sequence "captions"; it has'
            f" {len(images)} images ({', '.join(features_of(builder))})"
        )
    return images[0], nested


def _annotated(builder: tfds.core.DatasetBuilder, split: str) -> tuple[AnnotatedImages, list[str]]:
    """Return the images of a split that have captions, and the problem if some have none."""
    image, nested = image_and_captions(builder)
    texts, digests, indices = [], [], []
    examples: Any = _undecoded(builder, split, image, captions={"text"} if nested else True)
    for index, example in enumerate(examples.as_numpy_iterator()):
        raw = example["captions"]["text"] if nested else example["captions"]
        if captions := list(dict.fromkeys(filter(None, map(_clean, raw)))):
            texts.append(captions)
            digests.append(digest_of(example[image]))
            indices.append(index)
    annotated = AnnotatedImages(
        texts,
        [[] for _ in texts],
        digests,
        np.zeros(len(texts), bool),
        lambda selected: ImageStream(builder, split, np.array(indices, int)[selected]),
    )
    number = builder.info.splits[split].num_examples
    without = f"{number - len(texts):,} of {number:,} images have no caption; left out"
    return annotated, [f"{builder.name} {split}: {without}"] if len(texts) < number else []


def _undecoded(
    builder: tfds.core.DatasetBuilder, split: str, image: str, **others: Any
) -> tf.data.Dataset:
    """Return the examples of a split in order: the image undecoded, and other features."""
    decoders = tfds.decode.PartialDecoding(
        {image: True, **others}, decoders={image: tfds.decode.SkipDecoding()}
    )
    return builder.as_dataset(split, decoders=decoders, shuffle_files=False)


def _clean(raw: bytes) -> str:
    return collapse_whitespace(unicodedata.normalize("NFC", raw.decode("utf-8", "replace")))


def _carve(train: AnnotatedImages, splits: Sequence[str]) -> dict[str, AnnotatedImages]:
    rows = [Row("", str(index)) for index in range(len(train.texts))]
    return {
        split: train.select(np.array([int(row.text) for row in kept]))
        for split, kept in assign_splits(rows, splits).items()
    }


class ImageStream:
    """The images at some indices of a TFDS split, uint8 [H, W, C], decoded during iteration."""

    def __init__(self, builder: tfds.core.DatasetBuilder, split: str, indices: np.ndarray) -> None:
        self.builder = builder
        self.split = split
        self.indices = indices  # ascending

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[np.ndarray]:
        image, _ = image_and_captions(self.builder)
        wanted = np.zeros(self.builder.info.splits[self.split].num_examples, bool)
        wanted[self.indices] = True
        mask: Any = tf.constant(wanted)
        feature = features_of(self.builder)[image]
        is_wanted: Any = lambda index, _: mask[index]  # noqa: E731
        decode: Any = lambda _, example: feature.decode_example(example[image])  # noqa: E731
        chosen = _undecoded(self.builder, self.split, image).enumerate().filter(is_wanted)
        decoded = chosen.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        return decoded.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
