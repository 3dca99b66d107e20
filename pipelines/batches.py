"""Batches of texts in a handful of padded shapes.

A recurrent layer is compiled once per shape (B, T) in training. So every training batch has the
same B, and T is one of two lengths.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

QUANTILES = (0.9, 1.0)  # of the texts' lengths; each becomes a padded length
STEP = 4  # to which padded lengths are rounded up

Batch = tuple[np.ndarray, int]  # indices [B] and padded length


def padded_lengths(lengths: np.ndarray) -> list[int]:
    """The few lengths that batches are padded to, ascending; the last one holds every text."""
    cuts = np.quantile(lengths, QUANTILES)
    return sorted({int(-(-cut // STEP) * STEP) for cut in cuts})


@dataclasses.dataclass
class Batches:
    """Texts as character ids, shuffled anew in every epoch, the same way for the same seed.

    Attributes:
        ids: [N, T], 0 after the end of a text.
        targets: [N, C].
        weights: of the examples in the loss, [N], or None.
        size: B.
        epoch: which epoch's order the next pass takes.
    """

    ids: np.ndarray
    targets: np.ndarray
    size: int
    seed: int
    weights: np.ndarray | None = None
    epoch: int = 0

    def __post_init__(self):
        self.lengths = np.maximum((self.ids != 0).sum(axis=1), 1)
        self.padded = padded_lengths(self.lengths)

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return -(-len(self.ids) // self.size)

    def plan(self, epoch: int) -> list[Batch]:
        """The epoch's batches: every example once, and the last batch filled up with others.

        What does not fill a batch of its padded length goes on into the next longer one.
        """
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self.ids))
        batches, shorter, left = [], 0, order[:0]
        for length in self.padded:
            fits = (self.lengths[order] > shorter) & (self.lengths[order] <= length)
            pool = np.concatenate([left, order[fits]])
            full = len(pool) - len(pool) % self.size
            batches += [(part, length) for part in pool[:full].reshape(-1, self.size)]
            left, shorter = pool[full:], length
        if len(left):
            filler = random.choice(len(self.ids), self.size - len(left))
            batches.append((np.concatenate([left, filler]), self.padded[-1]))
        return [batches[i] for i in random.permutation(len(batches))]

    def dataset(self) -> Any:
        """One pass in the order of `self.epoch`: (ids [B, T], targets [B, C] (, weights [B]))."""
        return _dataset(self, lambda: self.plan(self.epoch), self.steps)

    def in_order(self) -> Any:
        """Every example once, the shortest first, in batches of up to B: for validation."""
        order = np.argsort(self.lengths, kind="stable")
        cuts = range(self.size, len(order), self.size)
        plan = [(part, int(self.lengths[part[-1]])) for part in np.split(order, cuts)]
        return _dataset(dataclasses.replace(self, weights=None), lambda: plan, len(plan))


def _dataset(batches: Batches, plan: Any, steps: int) -> Any:
    import tensorflow as tf

    arrays = [batches.targets] + ([] if batches.weights is None else [batches.weights])

    def generate() -> Iterator[tuple[np.ndarray, ...]]:
        for indices, length in plan():
            yield batches.ids[indices, :length], *(array[indices] for array in arrays)

    signature = [tf.TensorSpec([None, None], tf.int32)]
    signature += [tf.TensorSpec([None, *a.shape[1:]], tf.float32) for a in arrays]
    data = tf.data.Dataset.from_generator(generate, output_signature=tuple(signature))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return (
        data.apply(tf.data.experimental.assert_cardinality(steps)).with_options(options).prefetch(4)
    )
