"""Variables with one independent copy per replica of a distribution strategy."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def per_replica_variable(value: Any, shape: Sequence[int | None] | None = None) -> tf.Variable:
    """Return a variable with one independent copy per replica; the copies are never averaged.

    Statistics such as norms need this: the mean of the replicas' norms is not the norm.

    Args:
        value: the initial value of each copy. It has elements: TensorFlow crashes when it sends
            other workers a variable without any.
        shape: the static shape if it differs from that of `value`; an axis that may change its
            length later is None.
    """
    return tf.Variable(
        value,
        trainable=False,
        shape=shape,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def copies(variable: Any) -> Sequence[Any]:
    """Return the copies of a `per_replica_variable`; one if there is no distribution strategy."""
    return getattr(variable, "values", (variable,))


def strategy_of(variable: Any) -> tf.distribute.Strategy | None:
    """Return the strategy under which a variable was created; None: there was none."""
    return getattr(variable, "distribute_strategy", None)
