"""The forward loop of inference over masked sequences, without the masked steps.

The sequences are sorted by their number of valid steps, the longest first. The examples that have a
k-th valid step are then the first rows of the batch, and step k of the loop computes only these.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from .equations import Equations, StepOps, Weights, map_fields


class Packed(NamedTuple):
    """The places of the valid steps of a batch.

    N is the number of valid steps, K the largest number of an example, but at least 1.

    Attributes:
        order: [B], the examples by their number of valid steps, descending.
        places: [N, 2], example and time step of the valid steps: the first ones of all examples in
            that order, then the second ones, and so on.
        counts: [K], the number of examples that have a k-th valid step.
        before: [B, T], the number of valid steps up to each time step, that step included.
    """

    order: Any
    places: Any
    counts: Any
    before: Any

    @classmethod
    def of(cls, mask: Any) -> "Packed":
        """Return the places of the valid steps. mask: [B, T, 1] bool"""
        valid = tf.cast(mask[:, :, 0], tf.int32)
        lengths = tf.reduce_sum(valid, axis=1)
        order = tf.argsort(lengths, direction="DESCENDING", stable=True)
        numbers = tf.range(tf.maximum(tf.reduce_max(lengths), 1))
        has = tf.gather(lengths, order) > numbers[:, None]  # [K, B]
        found = tf.cast(tf.where(has), tf.int32)
        number, row = found[:, 0], found[:, 1]  # each [N]; LiteRT unstacks no empty array
        example = tf.gather(order, row)
        valid_first = tf.argsort(-valid, axis=1, stable=True)  # [B, T]
        time = tf.gather_nd(valid_first, tf.stack([example, number], axis=1))
        counts = tf.reduce_sum(tf.cast(has, tf.int32), axis=1)
        before = tf.cumsum(valid, axis=1)
        return cls(order, tf.stack([example, time], axis=1), counts, before)


def packed_scan(
    equations: Equations, x: Any, initial: Any, weights: Weights, mask: Any, sequences: bool
) -> tuple[Any, Any]:
    """Return h [B, T, H], or None without `sequences`, and the last state of each example.

    Args:
        x: [B, T, D].
        initial: the initial state, fields [B, H].
        mask: [B, T, 1] bool.
    """
    packed, ops = Packed.of(mask), StepOps(linear=equations.linear)
    # A row that no step reads: ONNX does not reshape an array of no elements.
    spare = tf.zeros(tf.concat([[1], tf.shape(x)[2:]], axis=0), x.dtype)
    valid = tf.concat([tf.gather_nd(x, packed.places), spare], axis=0)
    z = equations.input_product(valid[None], weights)[0]  # [N + 1, G]
    steps = tf.shape(packed.counts)[0]
    start = map_fields(lambda s: tf.gather(s, packed.order), initial)
    hidden = start.hidden
    outputs = [tf.TensorArray(hidden.dtype, steps, element_shape=hidden.shape)] if sequences else []

    def step(k, first, state, *outputs):
        count = packed.counts[k]
        active = map_fields(lambda s: s[:count], state)
        after, _ = equations.forward(z[first : first + count], active, weights, ops)
        state = map_fields(lambda a, s: _first_rows(a, count, s), after, state)
        return k + 1, first + count, state, *(a.write(k, state.hidden) for a in outputs)

    _, _, state, *outputs = tf.while_loop(
        lambda k, *_: k < steps, step, (0, 0, start, *outputs), maximum_iterations=steps
    )
    back = tf.argsort(packed.order)
    last = map_fields(lambda s: tf.gather(s, back), state)
    if not sequences:
        return None, last
    states = tf.concat([hidden[None], outputs[0].stack()], axis=0)
    rows = tf.broadcast_to(back[:, None], tf.shape(packed.before))
    return tf.gather_nd(states, tf.stack([packed.before, rows], axis=2)), last


def _first_rows(rows, count, state):
    """Return a state with its first `count` rows replaced."""
    replaced = tf.concat([rows, state[count:]], axis=0)
    replaced.set_shape(state.shape)  # not by an operation, which LiteRT does not have
    return replaced
