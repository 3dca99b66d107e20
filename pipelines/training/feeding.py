"""How `fit` is fed: one process with whole batches, several replicas with their shares of them."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .batching import ENDLESS, known_length
from .shares import Share, validation_edges
from .spec import TrainData


def in_order(examples: Any, count: int, size: int) -> Any:
    """Return the batches of a validation that all replicas share, see `validation_edges`.

    Args:
        examples: a tf.data.Dataset of single examples.
        count: their number.
        size: the largest batch, unless the last one takes a few examples more.
    """
    import tensorflow as tf

    edges = validation_edges(count, size)
    known = tf.data.experimental.assert_cardinality(len(edges) + 1)
    if edges == [*range(size, count, size)]:
        return examples.batch(size).apply(known)
    ends = tf.constant([*edges, count], tf.int64)
    sizes = tf.constant(np.diff([0, *edges, count]), tf.int64)
    batches = examples.enumerate().group_by_window(
        key_func=lambda number, _: tf.reduce_sum(tf.cast(ends <= number, tf.int64)),
        reduce_func=lambda _, part: part.map(lambda _, example: example).batch(count),
        window_size_func=lambda batch: sizes[batch],
    )
    return batches.apply(known)


def divided(batches: Any, share: Share) -> Any:
    """Return the examples of each own replica in turn, out of whole batches, again and again.

    Args:
        batches: a tf.data.Dataset; its batches need not be of equal size.
        share: the own replicas.
    """
    import tensorflow as tf

    def parts(*batch: Any) -> list[Any]:
        return [
            tf.nest.map_structure(lambda x, a=start, z=end: x[a:z], batch)
            for start, end in share.bounds(size_of(tf.nest.flatten(batch)[0]))
        ]

    return known_length(in_turn(batches.repeat(), parts), ENDLESS)


def size_of(batch: Any) -> Any:
    """Return the number of examples of a tensor: a number if it is known before the step runs."""
    import tensorflow as tf

    return batch.shape[0] or tf.shape(batch)[0]


def in_turn(batches: Any, parts: Callable[..., Sequence[Any]]) -> Any:
    """Return the parts of each batch as elements of their own.

    Args:
        batches: a tf.data.Dataset.
        parts: function of a batch that returns its parts, of one structure.
    """
    import tensorflow as tf

    def elements(*batch: Any) -> Any:
        first, *others = map(tf.data.Dataset.from_tensors, parts(*batch))
        return functools.reduce(tf.data.Dataset.concatenate, others, first)

    return batches.flat_map(elements)


def fit_data(strategy: Any, train: TrainData, validation: Any) -> dict[str, Any]:
    """Return the data as arguments of `fit`.

    Several replicas get endless data and the number of steps: TensorFlow would otherwise ask all
    of them before each step whether there is another batch.

    Args:
        strategy: the `tf.distribute.Strategy` of the training.
        train: the batches to train on.
        validation: a `tf.data.Dataset` of batches of known number, see `validation_edges`.
    """
    if strategy.num_replicas_in_sync == 1:
        return {"x": train.dataset(), "validation_data": validation}
    return {
        "x": strategy.distribute_datasets_from_function(lambda context: train.share(_own(context))),
        "steps_per_epoch": train.steps,
        "validation_data": strategy.distribute_datasets_from_function(
            lambda context: divided(validation, _own(context))
        ),
        "validation_steps": int(validation.cardinality()),
    }


def _own(context: Any) -> Share:
    """Return the share of the process with a `tf.distribute.InputContext`."""
    count = context.num_replicas_in_sync // context.num_input_pipelines
    return Share(context.input_pipeline_id * count, count, context.num_replicas_in_sync)
