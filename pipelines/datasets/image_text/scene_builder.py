"""The base class of the builders of scenes. Importing this module loads TensorFlow."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from ..builders import Builder, prepare
from ..images.digits import MnistDigits, stratified_split
from ..splits import SPLITS
from .image_text_data import AnnotatedImages, ImageTextItems, digest_of
from .scene_drawing import SIDE, Stamps, make_stamps, with_variants

SEED = 1


class SceneBuilder(Builder, skip_registration=True):  # pyright: ignore[reportGeneralTypeIssues, reportCallIssue]
    """Images of scenes and their texts, drawn from a fixed seed.

    Each split uses the digits of the same split of `mnist_digits`; those of train are also rotated
    and slanted. The config has the name of that dataset's config, so data made from other digits
    are never used in its place. In test, every other example shows a combination that train and
    validation never show.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = MnistDigits.BUILDER_CONFIGS
    sizes: dict[str, int]  # number of examples of each split

    def example(
        self, random: np.random.Generator, stamps: Stamps, split: str, unseen: bool
    ) -> dict[str, Any]:
        """Return the features of an example, except `unseen`."""
        raise NotImplementedError

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        digits = MnistDigits()
        images, values = digits.arrays()
        indices_of = stratified_split(images, values, digits.shares)
        digits_of = {s: (images[indices_of[s]], values[indices_of[s]]) for s in SPLITS}
        digits_of["train"] = with_variants(*digits_of["train"], np.random.default_rng(SEED))
        return {
            split: self._generate_examples(split, make_stamps(*digits_of[split]))
            for split in SPLITS
        }

    def _generate_examples(self, split, stamps):
        random = np.random.default_rng([SEED, SPLITS.index(split)])
        for number in range(self.sizes[split]):
            unseen = split == "test" and number % 2 == 1
            yield number, self.example(random, stamps, split, unseen) | {"unseen": unseen}


def read_scenes(builder_class: type[SceneBuilder]) -> ImageTextItems:
    """Read the dataset of a builder, prepared on first use; the images of a split are one array."""
    builder = prepare(builder_class)
    images_of = {split: _annotated(builder, split) for split in SPLITS}
    return ImageTextItems(images_of, (SIDE, SIDE, 1), [], builder.info.full_name)


def _annotated(builder: tfds.core.DatasetBuilder, split: str) -> AnnotatedImages:
    image_key, text_key = builder.info.supervised_keys
    number = builder.info.splits[split].num_examples
    images = np.empty((number, *builder.info.features[image_key].shape), np.uint8)
    unseen = np.empty(number, bool)
    texts, descriptions = [], []
    examples: Any = builder.as_dataset(split, shuffle_files=False)
    for index, example in enumerate(examples.as_numpy_iterator()):
        images[index], unseen[index] = example[image_key], example["unseen"]
        texts.append(_decoded(np.atleast_1d(example[text_key])))
        descriptions.append(_decoded(example.get("descriptions", [])))

    def load(indices: np.ndarray) -> np.ndarray:
        return images if len(indices) == number else images[indices]  # no copy of the whole

    digests = [digest_of(image.tobytes()) for image in images]
    return AnnotatedImages(texts, descriptions, digests, unseen, load)


def _decoded(texts: Iterable[bytes]) -> list[str]:
    return [text.decode() for text in texts]
