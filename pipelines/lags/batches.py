"""Training batches of long-lag problems, which no epoch repeats."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from ..datasets.lags.problems import LagSequences, Problem
from ..training.batching import ENDLESS, stream
from ..training.feeding import divided
from ..training.shares import Share


@dataclasses.dataclass
class EndlessBatches:
    """Training batches with new random sequences in every epoch, the same for the same seed."""

    problem: Problem
    size: int
    seed: int
    epoch: int = 0

    @property
    def longest(self) -> int:
        return self.problem.longest

    @property
    def steps(self) -> int:
        return max(1, self.problem.epoch // self.size)

    def dataset(self) -> tf.data.Dataset:
        return self._stream(lambda: self._epoch(self.epoch), self.steps)

    def share(self, share: Share) -> tf.data.Dataset:
        def epochs() -> Iterator[LagSequences]:
            for epoch in itertools.count(self.epoch):
                yield from self._epoch(epoch)

        return divided(self._stream(epochs, ENDLESS), share)

    def _epoch(self, epoch: int) -> Iterator[LagSequences]:
        random = np.random.default_rng([self.seed, epoch])
        return (self.problem.draw(random, self.size) for _ in range(self.steps))

    def _stream(self, batches: Callable[[], Iterator[LagSequences]], steps: int) -> tf.data.Dataset:
        example = self.problem.draw(np.random.default_rng(0), self.size)
        signature = tuple(tf.TensorSpec([None, *a.shape[1:]], tf.float32) for a in example)
        return stream(batches, signature, steps)
