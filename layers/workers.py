"""What the workers of a distribution strategy tell one another outside the training step.

A worker is a process of `tf.distribute.MultiWorkerMirroredStrategy`. A function here that exchanges
something waits for all workers, so each of them must call it, in the same order. Under any other
strategy, and without one, there is a single worker.
"""

import io
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

Strategy = tf.distribute.Strategy | None  # None: there is none, so this is the only worker
WORD = 8  # bytes of int64, the widest type that collective operations take


def worker_count(strategy: Strategy) -> int:
    """Return the number of workers."""
    if strategy is None or strategy.num_replicas_in_sync == 1:
        return 1
    return strategy.num_replicas_in_sync // len(strategy.extended.worker_devices)


def worker_index(strategy: Strategy) -> int:
    """Return the number of this worker, from 0; that of the chief is 0."""
    if strategy is None or worker_count(strategy) == 1:
        return 0
    resolver = strategy.cluster_resolver
    chiefs = resolver.cluster_spec().as_dict().get("chief", ())
    return resolver.task_id + (len(chiefs) if resolver.task_type == "worker" else 0)


def exchange(strategy: Strategy, content: bytes) -> list[bytes]:
    """Return what each worker contributes, in their order; the same list on every worker.

    Args:
        strategy: the strategy of the workers.
        content: the contribution of this worker, of any length.

    Raises:
        tf.errors.OpError: a worker cannot be reached.
    """
    count, index = worker_count(strategy), worker_index(strategy)
    if strategy is None or count == 1:
        return [content]
    sizes = _sum(strategy, np.eye(count, dtype=np.int64)[index] * len(content))
    ends = np.cumsum(-(-sizes // WORD))  # the contributions stand one behind the other
    words = np.zeros(ends[-1], np.int64)
    own = content + bytes(-len(content) % WORD)
    words[ends[index] - len(own) // WORD : ends[index]] = np.frombuffer(own, np.int64)
    words = _sum(strategy, words) if len(words) else words
    parts = np.split(words, ends[:-1])
    return [part.tobytes()[:size] for part, size in zip(parts, sizes, strict=True)]


def of_chief(strategy: Strategy, content: bytes) -> bytes:
    """Return what the chief contributes, on every worker; other contributions are left out."""
    return exchange(strategy, content if worker_index(strategy) == 0 else b"")[0]


def _sum(strategy, numbers: np.ndarray) -> np.ndarray:
    """Return the sum of integers over the workers; each contributes by its first replica."""
    local_replicas = strategy.num_replicas_in_sync // worker_count(strategy)
    shares = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(
            numbers * (context.replica_id_in_sync_group % local_replicas == 0)
        )
    )
    return strategy.reduce(tf.distribute.ReduceOp.SUM, shares, axis=None).numpy()


def exchange_arrays(strategy: Strategy, arrays: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Return the arrays of each worker, as `exchange`.

    Args:
        strategy: the strategy of the workers.
        arrays: those of this worker, of any number, shapes and types that numpy can save without
            pickle.

    Raises:
        tf.errors.OpError: a worker cannot be reached.
        ValueError: an array holds Python objects.
    """
    if worker_count(strategy) == 1:
        return [[*arrays]]
    file = io.BytesIO()
    for array in arrays:
        np.save(file, array, allow_pickle=False)
    return [_load(content) for content in exchange(strategy, file.getvalue())]


def _load(content: bytes) -> list[np.ndarray]:
    file, arrays = io.BytesIO(content), []
    while file.tell() < len(content):
        arrays.append(np.load(file, allow_pickle=False))
    return arrays
