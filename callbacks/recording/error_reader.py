"""Reads the error record of one recurrent layer into rows."""

import functools
from typing import Any

import keras
import numpy as np

from ...layers.paths import walk
from ...layers.rnn.error_record import ErrorRecord
from ...layers.rnn.statistics import STATISTICS
from .rows import Rows


class ErrorReader:
    """Reads the rows that a layer's record gained since the last reading.

    Args:
        name: the path of the layer.
        record: the error record of the layer.
        capacity: the number of backward passes that the record keeps.

    Attributes:
        name: the path of the layer.
        calls: how often a training step calls the layer; 0 until that is known.
        new: backward passes since the last `read`, as of the last `count`.
    """

    def __init__(self, name: str, record: ErrorRecord, capacity: int):
        self.calls = 0
        self.new = 0
        self.name = name
        self._record = record
        self._reserve(capacity)

    def _reserve(self, capacity):
        self._record.reserve(capacity)
        self._capacity = capacity
        self._read = 0

    def count(self, max_steps: int) -> int:
        """Update `new` and `calls`; return the number of training steps since the last `read`.

        Args:
            max_steps: an upper bound of this number.
        """
        self.new = self._record.count - self._read
        self.calls = self.calls or -(-self.new // max_steps)
        return self.new // max(self.calls, 1)

    def has_room(self, steps: int) -> bool:
        """Return whether the record keeps this number of training steps."""
        return self._capacity >= self.calls * steps

    def read(self, steps: np.ndarray, stride: int, capacity: int) -> dict[str, Rows]:
        """Return the rows of the latest training steps, of each call of the layer by its name.

        Args:
            steps: the training steps since the last reading.
            stride: only steps that are divisible by it are returned.
            capacity: the number of training steps that the record keeps from now on.
        """
        self._read += self.new
        count = min(self.new, self._capacity) // max(self.calls, 1)
        if not count:
            return {}
        figures = self._record.rows(count * self.calls)
        chosen = steps[-count:] % stride == 0
        rows = {}
        for call in range(self.calls):
            # In each training step, the backward pass goes through the last call first.
            of_call = slice(self.calls - 1 - call, None, self.calls)
            name = self.name if call == 0 else f"{self.name}:{call}"
            rows[name] = _rows(
                steps[-count:][chosen], {k: v[of_call][chosen] for k, v in figures.items()}
            )
        if not self.has_room(capacity):
            self._reserve(self.calls * capacity)
        return rows


def _rows(steps, figures):
    names = [statistic.name for statistic in STATISTICS if statistic.name in figures]
    width = figures["hidden"].shape[-1]
    filled = np.arange(width) < figures["length"][:, None]
    start = np.where(filled, np.stack([figures[name] for name in names]), np.nan)
    end = np.where(filled, np.stack([figures[f"{name}_from_end"] for name in names]), np.nan)
    same = np.array_equal(start, end, equal_nan=True)
    return Rows(steps, figures["length"], start if same else np.concatenate([start, end]), names)


def divide_out_loss_scale(record: ErrorRecord, optimizer: Any) -> None:
    """Let a record divide by the loss scale of this optimizer, unless the user has set one."""
    is_ours = isinstance(record.loss_scale, functools.partial)
    if scales_loss(optimizer):
        if is_ours or record.loss_scale == 1.0:
            record.loss_scale = functools.partial(optimizer.scale_loss, 1.0)
    elif is_ours:
        record.loss_scale = 1.0


def scales_loss(optimizer: Any) -> bool:
    """Return whether this optimizer multiplies the loss by a factor."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer) or bool(
        getattr(optimizer, "loss_scale_factor", None)
    )


def no_visible_layer(model: keras.Model) -> str:
    """Return the error message for a model without a layer that records its error."""
    stock = [path for path, layer in walk(model) if isinstance(layer, keras.layers.RNN)]
    if stock:
        return (
            f"ErrorFlow: the recurrent layers of model {model.name!r} ({', '.join(stock)}) do not "
            "show their error; train errorflow.layers.watch(model) in its place, or build the "
            "model with errorflow.layers.SimpleRNN, LSTM or GRU"
        )
    return (
        f"ErrorFlow: model {model.name!r} has no recurrent layer, so no error flows through time "
        "in it; LayerGradients shows how it flows through depth. (Stock Keras recurrent layers "
        "can be made visible with errorflow.layers.watch.)"
    )
