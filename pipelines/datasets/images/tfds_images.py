"""Images and labels out of TFDS datasets. Importing this module loads TensorFlow."""

import hashlib
import json
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from ..builders import prepare
from ..splits import SPLITS, split_of
from ..tfds_sets import check_on_disk, check_train, example_and_label, features_of, find_builder
from .digits import embedded_builders


class Selection(NamedTuple):
    """Examples of a split of a TFDS dataset: their indices in it, and their labels."""

    split: str
    indices: np.ndarray  # [N], ascending
    labels: np.ndarray  # [N] int32


class ImageSet:
    """A prepared TFDS dataset of images with a class label.

    Args:
        dataset: its name; None is the embedded default.

    Raises:
        UserError: unknown or unprepared dataset, no train split, no image with a class label.
    """

    def __init__(self, dataset: str | None) -> None:
        own = {builder.name: builder for builder in embedded_builders()}
        name = next(iter(own)) if dataset is None else dataset
        if name in own:
            self.builder = prepare(own[name])
        else:
            self.builder = find_builder(name)
            _image_and_label(self.builder)  # check before the user downloads it
            check_on_disk(self.builder, name)
        self.image, self.label = _image_and_label(self.builder)
        check_train(self.builder, dataset)
        self.labels: list[str] = features_of(self.builder)[self.label].names
        shape = features_of(self.builder)[self.image].shape
        self.shape = (shape[0], shape[1], shape[2] or 3)

    def select_splits(self) -> tuple[dict[str, Selection], list[str]]:
        """Return the examples of train, validation and test, and the problems.

        If there is no labelled test split, the validation split is used for the test. A missing
        validation split is a tenth of train, selected by a hash of the indices.
        """
        read = {split: self._labels(split) for split in SPLITS if split in self.builder.info.splits}
        labelled = {split: selection for split, selection in read.items() if len(selection.indices)}
        problems = []
        if "test" not in labelled and "validation" in labelled:
            labelled["test"] = labelled.pop("validation")
            problems.append(
                f"{self.builder.name}: no test labels; its validation split is the test"
            )
        missing = [split for split in SPLITS[1:] if split not in labelled]
        if missing:
            labelled |= _carve(labelled["train"], ("train", *missing))
            problems.append(
                f"{self.builder.name}: no {' and no '.join(missing)} split left; a tenth"
                " of train each"
            )
        return labelled, problems

    def _labels(self, split: str) -> Selection:
        """Return the labelled examples of a split; images stay undecoded."""
        labels = self._encoded(split).map(lambda example: example[self.label])
        read = np.concatenate([*labels.batch(4096).as_numpy_iterator(), []]).astype(np.int32)
        indices = np.flatnonzero(read >= 0)  # TFDS marks the hidden labels of a competition by -1
        return Selection(split, indices, read[indices])

    def _encoded(self, split: str) -> tf.data.Dataset:
        return self.builder.as_dataset(
            split, decoders={self.image: tfds.decode.SkipDecoding()}, shuffle_files=False
        )

    def examples(self, selection: Selection) -> tf.data.Dataset:
        """Return (image uint8 [H, W, C], label) of the selected examples, in their order."""
        decode = features_of(self.builder)[self.image].decode_example

        def pair(_: Any, example: dict[str, Any]) -> tuple[Any, Any]:
            return decode(example[self.image]), example[self.label]

        return self._select(selection).map(pair, num_parallel_calls=tf.data.AUTOTUNE)

    def _select(self, selection: Selection) -> tf.data.Dataset:
        """Return (index, undecoded example) of the selected examples."""
        wanted = np.zeros(self.builder.info.splits[selection.split].num_examples, bool)
        wanted[selection.indices] = True
        mask: Any = tf.constant(wanted)
        is_selected: Any = lambda index, _: mask[index]  # noqa: E731
        return self._encoded(selection.split).enumerate().filter(is_selected)

    @property
    def content_hash(self) -> str:
        """Hash of the dataset's name, version and files; embedded ones have a hash in the name."""
        info = self.builder.info
        splits = {
            name: [s.num_examples, s.num_bytes, list(s.shard_lengths)]
            for name, s in sorted(info.splits.items())
        }
        return hashlib.sha256(json.dumps([info.full_name, splits]).encode()).hexdigest()


def _carve(train: Selection, splits: tuple[str, ...]) -> dict[str, Selection]:
    numbers = np.array([splits.index(split_of(str(index), splits)) for index in train.indices])
    return {
        split: Selection(train.split, train.indices[numbers == i], train.labels[numbers == i])
        for i, split in enumerate(splits)
    }


def _image_and_label(builder: tfds.core.DatasetBuilder) -> tuple[str, str]:
    return example_and_label(builder, tfds.features.Image, "images")
