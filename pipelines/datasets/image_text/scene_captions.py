"""The embedded dataset of `captions`, as a TFDS builder. Importing this module loads TensorFlow."""

from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from .scene_builder import SceneBuilder
from .scene_drawing import SIDE, Stamps, draw_appearances, paint
from .scenes import draw_scene, facts_of, wordings

_DESCRIPTION = """
Scenes of one or two groups of handwritten digits, each with every caption that is right. Ten of the
60 combinations of count, size and value are in half of the test scenes and nowhere else: there
`unseen` is true.
"""


class SceneCaptions(SceneBuilder):
    """Image -> captions: 60,000 to train, 500 to validate, 1,000 to test."""

    VERSION = tfds.core.Version("1.4.0")  # 1.3.0 had half as many in train, with one caption each
    sizes = {"train": 60_000, "validation": 500, "test": 1_000}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(SIDE, SIDE, 1), dtype=np.uint8),
                    "captions": tfds.features.Sequence(tfds.features.Text()),
                    "unseen": np.bool_,
                }
            ),
            supervised_keys=("image", "captions"),
        )

    def example(
        self, random: np.random.Generator, stamps: Stamps, split: str, unseen: bool
    ) -> dict[str, Any]:
        scene = draw_scene(random, held_out=unseen)
        captions = random.permutation(wordings(facts_of(scene))).tolist()
        return {
            "image": paint(scene, draw_appearances(random, scene, stamps), stamps),
            "captions": captions,
        }
