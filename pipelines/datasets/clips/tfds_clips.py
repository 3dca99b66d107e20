"""Clips and labels out of TFDS sets. Importing this module imports TensorFlow."""

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from ...core.errors import UserError
from ..builders import prepare
from ..images.resizing import resizing_layer
from ..images.tfds_images import ImageSet, Selection
from ..tfds_sets import check_on_disk, check_train, features_of, features_of_type, find_builder
from .moving_digit_clips import MovingDigits
from .moving_digits import FRAMES
from .videos import spaced_indices


class ClipSet(ImageSet):
    """A prepared TFDS set of films with a class label: a set of images that are films.

    Args:
        dataset: its name; None is the embedded default.

    Raises:
        UserError: unknown or unprepared set, no train split, no film with a class label.
    """

    def __init__(self, dataset: str | None):
        name = MovingDigits.name if dataset is None else dataset
        self.embedded = name == MovingDigits.name
        if self.embedded:
            self.builder = prepare(MovingDigits)
            self.image, self.label = self.builder.info.supervised_keys
        else:
            self.builder = find_builder(name)
            self.image, self.label = video_and_label(self.builder)
            check_on_disk(self.builder, name)
        check_train(self.builder, dataset)
        self.labels = features_of(self.builder)[self.label].names

    def clips(
        self, chosen: Selection, frames: int, size: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Evenly spaced frames of the chosen films, uint8 [N, F, H, W, C], in their order.

        And the labels of these frames, int32 [N, F], which the embedded set alone has.

        Raises:
            UserError: more frames than the clips of the embedded set have.
        """
        if self.embedded and frames > FRAMES:
            raise UserError(
                f"--frames {frames}: the clips of {self.builder.name} have {FRAMES} frames; ask for"
                " at most so many"
            )
        channels = features_of(self.builder)[self.image].shape[3] or 3
        clips = np.empty([len(chosen.places), frames, size, size, channels], np.uint8)
        labels = np.empty([len(clips), frames], np.int32) if self.embedded else None
        for place, film in enumerate(self._films(chosen, frames, size).as_numpy_iterator()):
            clips[place] = film["clip"]
            if labels is not None:
                labels[place] = film["frame_labels"]
        return clips, labels

    def _films(self, chosen: Selection, frames: int, size: int) -> tf.data.Dataset:
        """{"clip": uint8 [F, H, W, C]}, and "frame_labels" [F] where the set has them."""
        feature = features_of(self.builder)[self.image]
        fit = resizing_layer(size, size)

        def film(_, example):
            if self.embedded:
                taken = spaced_indices(FRAMES, frames)
                clip = tf.gather(feature.decode_example(example[self.image]), taken)
                given = {"frame_labels": tf.gather(example["frame_labels"], taken)}
            else:
                clip, given = _decoded(example[self.image], feature.feature, frames), {}
            if feature.shape[1:3] != (size, size):
                clip = tf.round(tf.clip_by_value(fit(tf.cast(clip, tf.float32)), 0.0, 255.0))
            return {"clip": tf.cast(clip, tf.uint8), **given}

        return self._chosen(chosen).map(film, num_parallel_calls=tf.data.AUTOTUNE)


def _decoded(encoded, image: tfds.features.Image, frames: int):
    """Evenly spaced ones of a film's frames [F]: only they are decoded, uint8 [frames, H, W, C]."""
    last = tf.cast(tf.shape(encoded)[0] - 1, tf.float64)
    taken = tf.cast(tf.round(tf.linspace(tf.zeros_like(last), last, frames)), tf.int32)
    return tf.map_fn(image.decode_example, tf.gather(encoded, taken), fn_output_signature=tf.uint8)


def video_and_label(builder: tfds.core.DatasetBuilder) -> tuple[str, str]:
    """The names of the film and of its class label: the supervised pair or the only one."""
    videos = features_of_type(builder, tfds.features.Video)
    labels = features_of_type(builder, tfds.features.ClassLabel)
    supervised = builder.info.supervised_keys
    if supervised and supervised[0] in videos and supervised[1] in labels:
        return supervised
    if len(videos) == len(labels) == 1:
        return videos[0], labels[0]
    raise UserError(
        f"--dataset {builder.name}: no set of films with a class: it has {len(videos)} videos and"
        f" {len(labels)} class labels ({', '.join(features_of(builder))})"
    )
