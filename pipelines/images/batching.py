"""Batches of images: resized, cached, augmented and normalised."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..datasets.images import augmentation as augment
from ..datasets.images.image_data import ImageSplit
from ..datasets.images.resizing import resizing_layer
from ..models.pretrained import match_channels
from ..training.batching import ENDLESS, known_length
from ..training.feeding import in_order, in_turn, size_of
from ..training.shares import WHOLE, Share, evenly_shared, replicas

CACHE_LIMIT = 2**31  # bytes of resized images; larger datasets are decoded in every epoch
SHUFFLE_BUFFER = 2**28  # bytes of images; 1,000 images if these are not more than CACHE_LIMIT
BATCH = 256  # images per batch of an evaluation, and of mean and standard deviation
BATCH_BYTES = 2**28  # of these as float32, unless one image is larger
STATISTICS_SAMPLE = 10_000  # images, for mean and standard deviation


def resized(
    part: ImageSplit, size: tuple[int, int], channels: int | None = None
) -> tf.data.Dataset:
    """Return the examples of a split, (uint8 [H, W, C], label), resized to `size` = (H, W).

    With `channels`, grey images become RGB, or RGB images grey.
    """
    spec: Any = part.examples.element_spec
    own: int = spec[0].shape[-1]
    wanted = channels or own
    if part.size == size and own == wanted:
        return part.examples
    layer = resizing_layer(*size)

    def fit(image, label):
        image = match_channels(layer(tf.cast(image, tf.float32)), wanted)
        return tf.cast(tf.round(tf.clip_by_value(image, 0.0, 255.0)), tf.uint8), label

    return part.examples.map(fit, num_parallel_calls=tf.data.AUTOTUNE)


def mean_and_std(images: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each channel, [C], over the first images.

    Pixels are scaled to 0 … 1; a constant channel has a standard deviation of 1.
    """
    count, first, second = 0, np.zeros(1), np.zeros(1)
    spec: Any = images.element_spec
    size = evaluation_batch(spec[0].shape)
    for batch, _ in images.take(STATISTICS_SAMPLE).batch(size).as_numpy_iterator():
        pixels = batch.reshape(-1, batch.shape[-1]) / 255.0
        count += len(pixels)
        first, second = first + pixels.sum(axis=0), second + (pixels**2).sum(axis=0)
    mean = first / count
    std = np.sqrt(np.maximum(second / count - mean**2, 0))
    return mean, np.where(std > 1e-3, std, 1.0)


