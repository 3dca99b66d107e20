"""The default clips of `actions`, as a TFDS builder. Importing this loads TensorFlow."""

import numpy as np
import tensorflow_datasets as tfds

from ..builders import Builder
from ..images.digits import MnistDigits, stratified_split
from ..splits import SPLITS
from . import moving_digits

_DESCRIPTION = """
Clips of 16 frames of 32×32 pixels: a digit of MNIST moves, turns or changes its size, one action
and then another. `label` is the action of at least 10 of the 15 steps from frame to frame, a frame
label that of the step that leads to its frame; the first frame has that of the second one and does
not count. The digits of the three splits are those of `mnist_digits`: none is in two of them.
"""


class MovingDigits(Builder):
    """Clips of moving digits: 6,000 to train, 500 to validate, 1,000 to test.

    The name of the config, that of `mnist_digits`, is the hash of the digits' file.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = MnistDigits.BUILDER_CONFIGS
    NUMBERS = {"train": 6000, "validation": 500, "test": 1000}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        shape = (moving_digits.FRAMES, moving_digits.SIZE, moving_digits.SIZE, 1)
        action = tfds.features.ClassLabel(names=moving_digits.ACTIONS)
        # One tensor needs three quarters of the space of single images, and half of their time.
        video = tfds.features.Tensor(shape=shape, dtype=np.uint8, encoding="zlib")
        frame_labels = tfds.features.Sequence(action, length=moving_digits.FRAMES)
        return self.dataset_info_from_configs(
            description=_DESCRIPTION,
            homepage=MnistDigits.homepage,
            features=tfds.features.FeaturesDict(
                {"video": video, "frame_labels": frame_labels, "label": action}
            ),
            supervised_keys=("video", "label"),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        digits = self.digits()
        return {split: self._generate_examples(split, digits[split]) for split in SPLITS}

    def _generate_examples(self, split, digits):
        clips = moving_digits.clips(digits, self.NUMBERS[split], seed=SPLITS.index(split))
        for number, clip in enumerate(clips):
            yield number, clip._asdict()

    def digits(self) -> dict[str, np.ndarray]:
        """Return the images, uint8 [N, 28, 28], of each split of `mnist_digits`."""
        mnist = MnistDigits()
        images, digits = mnist.arrays()
        indices_of = stratified_split(images, digits, mnist.shares)
        return {split: images[indices_of[split]] for split in SPLITS}
