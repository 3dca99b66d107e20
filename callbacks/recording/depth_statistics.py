"""The figures of the error at a layer's output, and of the output itself, in the graph."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from ...layers.rnn.sums_of_squares import sum_of_squares
from ...layers.rnn.xla_context import may_be_compiled

RELIABLE = 1e-20, 1e30  # of the largest ‖x(b)‖²: float32 gives it to full precision


def error_figures(errors: Sequence[Any]) -> Any:
    """Return the sum over the examples of ‖δ(b)‖² and the largest of them, [2] float64.

    Args:
        errors: of each tensor that a layer returns, [B, …]; the norm is over all of them.
    """
    norms = tf.add_n([squared_norms(error) for error in errors])
    return tf.stack([tf.reduce_sum(norms), tf.reduce_max(tf.concat([norms, [0.0]], axis=0))])


def squared_norms(x: Any) -> Any:
    """Return ‖x(b)‖² of each example: [B, …] → [B] float64.

    Without XLA, TensorFlow has an operation that reads x once; in float64, it would take three
    times as long. So the norms are computed in float32, and once more in float64 only if they are
    too small or too large for float32.
    """
    x = tf.convert_to_tensor(x)  # the error of an embedding may be sparse
    if may_be_compiled():
        return _wide(x)
    norms = tf.reduce_sum(_sum_of_squares(_rows(_at_least_float32(x)), axis=2), axis=1)
    largest = tf.reduce_max(tf.concat([norms, [0.0]], axis=0))
    is_reliable = (largest > RELIABLE[0]) & (largest < RELIABLE[1])
    return tf.cond(is_reliable, lambda: norms, lambda: _wide(x))


def _sum_of_squares(x, axis):
    """Σ x² along an axis, in float64. XLA does not know the norm as one operation."""
    if may_be_compiled():
        return tf.cast(tf.reduce_sum(tf.square(x), axis), tf.float64)
    return tf.square(tf.cast(tf.raw_ops.EuclideanNorm(input=x, axis=axis), tf.float64))


def _wide(x):
    """In float64, as sums of sums. XLA compiles a single sum along rows to a scalar loop; the
    maximum between the two sums keeps it from merging them into one.
    """
    sums = tf.maximum(sum_of_squares(_rows(x), axis=1), tf.zeros([], tf.float64))  # NaN stays NaN
    return tf.reduce_sum(sums, axis=1)


def _rows(x):
    """[B, R, …] → [B, R, ·]"""
    return tf.reshape(x, [tf.shape(x)[0], _product(x, 1, 2), _product(x, 2, None)])


def _at_least_float32(x):
    return x if x.dtype == tf.float64 else tf.cast(x, tf.float32)


def _product(x, first, end):
    """The number of elements along some axes; an empty batch does not let `reshape` infer it."""
    static = x.shape[first:end]
    if static.is_fully_defined():
        return math.prod(static)
    return tf.reduce_prod(tf.shape(x)[first:end])


def output_figures(outputs: Sequence[Any], channels_first: bool) -> Any:
    """Return the number of values, Σ a, Σ a² and the share of units that are zero, [4] float64.

    A unit is an element of the last axis (of the second one if `channels_first`). It is zero if it
    is so for every example and place. (To float32, the square of 1e-23 is zero too.)

    Args:
        outputs: the tensors that a layer returns, each [B, …].
    """
    totals, squares = zip(*(_per_unit(x, channels_first) for x in outputs), strict=True)
    counts = [tf.cast(tf.size(x), tf.float64) for x in outputs]
    is_zero = tf.concat([tf.cast(units == 0, tf.float64) for units in squares], axis=0)
    total, square = (tf.add_n([*map(tf.reduce_sum, sums)]) for sums in (totals, squares))
    return tf.stack([tf.add_n(counts), total, square, tf.reduce_mean(is_zero)])


def _per_unit(x, channels_first):
    """Σ a and Σ a² of each unit, [C] float64; of each example in float32, so that they are exact"""
    axis = 1 if channels_first else -1
    x = _at_least_float32(x)
    if x.shape.rank == 1:
        x = x[:, None]
    examples, units = tf.shape(x)[0], x.shape[axis] or tf.shape(x)[axis]
    if channels_first:
        parts, places = tf.reshape(x, [examples, units, _product(x, 2, None)]), 2
    else:
        parts, places = tf.reshape(x, [examples, _product(x, 1, -1), units]), 1
    sums = tf.reduce_sum(parts, places), _sum_of_squares(parts, places)  # each [B, C]
    return [tf.reduce_sum(tf.cast(of_example, tf.float64), axis=0) for of_example in sums]
