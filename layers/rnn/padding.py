"""Padded sequences for cuDNN, which only reads right-padded ones."""

from typing import Any

import tensorflow as tf


class Padding:
    """The block of valid steps of each example, and how to move it to the start of the sequence.

    A right-padded sequence that is read from its end is left-padded.

    Args:
        mask: [B, T, 1] bool.

    Attributes:
        valid: [B, T, 1] bool, the mask of the moved sequences.
        last: [B, 1], the last valid step of the moved sequences.
        steps: [1, T], 0 … T-1.
    """

    def __init__(self, mask: Any):
        self.mask = mask
        count = tf.cast(mask[:, :, 0], tf.int32)
        self.first = tf.argmax(count, axis=1, output_type=tf.int32)[:, None]  # [B, 1]
        self.last = tf.reduce_sum(count, axis=1)[:, None] - 1
        self.steps = tf.range(tf.shape(mask)[1])[None]
        self.valid = (self.steps <= self.last)[:, :, None]

    def to_the_right(self, x: Any) -> Any:
        """Move the block to the start, so that the padding is on its right. x: [B, T, ·]

        Raises:
            tf.errors.InvalidArgumentError: when the graph runs with a mask that leaves more than
                one block of steps, or none.
        """
        source = tf.minimum(self.steps + self.first, self.steps[0, -1])
        inside = (self.steps >= self.first) & (self.steps <= self.first + self.last)
        one_block = tf.reduce_all(inside == self.mask[:, :, 0])
        message = "watch(fused=True): a mask must leave one block of steps in each sequence"
        with tf.control_dependencies(
            [tf.debugging.Assert(one_block & tf.reduce_all(self.last >= 0), [message])]
        ):
            return tf.gather(x, source, batch_dims=1)

    def back(self, moved: Any) -> Any:
        """Move the block back to its place. A masked step after it repeats its last step."""
        source = tf.clip_by_value(self.steps - self.first, 0, self.last)
        return tf.gather(moved, source, batch_dims=1)
