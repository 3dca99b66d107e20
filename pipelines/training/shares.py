"""The share of each batch that a process feeds to its replicas.

All processes of a training know the same plan of batches. Each feeds only the examples of its own
replicas, so that the batches, and their order, are the same for any number of processes.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import UserError


class Share(NamedTuple):
    """The replicas that a process feeds, of all those that share each batch.

    Attributes:
        first: the number of its first replica.
        replicas: the number of its replicas.
        of: the number of all replicas.
    """

    first: int
    replicas: int
    of: int

    def bounds(self, size: Any) -> list[tuple[Any, Any]]:
        """Return where the examples of each own replica begin and end, in a batch of `size`.

        Replicas get equally many examples, or one more than others if `size` is not divisible.
        """
        edges = [size * n // self.of for n in range(self.first, self.first + self.replicas + 1)]
        return list(itertools.pairwise(edges))

    def divide(self, examples: np.ndarray) -> list[np.ndarray]:
        """Return the examples of each own replica, of those in a batch."""
        return [examples[start:end] for start, end in self.bounds(len(examples))]


WHOLE = Share(0, 1, 1)


def replicas() -> int:
    """Return the number of devices that share each batch."""
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def evenly_shared(size: int, examples: str) -> int:
    """Return the largest number of examples, up to `size`, that all replicas share evenly.

    Every training batch must have such a size: Keras' loss is the mean over the replicas, so that
    an example counts for more on a replica that has fewer.

    Args:
        size: the number of examples.
        examples: the kind of examples, for the message.

    Raises:
        UserError: there are fewer examples than replicas.
    """
    count = replicas()
    if size < count:
        raise UserError(_too_few(size, examples, count))
    return size - size % count


def _too_few(size: int, examples: str, count: int) -> str:
    return (
        f"{size} {examples} for {count} devices (--strategy); give more examples, or --strategy"
        " none"
    )


def validation_edges(count: int, size: int) -> list[int]:
    """Return where the second and all later batches of a validation begin.

    Every replica gets an example of each batch: metrics count examples, but none of a batch without
    examples. All replicas share the first batch evenly, which Keras needs to build the metrics.

    Args:
        count: the number of examples.
        size: the largest batch, which the replicas share evenly.

    Raises:
        UserError: there are too few examples.
    """
    of = replicas()
    if count < 2 * of and count % of:
        raise UserError(_too_few(count, "validation examples", of))
    edges = [*range(size, count, size)]
    if not edges and count % of:
        edges = [count - count % of]
    if edges and count - edges[-1] < of:
        edges[-1] -= of
    return sorted({*edges} - {0})
