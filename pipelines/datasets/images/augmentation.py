"""Random variations of images that preserve their label, drawn for each batch.

Each operation is a function (images float32 [B, H, W, C], seed [2]) → images, with pixels 0 … 255
and static H and W. The same seed draws the same variations, so runs can be repeated and resumed.
If the images are a part of a batch, a third argument says which: each image of a batch varies in
the same way, whatever the number of devices that share the batch.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf


class Batch(NamedTuple):
    """The batch that images are a part of: its size, and the number of images before the part."""

    size: Any
    start: Any


Operation = Callable[[Any, Any, Batch | None], Any]

# Sets of colour images whose meaning a mirror changes.
_WRITTEN = ("digits", "mnist", "svhn", "cmaterdb", "omniglot")


def recipe(kind: str) -> list[Operation]:
    """Return the operations of "digits", "photos", "signs", "objects" or "none"."""
    moved = affine(degrees=15, stretch=0.2, shift=0.1, outside="NEAREST")
    return {
        "digits": [affine(degrees=15, stretch=0.2, shift=0.1)],
        "photos": [flip, crop(margin=0.125), colour(0.2)],
        "signs": [moved, colour(0.2)],
        "objects": [flip, moved, colour(0.2)],
        "none": [],
    }[kind]


def kind_for(channels: int, dataset: str | None = None) -> str:
    """Return the recipe for images: "digits" for grey images and sets of writing, else "photos"."""
    written = any(word in (dataset or "") for word in _WRITTEN)
    return "digits" if channels == 1 or written else "photos"


def apply(
    operations: Sequence[Operation], images: Any, seed: Any, batch: Batch | None = None
) -> Any:
    """Apply all operations in order, each with its own random numbers.

    Args:
        operations: the operations.
        images: [B, H, W, C].
        seed: [2].
        batch: the batch that the images are a part of; None: they are all of it.
    """
    for number, operation in enumerate(operations):
        images = operation(images, tf.random.fold_in(seed, number), batch)
    return images


def flip(images: Any, seed: Any, batch: Batch | None = None) -> Any:
    """Mirror each image, left to right, with probability one half."""
    mirrored = _uniform([None, 1, 1, 1], images, seed, batch) < 0.5
    return tf.where(mirrored, tf.reverse(images, [2]), images)


def crop(margin: float) -> Operation:
    """Return an operation that pads images by `margin` · size with black and crops them at random.

    For CIFAR 0.125 is 4 pixels (He et al. 2016, section 4.2).
    """

    def cropped(images: Any, seed: Any, batch: Batch | None = None) -> Any:
        height, width = images.shape[1:3]
        down, across = math.ceil(margin * height), math.ceil(margin * width)
        wide: Any = tf.pad(images, [[0, 0], [down, down], [across, across], [0, 0]])
        draw = _uniform([None, 2], images, seed, batch)
        starts = draw * tf.cast([2 * down + 1, 2 * across + 1], tf.float32)
        starts = tf.cast(starts, tf.int32)
        rows = starts[:, :1] + tf.range(height)  # [B, H]
        columns = starts[:, 1:] + tf.range(width)  # [B, W]
        tall = tf.gather(wide, rows, axis=1, batch_dims=1)
        return tf.gather(tall, columns, axis=2, batch_dims=1)

    return cropped


def colour(strength: float) -> Operation:
    """Return an operation that scales brightness, contrast and saturation by 1 ± `strength`."""

    def coloured(images: Any, seed: Any, batch: Batch | None = None) -> Any:
        drawn = _uniform([3, None, 1, 1, 1], images, seed, batch)
        factors = 1 - strength + 2 * strength * drawn
        images = images * factors[0]
        middle = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
        images = middle + (images - middle) * factors[1]
        grey = tf.reduce_mean(images, axis=3, keepdims=True)
        return tf.clip_by_value(grey + (images - grey) * factors[2], 0.0, 255.0)

    return coloured


def affine(
    degrees: float = 0.0, stretch: float = 0.0, shift: float = 0.0, outside: str = "CONSTANT"
) -> Operation:
    """Return an operation that rotates, stretches and shifts images.

    Args:
        degrees: the largest rotation.
        stretch: the largest relative change of size, along each axis.
        shift: the largest shift, relative to the size, along each axis.
        outside: what lies around an image: "CONSTANT" for black, "NEAREST" for its border, which
            photographs go on with.
    """

    def transformed(images: Any, seed: Any, batch: Batch | None = None) -> Any:
        height, width = images.shape[1:3]
        size = tf.cast([height, width], tf.float32)
        angle, tall, wide, down, across = tf.unstack(
            2 * _uniform([5, None], images, seed, batch) - 1
        )
        angle *= math.radians(degrees)
        # Maps a pixel (x, y) of the result to its source pixel, around the middle:
        # [x', y'] = S R ([x, y] − middle − move) + middle
        cos, sin = tf.cos(angle), tf.sin(angle)
        tall, wide = 1.0 / (1.0 + stretch * tall), 1.0 / (1.0 + stretch * wide)
        a, b = wide * cos, -wide * sin
        d, e = tall * sin, tall * cos
        middle_y, middle_x = (size[0] - 1) / 2, (size[1] - 1) / 2
        x, y = middle_x + shift * across * size[1], middle_y + shift * down * size[0]
        zero = tf.zeros_like(a)
        rows = [a, b, middle_x - a * x - b * y, d, e, middle_y - d * x - e * y, zero, zero]
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=tf.stack(rows, axis=1),
            output_shape=[height, width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode=outside,
        )

    return transformed


def _uniform(shape: Sequence[int | None], images: Any, seed: Any, batch: Batch | None) -> Any:
    """Return random numbers of 0 … 1, drawn for a whole batch, for the images at hand.

    Args:
        shape: the shape; None stands for the number of images, which may be unknown before the
            step runs.
        images, seed, batch: the arguments of an operation.
    """
    count = tf.shape(images)[0]
    size, start = batch or (count, 0)
    whole: Any = [size if n is None else n for n in shape]
    drawn = tf.random.stateless_uniform(whole, seed)
    return tf.gather(drawn, start + tf.range(count), axis=shape.index(None))
