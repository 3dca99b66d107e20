"""One recurrent layer's record, read into rows."""

import functools

import keras
import numpy as np

from ...layers.rnn.error_record import ErrorRecord
from .rows import Rows
from .statistics import STATISTICS


class Track:
    """Follows the record of one layer.

    Attributes:
        name: the path of the layer.
        calls: how often a training step calls the layer; 0 until that is known.
        new: the rows that came since the last `take`, as of the last `count`.
    """

    def __init__(self, name: str, record: ErrorRecord, rows: int):
        self.calls = 0
        self.new = 0
        self.name = name
        self._record = record
        self._reserve(rows)

    def _reserve(self, rows):
        self._record.reserve(rows)
        self._kept = rows
        self._seen = 0

    def count(self) -> None:
        self.new = self._record.count - self._seen

    def has_room(self, steps: int) -> bool:
        return self._kept >= self.calls * steps

    def take(self, steps: np.ndarray, stride: int, room: int) -> dict[str, Rows]:
        """The rows of the training steps `steps`, the latest ones: of each call, by its name.

        Args:
            stride: only steps that it divides. room: keep that many training steps from now on.
        """
        self._seen += self.new
        count = min(self.new, self._kept) // max(self.calls, 1)
        if not count:
            return {}
        data = self._record.rows(count * self.calls)
        chosen = steps[-count:] % stride == 0
        taken = {}
        for call in range(self.calls):
            # In each training step, the backward pass goes through the last call first.
            rows = {k: v[self.calls - 1 - call :: self.calls][chosen] for k, v in data.items()}
            name = self.name if call == 0 else f"{self.name}:{call}"
            taken[name] = _rows(steps[-count:][chosen], rows)
        if not self.has_room(room):
            self._reserve(self.calls * room)
        return taken


def _rows(steps, data):
    names = [name for name in STATISTICS if name in data]
    width = data["hidden"].shape[-1]
    filled = np.arange(width) < data["length"][:, None]
    start = np.where(filled, np.stack([data[name] for name in names]), np.nan)
    end = np.where(filled, np.stack([data[f"{name}_from_end"] for name in names]), np.nan)
    same = np.array_equal(start, end, equal_nan=True)
    return Rows(steps, data["length"], start if same else np.concatenate([start, end]))


def unscale(record: ErrorRecord, optimizer) -> None:
    """Has the loss scale of this optimizer divided out, unless the user sees to it."""
    ours = isinstance(record.loss_scale, functools.partial)
    if scales(optimizer):
        if ours or record.loss_scale == 1.0:
            record.loss_scale = functools.partial(optimizer.scale_loss, 1.0)
    elif ours:
        record.loss_scale = 1.0


def scales(optimizer) -> bool:
    """Does this optimizer multiply the loss?"""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer) or bool(
        getattr(optimizer, "loss_scale_factor", None)
    )
