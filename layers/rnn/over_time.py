"""Arrays over time, [T, B, ·], that a loop reads and writes step by step."""

from typing import Any, Protocol

import tensorflow as tf

from .equations import map_fields


class Readable(Protocol):
    """An array over time that is read step by step, as a `tf.TensorArray`."""

    def read(self, index: Any) -> Any:
        """Return the entry of one step, [B, ·]."""
        ...


def readable(array: Any) -> Readable:
    """Return an array over time as a `Readable`; a `Readable` is returned unchanged."""
    if hasattr(array, "read"):
        return array
    return tf.TensorArray(
        array.dtype, size=tf.shape(array)[0], element_shape=array.shape[1:], clear_after_read=False
    ).unstack(array)


def buffer(steps: Any, like: Any, width: int) -> tf.TensorArray:
    """Return a TensorArray of `steps` entries [B, width], B and dtype those of `like` [B, ·].

    Of a map, [B, *map, ·], the entries are maps too.
    """
    shape = [*like.shape[:-1], width]
    return tf.TensorArray(like.dtype, size=steps, element_shape=shape, clear_after_read=False)


def select(condition: Any, state: Any, otherwise: Any) -> Any:
    """Return a state where the condition [B, 1] holds, and another one elsewhere."""
    return map_fields(lambda a, b: tf.where(over_map(condition, a), a, b), state, otherwise)


def zero_unless(condition: Any, tensor: Any) -> Any:
    """Return a tensor [B, ·] where the condition [B, 1] holds, and 0 elsewhere."""
    return tf.where(over_map(condition, tensor), tensor, tf.zeros_like(tensor))


def over_map(mask: Any, array: Any) -> Any:
    """Append axes of size 1 to a mask [·, 1] until it has as many as the array has."""
    missing = len(array.shape) - len(mask.shape)
    return mask[(..., *[tf.newaxis] * missing)] if missing else mask
