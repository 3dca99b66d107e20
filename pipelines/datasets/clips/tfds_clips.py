"""Clips and labels out of TFDS datasets. Importing this module loads TensorFlow."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from ...core.errors import UserError
from ..builders import prepare
from ..images.resizing import resizing_layer
from ..images.tfds_images import ImageSet, Selection
from ..tfds_sets import check_on_disk, check_train, example_and_label, features_of, find_builder
from .moving_digit_clips import MovingDigits
from .moving_digits import FRAMES
from .videos import spaced_indices


class ClipSet(ImageSet):
    """A prepared TFDS dataset of videos with a class label.

    Args:
        dataset: its name; None is the embedded default.

    Raises:
        UserError: unknown or unprepared dataset, no train split, no video with a class label.
    """

    def __init__(self, dataset: str | None) -> None:
        name = MovingDigits.name if dataset is None else dataset
        self.embedded = name == MovingDigits.name
        if self.embedded:
            self.builder = prepare(MovingDigits)
            self.image, self.label = self.builder.info.supervised_keys
        else:
            self.builder = find_builder(name)
            self.image, self.label = example_and_label(self.builder, tfds.features.Video, "videos")
            check_on_disk(self.builder, name)
        check_train(self.builder, dataset)
        self.labels = features_of(self.builder)[self.label].names

    def clips(
        self, selection: Selection, frames: int, size: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return clips of the selected videos, in their order.

        Returns:
            Evenly spaced frames, uint8 [N, F, H, W, C], and the labels of these frames,
            int32 [N, F], which only the embedded dataset has.

        Raises:
            UserError: more frames than the clips of the embedded dataset have.
        """
        if self.embedded and frames > FRAMES:
            raise UserError(
                f"--frames {frames}: the clips of {self.builder.name} have {FRAMES} frames; use at"
                f" most {FRAMES}"
            )
        channels = features_of(self.builder)[self.image].shape[3] or 3
        clips = np.empty([len(selection.indices), frames, size, size, channels], np.uint8)
        labels = np.empty([len(clips), frames], np.int32) if self.embedded else None
        for index, video in enumerate(self._videos(selection, frames, size).as_numpy_iterator()):
            clips[index] = video["clip"]
            if labels is not None:
                labels[index] = video["frame_labels"]
        return clips, labels

    def _videos(self, selection: Selection, frames: int, size: int) -> tf.data.Dataset:
        """Return {"clip": uint8 [F, H, W, C]}, with "frame_labels" [F] if the dataset has them."""
        feature = features_of(self.builder)[self.image]
        fit = resizing_layer(size, size)

        def video(_: Any, example: dict[str, Any]) -> dict[str, Any]:
            if self.embedded:
                indices = spaced_indices(FRAMES, frames)
                clip = tf.gather(feature.decode_example(example[self.image]), indices)
                labels = {"frame_labels": tf.gather(example["frame_labels"], indices)}
            else:
                clip, labels = _decoded(example[self.image], feature.feature, frames), {}
            if feature.shape[1:3] != (size, size):
                clip = tf.round(tf.clip_by_value(fit(tf.cast(clip, tf.float32)), 0.0, 255.0))
            return {"clip": tf.cast(clip, tf.uint8), **labels}

        return self._select(selection).map(video, num_parallel_calls=tf.data.AUTOTUNE)


def _decoded(encoded: Any, image: tfds.features.Image, frames: int) -> Any:
    """Decode evenly spaced frames of a video [F] → uint8 [frames, H, W, C]."""
    last = tf.cast(tf.shape(encoded)[0] - 1, tf.float64)
    indices = tf.cast(tf.round(tf.linspace(tf.zeros_like(last), last, frames)), tf.int32)
    return tf.map_fn(
        image.decode_example, tf.gather(encoded, indices), fn_output_signature=tf.uint8
    )
