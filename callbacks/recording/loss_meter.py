"""The mean training loss between two readings, from the running mean that Keras keeps."""

from typing import Any

import keras
import numpy as np

from ...layers.rnn.replicas import copies
from ...layers.workers import exchange_arrays


class LossMeter:
    """Reads how much Keras' running mean of the loss has grown; a reading takes two small copies.

    Works with the metric "loss" of a compiled model; in its absence the loss is unknown.
    """

    def __init__(self) -> None:
        self._running: Any = None
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Note that Keras has set the running mean to zero."""
        self._total = self._count = 0.0

    def read(self, model: keras.Model) -> float | None:
        """Return the mean loss of the examples since the last reading; None: there are none.

        Several workers must call it together: it is the mean over the examples of all of them.
        """
        if self._running is None:  # to find it takes longer than to read it
            named = (metric for metric in model.metrics if metric.name == "loss")
            self._running = next(named, None)
        if not isinstance(self._running, keras.metrics.Mean):
            return None
        own = np.array([_local_sum(self._running.total), _local_sum(self._running.count)])
        shares = exchange_arrays(model.distribute_strategy, [own])
        total, count = np.sum(shares, axis=(0, 1)).tolist()
        before, self._total = self._total, total
        examples, self._count = count - self._count, count
        return (total - before) / examples if examples > 0 else None


def _local_sum(variable: Any) -> float:
    """Return the sum over this worker's replicas; `keras.ops.convert_to_numpy` takes longer."""
    return float(sum(copy.numpy() for copy in copies(variable.value)))
