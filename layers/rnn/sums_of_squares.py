"""Sums of squares of numbers such as 1e-25, whose squares are too small for float32."""

from typing import Any

import tensorflow as tf

RANGE = 1e-30, 1e30  # of the scale: its reciprocal and the scaled numbers stay normal numbers


def sum_of_squares(tensor: Any, axis: int) -> Any:
    """Return Σ x² along an axis, in float64.

    With a GPU, the elements are squared and added in float32: consumer GPUs have few units for
    float64. Numbers of float64 keep their precision everywhere.
    """
    if tensor.dtype != tf.float64 and tf.config.list_logical_devices("GPU"):
        return scaled_sum_of_squares(tensor, axis)
    wide = tf.cast(tensor, tf.float64)
    return tf.reduce_sum(wide * wide, axis)


def scaled_sum_of_squares(tensor: Any, axis: int) -> Any:
    """Return Σ x² along an axis as s² Σ (x / s)², s near the largest |x|.

    The sum is computed in float32, s² and the result in float64. The relative error is below 1e-6
    for up to some thousand elements along the axis.
    """
    tensor = tf.cast(tensor, tf.float32)
    largest = tf.reduce_max(tf.abs(tensor), axis, keepdims=True)
    reciprocal = 1.0 / tf.clip_by_value(largest, *RANGE)
    scaled = tensor * reciprocal
    total = tf.cast(tf.reduce_sum(scaled * scaled, axis), tf.float64)
    return total / tf.square(tf.cast(tf.squeeze(reciprocal, axis), tf.float64))


def total_square(tensor: Any) -> Any:
    """Return Σ x² over all elements, in float64; with a GPU as in `sum_of_squares`."""
    width = tf.concat([[1], tf.shape(tensor)], axis=0)[-1]
    return tf.reduce_sum(sum_of_squares(tf.reshape(tensor, [-1, width]), axis=1))
