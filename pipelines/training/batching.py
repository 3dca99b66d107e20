"""Batches of sequences in a handful of padded shapes.

A recurrent layer is compiled once per shape (B, T) in training. So every training batch has the
same B, and T is one of a few lengths: the fewest that keep padding below a tenth. Where an example
has several sequences, a source and a target, its shape has a length for each.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.errors import UserError

PADDING = 0.085  # of all steps, so that with what is left over it stays below a tenth
MOST = 16  # shapes; each takes seconds to compile
FINE = 300  # shapes to begin with, where several lengths are joined
STEPS_EACH = 4  # batches of a shape at least, on average: fewer are not worth compiling for

Batch = tuple[np.ndarray, Any]  # indices [B] and padded shape: T, or (S, T)
Take = Callable[[np.ndarray, Any], tuple[Any, ...]]


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


def padded_shapes(lengths: np.ndarray, most: int = MOST) -> list[tuple[int, ...]]:
    """The same for several sequences per example, lengths [N, D]; the last one holds them all.

    From every shape that there is, the two whose union adds the least padding become one, again
    and again, while there are too many or padding stays low.
    """
    shapes, counts, grain = *np.unique(lengths, axis=0, return_counts=True), 1
    while len(shapes) > FINE:
        grain += 1
        coarse = np.minimum(-(-lengths // grain) * grain, lengths.max(axis=0))
        shapes, counts = np.unique(coarse, axis=0, return_counts=True)
    steps = lengths.sum() / (1 - PADDING)
    while len(shapes) > 1:
        both = np.maximum(shapes[:, None], shapes[None])  # [G, G, D]
        added = (counts[:, None] * (both - shapes[:, None]).sum(axis=2)).astype(float)
        added += added.T
        added[np.tril_indices(len(shapes))] = np.inf
        one, other = np.unravel_index(added.argmin(), added.shape)
        if len(shapes) <= most and shapes.sum(axis=1) @ counts + added[one, other] > steps:
            break
        shapes[one], counts[one] = both[one, other], counts[one] + counts[other]
        shapes, counts = np.delete(shapes, other, axis=0), np.delete(counts, other)
    shapes = shapes[np.argsort(shapes.sum(axis=1), kind="stable")]
    shapes[-1] = lengths.max(axis=0)
    return [tuple(map(int, shape)) for shape in shapes]


@dataclasses.dataclass
class Batches:
    """Sequences, shuffled anew in every epoch, the same way for the same seed.

    Attributes:
        lengths: of the sequences, [N]; or of each example's D sequences, [N, D].
        take: (indices [B], padded length T) → what one batch consists of, as `fit` takes it; with
            several sequences per example, their padded lengths come as a tuple.
        size: B.
        epoch: which epoch's order the next pass takes.
        of: what each example is of, [N], if several can be of the same, as captions of an image: an
            epoch takes one of them, drawn anew. Whoever sees the same one each time learns by heart
            which it is.
    """

    lengths: np.ndarray
    take: Take
    size: int
    seed: int
    epoch: int = 0
    of: np.ndarray | None = None

    def __post_init__(self):
        self.lengths = np.maximum(self.lengths, 1)
        most = max(1, min(MOST, self.steps // STEPS_EACH))
        several = self.lengths.ndim > 1
        self.padded = (padded_shapes if several else padded_lengths)(self.lengths, most)

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        examples = len(self.lengths) if self.of is None else len(np.unique(self.of))
        return -(-examples // self.size)

    def plan(self, epoch: int) -> list[Batch]:
        """The epoch's batches: every example once, or one of each `of`, and the last batch filled
        up with others.

        What does not fill a batch of its padded shape goes on into the next larger one.
        """
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self.lengths))
        if self.of is not None:
            first = np.unique(self.of[order], return_index=True)[1]  # of each, sorted by `of`
            order = random.permutation(order[first])
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
        """The first padded shape, from one on, that holds so long sequences."""
        steps = len(lengths)
        shapes = np.reshape(self.padded[first:], [-1, 1, lengths[0].size])
        holds = (lengths.reshape(1, steps, -1) <= shapes).all(axis=2)  # [G, N]
        return first + holds.argmax(axis=0)

    def shapes(self, epoch: int) -> list[Any]:
        """The padded shapes of an epoch's batches."""
        return [shape for _, shape in self.plan(epoch)]

    @property
    def padding(self) -> float:
        """Share of the first epoch's steps that are padding."""
        plan = self.plan(0)
        real = sum(self.lengths[i].sum() for i, _ in plan)
        return 1 - real / sum(len(i) * np.sum(shape) for i, shape in plan)

    def dataset(self) -> Any:
        """One pass in the order of `self.epoch`."""
        return self._stream(lambda: self.plan(self.epoch), self.steps)

    def in_order(self) -> Any:
        """Every example once, the shortest first, in batches of up to B: for validation."""
        order = np.argsort(self._places(self.lengths), kind="stable")
        parts = _alike(np.split(order, range(self.size, len(order), self.size)))
        places = self._places(np.array([self.lengths[part].max(axis=0) for part in parts]))
        plan = [(part, self.padded[place]) for part, place in zip(parts, places, strict=True)]
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

        zeros, one = np.zeros(2, int), np.ones_like(self.padded[0])
        one, two = (tuple(n) if n.ndim else int(n) for n in (one, 2 * one))
        return tf.nest.map_structure(spec, self.take(zeros[:1], one), self.take(zeros, two))


def _alike(parts: list[np.ndarray]) -> list[np.ndarray]:
    """The same, the first of a length that all replicas get the same share of.

    Keras looks at the first batch of an evaluation by a mean over replicas, which fails otherwise.
    """
    import tensorflow as tf

    first, replicas = parts[0], tf.distribute.get_strategy().num_replicas_in_sync
    if len(first) < replicas:
        raise UserError(
            f"--strategy mirrored: {len(first)} validation examples for {replicas} devices; give"
            " more, or --strategy none"
        )
    even = len(first) - len(first) % replicas
    return [first[:even], *parts[1:], first[even:]] if even < len(first) else parts


def stream(generate: Callable[[], Iterator[Any]], signature: Any, steps: int) -> Any:
    """A tf.data.Dataset of `steps` batches, each as `fit` takes it."""
    import tensorflow as tf

    return ready(tf.data.Dataset.from_generator(generate, output_signature=signature), steps)


def ready(batches: Any, steps: int) -> Any:
    """A tf.data.Dataset of `steps` batches as `fit` takes it: of a known number, made ahead.

    Its threads are not tuned as it goes. When a pass is over, the thread that does so is woken
    before it is told that it has to end, and goes to sleep again (TensorFlow 2.21): everything
    waited for that, up to a minute at the end of an epoch.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    known = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return known.with_options(options).prefetch(4)
