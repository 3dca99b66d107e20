"""Batches of sequences, padded to a few shapes.

Every training batch has the same number of examples B and one of a few padded lengths T: see
`padded_shapes`. If an example has several sequences, such as a source and a target, the padded
shape has a length for each.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from .padded_shapes import MAX_SHAPES, padded_lengths, padded_shapes
from .shares import Share, replicas, validation_edges

ENDLESS = -1  # as tf.data says it
MIN_STEPS = 4  # minimum average number of batches per shape, so that compiling it pays off

Batch = tuple[np.ndarray, Any]  # indices [B] and padded shape: T, or (S, T)
Take = Callable[[np.ndarray, Any], tuple[Any, ...]]


@dataclasses.dataclass
class Batches:
    """Batches of examples, reshuffled in every epoch, reproducibly by the seed.

    Attributes:
        lengths: lengths of the sequences, [N]; or of each example's D sequences, [N, D].
        take: (indices [B], padded length T) → one batch, as `fit` takes it; with several sequences
            per example, their padded lengths come as a tuple.
        size: number of examples per batch, B; with several devices, the next multiple of their
            number.
        epoch: the epoch whose order the next pass takes.
        groups: the group of each example, [N]; each epoch draws one example per group. For an image
            with several captions, each epoch thus draws one of them: a network that always sees the
            same caption memorises it.
        passes: number of passes over the examples in each epoch, for data so small that a pass has
            few batches.
    """

    lengths: np.ndarray
    take: Take
    size: int
    seed: int
    epoch: int = 0
    groups: np.ndarray | None = None
    passes: int = 1

    def __post_init__(self):
        self.lengths = np.maximum(self.lengths, 1)
        self.size += -self.size % replicas()
        max_shapes = max(1, min(MAX_SHAPES, self.steps // MIN_STEPS))
        choose = padded_shapes if self.lengths.ndim > 1 else padded_lengths
        self.padded = choose(self.lengths, max_shapes)

    @property
    def longest(self) -> int:
        """The number of steps of the longest sequence; of several kinds, of the shorter kind."""
        return int(np.min(self.padded[-1]))

    @property
    def steps(self) -> int:
        """The number of batches per epoch."""
        examples = len(self.lengths) if self.groups is None else len(np.unique(self.groups))
        return self.passes * -(-examples // self.size)

    def plan(self, epoch: int) -> list[Batch]:
        """Return the batches of an epoch, pass by pass."""
        first = epoch * self.passes
        return [batch for i in range(first, first + self.passes) for batch in self._pass(i)]

    def _pass(self, number: int) -> list[Batch]:
        """Return the batches of a pass: every example once, or one per group.

        Examples that do not fill a batch of their padded shape go into the next larger shape; the
        last batch is filled up with other examples.
        """
        random = np.random.default_rng([self.seed, number])
        order = random.permutation(len(self.lengths))
        if self.groups is not None:
            _, first = np.unique(self.groups[order], return_index=True)
            order = random.permutation(order[first])  # one example per group
        places = self._places(self.lengths[order])
        pools = [order[places == place] for place in range(len(self.padded))]
        batches, left = [], order[:0]
        for place, shape in enumerate(self.padded):
            full = len(pools[place]) - len(pools[place]) % self.size
            batches += [(part, shape) for part in pools[place][:full].reshape(-1, self.size)]
            left = pools[place][full:]
            if place + 1 < len(self.padded):
                larger = self._places(np.array([shape]), place + 1)[0]
                pools[larger] = np.concatenate([left, pools[larger]])
        if len(left):
            filler = random.choice(len(self.lengths), self.size - len(left))
            batches.append((np.concatenate([left, filler]), self.padded[-1]))
        return [batches[i] for i in random.permutation(len(batches))]

    def _places(self, lengths: np.ndarray, first: int = 0) -> np.ndarray:
        """Return the index of the first padded shape, from `first` on, that fits each example."""
        steps = len(lengths)
        shapes = np.reshape(self.padded[first:], [-1, 1, lengths[0].size])
        holds = (lengths.reshape(1, steps, -1) <= shapes).all(axis=2)  # [G, N]
        return first + holds.argmax(axis=0)

    def shapes(self, epoch: int) -> list[Any]:
        """Return the padded shapes of the batches of an epoch."""
        return [shape for _, shape in self.plan(epoch)]

    @property
    def padding(self) -> float:
        """The share of padding in the steps of the first epoch."""
        plan = self.plan(0)
        real = sum(self.lengths[i].sum() for i, _ in plan)
        return 1 - real / sum(len(i) * np.sum(shape) for i, shape in plan)

    def dataset(self) -> Any:
        """Return one pass over the data, in the order of `self.epoch`."""
        return self._stream(lambda: self._take(self.plan(self.epoch)), self.steps)

    def share(self, share: Share) -> Any:
        """Return the batches of each own replica in turn, from `self.epoch` on without an end."""

        def generate() -> Iterator[tuple[Any, ...]]:
            for epoch in itertools.count(self.epoch):
                for chosen, shape in self.plan(epoch):
                    yield from self._take([(part, shape) for part in share.divide(chosen)])

        return self._stream(generate, ENDLESS)

    def in_order(self) -> Any:
        """Return every example once, the shortest first, in batches of up to B, for validation."""
        order = np.argsort(self._places(self.lengths), kind="stable")
        parts = np.split(order, validation_edges(len(order), self.size))
        places = self._places(np.array([self.lengths[part].max(axis=0) for part in parts]))
        plan = [(part, self.padded[place]) for part, place in zip(parts, places, strict=True)]
        return self._stream(lambda: self._take(plan), len(plan))

    def _take(self, plan: Iterable[Batch]) -> Iterator[tuple[Any, ...]]:
        return (self.take(*batch) for batch in plan)

    def _stream(self, generate: Callable[[], Iterator[Any]], steps: int) -> Any:
        return stream(generate, self._signature(), steps)

    def _signature(self) -> Any:
        """Return the tensor specs of any batch.

        A dimension that differs between a batch of one example and a batch of two is None.
        """
        import tensorflow as tf

        def spec(one, two):
            pairs = zip(one.shape, two.shape, strict=True)
            return tf.TensorSpec([a if a == b else None for a, b in pairs], one.dtype)

        zeros, one = np.zeros(2, int), np.ones_like(self.padded[0])
        one, two = (tuple(n) if n.ndim else int(n) for n in (one, 2 * one))
        return tf.nest.map_structure(spec, self.take(zeros[:1], one), self.take(zeros, two))


def stream(generate: Callable[[], Iterator[Any]], signature: Any, steps: int) -> Any:
    """Return a tf.data.Dataset of `steps` batches, or `ENDLESS`, each as `fit` takes it."""
    import tensorflow as tf

    return known_length(tf.data.Dataset.from_generator(generate, output_signature=signature), steps)


def known_length(batches: Any, steps: int) -> Any:
    """Return a tf.data.Dataset that knows its number of batches and prefetches them.

    Autotuning is off: at the end of a pass, TensorFlow 2.21 wakes the tuning thread before it
    signals the end, and the thread goes to sleep again; the epoch then ends up to a minute late.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    counted = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return counted.with_options(options).prefetch(4)
