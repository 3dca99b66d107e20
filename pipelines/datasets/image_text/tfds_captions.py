"""Images and captions out of TFDS sets. Importing this module imports TensorFlow."""

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
    """The images and captions of a prepared TFDS set.

    A missing validation or test split (or one without captions) is carved from train, a tenth each,
    by the images' places. An image without a caption is left out.

    Raises:
        UserError: unknown or unprepared set, no train split, no or too few images with captions.
    """
    builder = find_builder(dataset)
    image, _ = image_and_captions(builder)  # an unusable set is not worth fetching
    check_on_disk(builder, dataset)
    check_train(builder, dataset)
    images_of, problems = {}, []
    for split in SPLITS:
        for name in [name for name in _SPLIT_NAMES[split] if name in builder.info.splits][:1]:
            images_of[split], left_out = _told(builder, name)
            problems += left_out
    missing = [
        split for split in SPLITS[1:] if split not in images_of or not images_of[split].texts
    ]
    if (number := len(images_of["train"].texts)) <= len(missing):
        raise UserError(
            f"--dataset {dataset}: {number} training images with a caption, too few; choose another"
            " set"
        )
    if missing:
        images_of |= _carve(images_of["train"], ["train", *missing])
        problems.append(f"{builder.name}: no {' and no '.join(missing)} split; carved from train")
    height, width, channels = features_of(builder)[image].shape
    return ImageTextItems(
        images_of, (height, width, channels or 3), problems, builder.info.full_name
    )


def image_and_captions(builder: tfds.core.DatasetBuilder) -> tuple[str, bool]:
    """The name of the image, and whether each of the "captions" has a "text" among other things."""
    images = features_of_type(builder, tfds.features.Image)
    each = getattr(features_of(builder).get("captions"), "feature", None)
    nested = isinstance(each, tfds.features.FeaturesDict)
    if len(images) != 1 or each is None or (nested and "text" not in each):
        raise UserError(
            f'--dataset {builder.name}: needs one image and a sequence "captions"; it has'
            f" {len(images)} images ({', '.join(features_of(builder))})"
        )
    return images[0], nested


def _told(builder: tfds.core.DatasetBuilder, split: str) -> tuple[AnnotatedImages, list[str]]:
    """What is told of the images of a split, and what was left out."""
    image, nested = image_and_captions(builder)
    texts, digests, places = [], [], []
    examples: Any = _undecoded(builder, split, image, captions={"text"} if nested else True)
    for place, example in enumerate(examples.as_numpy_iterator()):
        found = example["captions"]["text"] if nested else example["captions"]
        if captions := list(dict.fromkeys(filter(None, map(_clean, found)))):
            texts.append(captions)
            digests.append(digest_of(example[image]))
            places.append(place)
    told = AnnotatedImages(
        texts,
        [[] for _ in texts],
        digests,
        np.zeros(len(texts), bool),
        lambda chosen: Stream(builder, split, np.array(places, int)[chosen]),
    )
    number = builder.info.splits[split].num_examples
    without = f"{number - len(texts):,} of {number:,} images have no caption; left out"
    return told, [f"{builder.name} {split}: {without}"] if len(texts) < number else []


def _undecoded(
    builder: tfds.core.DatasetBuilder, split: str, image: str, **others: Any
) -> tf.data.Dataset:
    """The examples of a split in their order, the image as its file, and other features."""
    decoders = tfds.decode.PartialDecoding(
        {image: True, **others}, decoders={image: tfds.decode.SkipDecoding()}
    )
    return builder.as_dataset(split, decoders=decoders, shuffle_files=False)


def _clean(raw: bytes) -> str:
    return collapse_whitespace(unicodedata.normalize("NFC", raw.decode("utf-8", "replace")))


def _carve(train: AnnotatedImages, splits: Sequence[str]) -> dict[str, AnnotatedImages]:
    rows = [Row("", str(place)) for place in range(len(train.texts))]
    return {
        split: train.at(np.array([int(row.text) for row in kept]))
        for split, kept in assign_splits(rows, splits).items()
    }


class Stream:
    """The images at some places of a TFDS split, uint8 [H, W, C], decoded one by one."""

    def __init__(self, builder: tfds.core.DatasetBuilder, split: str, places: np.ndarray):
        self.builder = builder
        self.split = split
        self.places = places  # ascending

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[np.ndarray]:
        image, _ = image_and_captions(self.builder)
        wanted = np.zeros(self.builder.info.splits[self.split].num_examples, bool)
        wanted[self.places] = True
        mask: Any = tf.constant(wanted)
        feature = features_of(self.builder)[image]
        is_wanted: Any = lambda place, _: mask[place]  # noqa: E731
        decode: Any = lambda _, example: feature.decode_example(example[image])  # noqa: E731
        chosen = _undecoded(self.builder, self.split, image).enumerate().filter(is_wanted)
        decoded = chosen.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        return decoded.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
