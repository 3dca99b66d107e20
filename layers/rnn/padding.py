"""The valid steps of a batch, side by side, for loops that read sequences of different lengths."""

from typing import Any

import tensorflow as tf

from .equations import map_fields
from .matrix_products import swap_batch_and_time


class Padding:
    """The valid steps of each example, moved to the start of its sequence, and back.

    A masked step copies the state before it, so a loop need not read it: its output is that of the
    valid step before it.

    Args:
        mask: [B, T, 1] bool.

    Attributes:
        mask: the mask.
        counts: the number of valid steps of each example, [B].
    """

    def __init__(self, mask: Any):
        self.mask = mask
        valid = mask[:, :, 0]
        self.counts = tf.reduce_sum(tf.cast(valid, tf.int32), axis=1)
        number = tf.math.cumsum(tf.cast(valid, tf.int32), axis=1)  # of valid steps up to t
        masked = tf.range(1, tf.shape(valid)[1] + 1) - number + self.counts[:, None]
        self._source = tf.argsort(tf.where(valid, number, masked), axis=1)
        self._latest = tf.maximum(number - 1, 0)  # the place of the latest valid step

    def to_the_start(self, x: Any) -> Any:
        """Move the valid steps to the start, in their order, and the masked ones behind them.

        Args:
            x: [B, T, ·].
        """
        return tf.gather(x, self._source, batch_dims=1)

    def back(self, moved: Any) -> Any:
        """Move each step back to its place; a masked one repeats the valid step before it."""
        return tf.gather(moved, self._latest, batch_dims=1)

    def norms_back(self, norms: Any) -> Any:
        """Move figures of each step back to their places, [T, B]."""
        return swap_batch_and_time(self.back(swap_batch_and_time(norms)))

    def last(self, last: Any, initial: Any) -> Any:
        """Return the last states, those of an example without a valid step being the initial ones.

        Args:
            last, initial: states, fields [B, H].
        """
        some = self.counts[:, None] > 0
        return map_fields(lambda a, b: tf.where(some, a, b), last, initial)