def evaluation_batch(shape: Sequence[int]) -> int:
    """Return the number of images [H, W, C] in a batch of an evaluation: fewer if they are large.

    With several devices, they share each batch evenly.
    """
    return max(replicas(), min(BATCH, BATCH_BYTES // (4 * math.prod(shape))))


@dataclasses.dataclass
class ImageBatches:
    """Batches [B, H, W, C] of normalised float32 with one-hot targets [B, K].

    Attributes:
        images: N examples (uint8 [H, W, C], label).
        count: N.
        classes: K.
        size: the largest B; with several devices, B is a multiple of their number.
        seed: seed of the order and of the augmentation.
        mean, std: statistics of each channel, [C], for pixels of 0 … 1.
        operations: operations of `augmentation`, used in training only.
        target: maps the one-hot labels to the targets of a network with several outputs.
        passes: number of passes over the images in each epoch.
        weights: weight of each class in the training loss, [K]; None: none.
        epoch: number of the epoch whose order and augmentation the next pass uses.
    """

    images: tf.data.Dataset
    count: int
    classes: int
    size: int
    seed: int
    mean: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(1))
    std: np.ndarray = dataclasses.field(default_factory=lambda: np.ones(1))
    operations: Sequence[augment.Operation] = ()
    target: Callable[[Any], Any] = lambda one_hot: one_hot
    passes: int = 1
    weights: np.ndarray | None = None
    epoch: int = 0

    def __post_init__(self) -> None:
        self.size = evenly_shared(min(self.size, self.count), "images")
        spec: Any = self.images.element_spec
        bytes_each = int(np.prod(spec[0].shape))
        least = min(1_000, CACHE_LIMIT // bytes_each + 1)
        self._buffer_size = int(np.clip(SHUFFLE_BUFFER // bytes_each, least, self.count))
        if self.count * bytes_each <= CACHE_LIMIT:
            self.images = self.images.cache()

    @property
    def longest(self) -> int:
        """Images have no steps."""
        return 1

    @property
    def steps(self) -> int:
        """Number of batches per epoch; incomplete batches are dropped."""
        return self.count // self.size * self.passes

    def dataset(self) -> tf.data.Dataset:
        """Return one epoch of training, in the order and with the augmentation of `self.epoch`."""
        batches = self._passes(lambda: range(self._first, self._first + self.passes))
        return self._finish(batches, self.steps, self.operations, self.weights)

    def share(self, share: Share) -> tf.data.Dataset:
        """Return the batches of each own replica in turn, from `self.epoch` on without an end."""
        batches = self._passes(lambda: itertools.count(self._first))
        return self._finish(batches, ENDLESS, self.operations, self.weights, share)

    @property
    def _first(self) -> int:
        """The number of the first pass of `self.epoch`."""
        return self.epoch * self.passes

    def _passes(self, numbers: Callable[[], Iterable[int]]) -> tf.data.Dataset:
        """Return batches (images, labels, seed [2]) of some passes."""
        passes = tf.data.Dataset.from_generator(
            numbers, output_signature=tf.TensorSpec([], tf.int64)
        )
        return passes.flat_map(self._pass)

    def _pass(self, epoch: Any) -> tf.data.Dataset:
        """Return batches (images, labels, seed [2]) of one pass."""
        # Seed of this graph; with 0, TensorFlow would also test whether the other seed is 0.
        tf.random.set_seed(1)
        shuffled = self.images.shuffle(
            self._buffer_size,
            seed=self.seed + 1_000_003 * (epoch + 1),
            reshuffle_each_iteration=False,
        )
        batches = shuffled.batch(self.size, drop_remainder=True)

        def seeded(step, batch):
            return *batch, tf.random.fold_in(tf.stack([self.seed, epoch]), step)

        return batches.enumerate().map(seeded)

    def in_order(self) -> tf.data.Dataset:
        """Return every image once, in order and without augmentation, for validation."""
        batches = in_order(self.images, self.count, self.size)
        steps = int(batches.cardinality())
        return self._finish(batches.map(lambda image, label: (image, label, [0, 0])), steps, ())

    def _finish(
        self,
        batches: tf.data.Dataset,
        steps: int,
        operations: Sequence[augment.Operation],
        weights: np.ndarray | None = None,
        share: Share = WHOLE,
    ) -> tf.data.Dataset:
        """Augment, normalise and weigh the parts of batches that own replicas share."""

        def finish(images, labels, seed, batch):
            images = tf.cast(images, tf.float32)
            images = augment.apply(operations, images, seed, augment.Batch(batch[0], batch[1]))
            images = normalise(images, self.mean, self.std)
            targets = self.target(tf.one_hot(labels, self.classes))
            if weights is None:
                return images, targets
            # Keras takes one weight per output, in the structure of the targets.
            of_each = tf.gather(tf.constant(weights), labels)
            return images, targets, tf.nest.map_structure(lambda _: of_each, targets)

        parts = in_turn(batches, functools.partial(_parts, share))
        return known_length(parts.map(finish, num_parallel_calls=tf.data.AUTOTUNE), steps)


def _parts(share: Share, images: Any, labels: Any, seed: Any) -> list[tuple[Any, ...]]:
    """Return (images, labels, seed, [size of the batch, images before the part]) of each part."""
    size = size_of(images)
    return [
        (images[start:end], labels[start:end], seed, tf.stack([size, start]))
        for start, end in share.bounds(size)
    ]


def normalise(images: Any, mean: np.ndarray, std: np.ndarray) -> Any:
    """Return (pixels / 255 − mean) / std for images [B, H, W, C], mean and std [C]."""
    return images * tf.constant(1 / (255 * std), tf.float32) - tf.constant(mean / std, tf.float32)
