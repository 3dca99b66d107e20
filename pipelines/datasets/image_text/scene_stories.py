"""The embedded dataset of `stories`, as a TFDS builder. Importing this module loads TensorFlow."""

from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from .scene_builder import SceneBuilder
from .scene_drawing import SIDE, Stamps, draw_appearance, paint
from .scene_events import EVENTS, describe, draw_story, scenes_of, story_text

_DESCRIPTION = """
Five pictures of handwritten digits between which four things happen, and the story of it, a
sentence a picture; and each picture described by itself. About a fifth of all plots is in half of
the test stories and nowhere else: there `unseen` is true.
"""


class SceneStories(SceneBuilder):
    """Images -> story: 16,000 to train, 400 to validate, 800 to test."""

    VERSION = tfds.core.Version("1.4.0")  # 1.3.0 had half as many in train
    sizes = {"train": 16_000, "validation": 400, "test": 800}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        images = tfds.features.Tensor(  # a third of a Video's time and space
            shape=(EVENTS + 1, SIDE, SIDE, 1), dtype=np.uint8, encoding=tfds.features.Encoding.ZLIB
        )
        return self.dataset_info_from_configs(
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "images": images,
                    "story": tfds.features.Text(),
                    "descriptions": tfds.features.Sequence(tfds.features.Text()),
                    "unseen": np.bool_,
                }
            ),
            supervised_keys=("images", "story"),
        )

    def example(
        self, random: np.random.Generator, stamps: Stamps, split: str, unseen: bool
    ) -> dict[str, Any]:
        story = draw_story(random, held_out=unseen)
        appearances = {}  # a thing keeps its appearance from image to image
        for event in story:
            if event.number:
                digits = len(stamps[event.size][event.value])
                appearances[event.value] = draw_appearance(random, digits)
        scenes = scenes_of(story)
        images = [
            paint(scene, [appearances[thing.group.value] for thing in scene], stamps)
            for scene in scenes
        ]
        return {
            "images": np.stack(images),
            "story": story_text(story),
            "descriptions": [*map(describe, scenes)],
        }
