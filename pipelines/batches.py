"""Batches of sequences in a handful of padded shapes.

A recurrent layer is compiled once per shape (B, T) in training. So every training batch has the
same B, and T is one of a few lengths: the fewest that keep padding below a tenth.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

PADDING = 0.085  # of all steps, so that with what is left over it stays below a tenth
MOST = 16  # lengths; each takes seconds to compile
STEPS_EACH = 4  # batches of a length at least, on average: fewer are not worth compiling for

Batch = tuple[np.ndarray, int]  # indices [B] and padded length
Take = Callable[[np.ndarray, int], tuple[Any, ...]]


def padded_lengths(lengths: np.ndarray, most: int = MOST) -> list[int]:
    """The few lengths that batches are padded to, ascending; the last one holds every sequence.

    Of all choices of so many lengths, the one with the least padding (by dynamic programming).
    """
    values, counts = np.unique(lengths, return_counts=True)
    up_to = np.concatenate([[0], np.cumsum(counts)])  # sequences of less than value j
    steps = lengths.sum() / (1 - PADDING)
    padded = np.where(up_to == 0, 0.0, np.inf)  # steps of the first j values, by so many lengths
    choices = []
    while not choices or (len(choices) < most and padded[-1] > steps):
        costs = padded[None, :-1] + values[:, None] * (up_to[1:, None] - up_to[None, :-1])
        costs[np.triu_indices(len(values), 1)] = np.inf  # [last value of the new length, first one]
        choices.append(costs.argmin(axis=1))
        padded = np.concatenate([[0.0], costs.min(axis=1)])
    found, end = [], len(values)
    for first in reversed(choices):
        if end:
            found.append(int(values[end - 1]))
            end = first[end - 1]
    return found[::-1]


@dataclasses.dataclass
class Batches:
    """Sequences, shuffled anew in every epoch, the same way for the same seed.

    Attributes:
        lengths: of the sequences, [N].
        take: (indices [B], padded length T) → what one batch consists of, as `fit` takes it.
        size: B.
        epoch: which epoch's order the next pass takes.
    """

    lengths: np.ndarray
    take: Take
    size: int
    seed: int
    epoch: int = 0

    def __post_init__(self):
        self.lengths = np.maximum(self.lengths, 1)
        most = max(1, min(MOST, self.steps // STEPS_EACH))
        self.padded = padded_lengths(self.lengths, most)

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return -(-len(self.lengths) // self.size)

    def plan(self, epoch: int) -> list[Batch]:
        """The epoch's batches: every example once, and the last batch filled up with others.

        What does not fill a batch of its padded length goes on into the next longer one.
        """
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self.lengths))
        batches, shorter, left = [], 0, order[:0]
        for length in self.padded:
            fits = (self.lengths[order] > shorter) & (self.lengths[order] <= length)
            pool = np.concatenate([left, order[fits]])
            full = len(pool) - len(pool) % self.size
            batches += [(part, length) for part in pool[:full].reshape(-1, self.size)]
            left, shorter = pool[full:], length
        if len(left):
            filler = random.choice(len(self.lengths), self.size - len(left))
            batches.append((np.concatenate([left, filler]), self.padded[-1]))
        return [batches[i] for i in random.permutation(len(batches))]

    def shapes(self, epoch: int) -> list[int]:
        """The padded lengths of an epoch's batches."""
        return [length for _, length in self.plan(epoch)]

    @property
    def padding(self) -> float:
        """Share of the first epoch's steps that are padding."""
        plan = self.plan(0)
        return 1 - sum(self.lengths[i].sum() for i, _ in plan) / sum(len(i) * n for i, n in plan)

    def dataset(self) -> Any:
        """One pass in the order of `self.epoch`."""
        return self._stream(lambda: self.plan(self.epoch), self.steps)

    def in_order(self) -> Any:
        """Every example once, the shortest first, in batches of up to B: for validation."""
        order = np.argsort(self.lengths, kind="stable")
        cuts = range(self.size, len(order), self.size)
        plan = [(part, int(self.lengths[part[-1]])) for part in np.split(order, cuts)]
        return self._stream(lambda: plan, len(plan))

    def _stream(self, plan: Callable[[], list[Batch]], steps: int) -> Any:
        def generate() -> Iterator[tuple[Any, ...]]:
            return (self.take(*batch) for batch in plan())

        return stream(generate, self._signature(), steps)

    def _signature(self) -> Any:
        """The shapes of any batch: what one example of one step has in common with two of two."""
        import tensorflow as tf

        def spec(one, two):
            pairs = zip(one.shape, two.shape, strict=True)
            return tf.TensorSpec([a if a == b else None for a, b in pairs], one.dtype)

        zeros = np.zeros(2, int)
        return tf.nest.map_structure(spec, self.take(zeros[:1], 1), self.take(zeros, 2))


def stream(generate: Callable[[], Iterator[Any]], signature: Any, steps: int) -> Any:
    """A tf.data.Dataset of `steps` batches, each as `fit` takes it."""
    import tensorflow as tf

    data = tf.data.Dataset.from_generator(generate, output_signature=signature)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    known = data.apply(tf.data.experimental.assert_cardinality(steps))
    return known.with_options(options).prefetch(4)
