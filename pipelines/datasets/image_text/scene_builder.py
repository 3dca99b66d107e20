"""What the builders of captions and stories share. Importing this module imports TensorFlow."""

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
    """ImageTextItems of scenes and what is said of them, drawn from a fixed seed.

    The digits of a split are those of that split of `mnist_digits`, those of train also turned and
    slanted; the config has that set's name, so what was made of other digits is never taken for
    this. In test, every other example is of something that train and validation never show.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = MnistDigits.BUILDER_CONFIGS
    sizes: dict[str, int]  # of the splits

    def example(
        self, random: np.random.Generator, stamps: Stamps, split: str, unseen: bool
    ) -> dict[str, Any]:
        """All features but `unseen`."""
        raise NotImplementedError

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        digits = MnistDigits()
        images, values = digits.arrays()
        of = stratified_split(images, values, digits.shares)
        drawn = {split: (images[of[split]], values[of[split]]) for split in SPLITS}
        drawn["train"] = with_variants(*drawn["train"], np.random.default_rng(SEED))
        return {
            split: self._generate_examples(split, make_stamps(*drawn[split])) for split in SPLITS
        }

    def _generate_examples(self, split, stamps):
        random = np.random.default_rng([SEED, SPLITS.index(split)])
        for number in range(self.sizes[split]):
            unseen = split == "test" and number % 2 == 1
            yield number, self.example(random, stamps, split, unseen) | {"unseen": unseen}


def read_scenes(builder_class: type[SceneBuilder]) -> ImageTextItems:
    """What a builder makes, prepared on first use; the images of a split are one array."""
    builder = prepare(builder_class)
    images_of = {split: _told(builder, split) for split in SPLITS}
    return ImageTextItems(images_of, (SIDE, SIDE, 1), [], builder.info.full_name)


def _told(builder: tfds.core.DatasetBuilder, split: str) -> AnnotatedImages:
    pictures, said = builder.info.supervised_keys
    number = builder.info.splits[split].num_examples
    images = np.empty((number, *builder.info.features[pictures].shape), np.uint8)
    unseen = np.empty(number, bool)
    texts, descriptions = [], []
    examples: Any = builder.as_dataset(split, shuffle_files=False)
    for place, example in enumerate(examples.as_numpy_iterator()):
        images[place], unseen[place] = example[pictures], example["unseen"]
        texts.append(_decoded(np.atleast_1d(example[said])))
        descriptions.append(_decoded(example.get("descriptions", [])))

    def take(places: np.ndarray) -> np.ndarray:
        return images if len(places) == number else images[places]  # all of them without a copy

    digests = [digest_of(image.tobytes()) for image in images]
    return AnnotatedImages(texts, descriptions, digests, unseen, take)


def _decoded(texts: Iterable[bytes]) -> list[str]:
    return [text.decode() for text in texts]
