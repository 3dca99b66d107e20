"""Reads the error record of one recurrent layer into rows."""

import collections
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np

from ...layers.call_order import number_in_code, written_order
from ...layers.paths import walk
from ...layers.rnn.error_record import ErrorRecord
from ...layers.rnn.row_merging import Merged, Shares, merge_shares
from ...layers.rnn.row_ring import Row
from .rows import Rows


class ErrorReader:
    """Reads the rows of recorded training steps that a layer's record gained since the last time.

    Args:
        name: the path of the layer.
        record: the error record of the layer.
        order: the layer's entry in `layers.call_order.written_order`.

    Attributes:
        name: the path of the layer.
    """

    def __init__(self, name: str, record: ErrorRecord, order: Sequence[int] = ()):
        self.name = name
        self._order = order
        self._too_long = self._longest = 0  # rows that found no room; their most time steps
        self._overwritten = 0  # rows, before they were read
        self._record = record
        self._room = record.training.size  # the rows, and time steps, that fit on every worker
        self._largest = 0, 0  # the most rows, and time steps in the ring, of one training step
        self._count = 0  # of the rows that were read

    @property
    def statistics(self) -> Sequence[str]:
        """The names of the statistics that the rows hold."""
        return self._record.statistics

    def state(self) -> list[int]:
        """Return what was left out so far, for `resume` in another process."""
        return [self._too_long, self._longest, self._overwritten]

    def resume(self, state: Sequence[int]) -> None:
        """Go on counting what is left out."""
        self._too_long, self._longest, self._overwritten = state

    def discard(self) -> None:
        """Skip the rows that are there."""
        self._count = self._record.training.count
        self._record.forget_calls()

    @property
    def capacity(self) -> int:
        """The number of recorded training steps that surely fit; 0 until that is known."""
        rows, steps = self._room
        most_rows, most_steps = self._largest
        # Twice the longest so far: the next sequences may be longer.
        return min(rows // most_rows, steps // (2 * most_steps) or 1) if most_rows else 0

    @property
    def left_out(self) -> str:
        """What was not recorded because there was no room for it; "" if there was room for all."""
        parts = []
        if self._too_long:
            room = self._room[1]
            parts.append(
                f"left out: {_passes(self._too_long)} over up to {self._longest:,} time steps; "
                f"there is room for {room:,} (half as many if steps are masked)"
            )
        if self._overwritten:
            parts.append(
                f"left out: {_passes(self._overwritten)}, overwritten by later ones before they "
                "were read"
            )
        return ". ".join(parts)

    @property
    def shares(self) -> Shares:
        """What this worker holds of the rows that were not read yet."""
        return self._record.training_shares(self._count)

    def take(self, merged: Merged, steps: np.ndarray, stride: int) -> dict[str, Rows]:
        """Return the rows of training steps that are divisible by `stride`, by call.

        The first call has the name of the layer, the others a number: "lstm:1". A further backward
        pass through the same call, as two losses on one persistent tape make it, is named after it.

        Args:
            merged: those of `shares`, of all workers.
            steps: the training steps that are read.
            stride: as in `Memory`.
        """
        count, rows = self._record.training.count, merged.rows
        self._room = merged.size
        self._overwritten += count - self._count - len(rows)
        self._count = count
        self._measure(rows)
        too_long = [row.steps for row in rows if row.is_left_out]
        self._too_long += len(too_long)
        self._longest = max(self._longest, *too_long, 0)
        numbers = {int(step) for step in steps[steps % stride == 0]}
        rows = [r for r in rows if not r.is_left_out and r.labels["step"] in numbers]
        return {name: self._rows(of_call) for name, of_call in self._by_call(rows).items()}

    def _measure(self, rows: Iterable[Row]) -> None:
        sizes: collections.defaultdict[int, list[int]] = collections.defaultdict(list)
        for row in rows:
            sizes[row.labels["step"]].append(row.values.shape[0] * row.values.shape[2])
        most_rows, most_steps = self._largest
        for of_step in sizes.values():
            most_rows, most_steps = max(most_rows, len(of_step)), max(most_steps, sum(of_step), 1)
        self._largest = most_rows, most_steps

    def _rows(self, rows: Sequence[Row]) -> Rows:
        tables = self._record.tables(rows)  # [A, S, N, W]
        same = all(np.array_equal(table, tables[0], equal_nan=True) for table in tables[1:])
        return Rows(
            np.array([row.labels["step"] for row in rows]),
            np.array([row.steps for row in rows]),
            tables[0] if same else np.concatenate(tables),
            self._record.statistics,
        )

    def _by_call(self, rows: Iterable[Row]) -> dict[str, list[Row]]:
        by_call: dict[tuple[int, int], list[Row]] = {}
        passes: collections.Counter[tuple[int, int]] = collections.Counter()
        for row in rows:
            step, call = row.labels["step"], number_in_code(row.labels["call"], self._order)
            by_call.setdefault((passes[step, call], call), []).append(row)
            passes[step, call] += 1
        names = {
            (again, call): self.name
            + (f":{call}" if call else "")
            + (f" (backward pass {again + 1})" if again else "")
            for again, call in sorted(by_call)
        }
        return {names[key]: by_call[key] for key in names}


def read_rows(
    model: keras.Model, readers: Iterable[ErrorReader], steps: np.ndarray, stride: int
) -> dict[str, Rows]:
    """Return the new rows of all readers, by call; see `ErrorReader.take`.

    With several workers, each of them must call it.
    """
    readers, new = [*readers], {}
    rings = merge_shares(model.distribute_strategy, [reader.shares for reader in readers])
    for reader, merged in zip(readers, rings, strict=True):
        new |= reader.take(merged, steps, stride)
    return new


def _passes(count):
    return f"{count:,} backward pass{'' if count == 1 else 'es'}"


def error_readers(model: keras.Model, readers: Mapping[int, ErrorReader]) -> dict[int, ErrorReader]:
    """Return these readers, and new ones for further layers of the model that record their error.

    They are keyed by the `id` of the record.
    """
    orders = written_order(model)
    records = [(name, getattr(layer, "error", None), id(layer)) for name, layer in walk(model)]
    new = {
        id(record): ErrorReader(name, record, orders.get(layer, ()))
        for name, record, layer in records
        if isinstance(record, ErrorRecord) and id(record) not in readers
    }
    return {**readers, **new}


def check_layers(
    model: keras.Model, readers: Iterable[ErrorReader], joined: Mapping[str, tuple[str, str]]
) -> None:
    """Check that there is something to record.

    Raises:
        ValueError: no layer of the model shows its error, or none at a path in `joined`.
    """
    visible = {reader.name for reader in readers}
    if not visible:
        raise ValueError(_no_visible_layer(model))
    missing = {path for pair in joined.values() for path in pair} - visible
    if missing:
        raise ValueError(
            f"ErrorFlow: joined: no layer shows its error at {', '.join(sorted(missing))}, "
            f"only at {', '.join(sorted(visible))}"
        )


def _no_visible_layer(model):
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
