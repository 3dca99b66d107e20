"""The recurrent layers of a model that record their error: what `ErrorFlow` knows of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from ...layers.paths import walk
from ...layers.rnn.error_record import ErrorRecord
from .error_reader import ErrorReader, check_layers, error_readers, read_rows
from .prediction_errors import backwards_parts
from .rows import Rows
from .tables import Tables, join_layers, layer_path, tables, with_truncation


class ErrorLayers:
    """The layers of a model that record their error, found in it by `find`.

    Args:
        joined: pairs of layers that share a time axis, by name; see `ErrorFlow`.
    """

    def __init__(self, joined: Mapping[str, tuple[str, str]]) -> None:
        self._joined = joined
        self._readers: dict[int, ErrorReader] = {}  # by the identity of the layer's record
        self._backwards: set[str] = set()  # read their input from the last step on
        self._truncate: dict[str, int] = {}  # k of those that cut their error every k steps

    def find(self, model: keras.Model) -> None:
        """Look for further layers, which the first batch may have built."""
        self._backwards = backwards_parts(model)
        self._truncate = _truncations(model)
        self._readers = error_readers(model, self._readers)

    def check(self, model: keras.Model) -> None:
        """Raise a ValueError if there is nothing to record; see `check_layers`."""
        check_layers(model, self._readers.values(), self._joined)

    def tables(self, name: str, rows: Rows) -> dict[str, np.ndarray]:
        """Return the rows of a layer as an entry of `ErrorFlow.history`."""
        return with_truncation(tables(rows), self._truncate.get(layer_path(name)))

    def join(self, by_layer: Mapping[str, Tables]) -> dict[str, dict[str, np.ndarray]]:
        """Return the entries of the joined pairs of which both layers have one, by name."""
        return {
            name: join_layers(by_layer[first], by_layer[second], self.is_backwards(first))
            for name, (first, second) in self._joined.items()
            if by_layer.keys() >= {first, second}
        }

    def about(self) -> dict[str, Any]:
        """Return the metadata of the rows in event files; see `blocks`."""
        about = {"joined": self._joined, "backwards": sorted(self._backwards)}
        return about | ({"truncate": self._truncate} if self._truncate else {})

    def is_backwards(self, name: str) -> bool:
        """Return whether a layer, or a call of it ("lstm:1"), reads from the last step on."""
        return layer_path(name) in self._backwards

    @property
    def names(self) -> list[str]:
        """The paths of all layers."""
        return [reader.name for reader in self._readers.values()]

    @property
    def left_out(self) -> dict[str, str]:
        """What was not recorded because there was no room for it, a sentence for each layer."""
        return {r.name: r.left_out for r in self._readers.values() if r.left_out}

    @property
    def statistics(self) -> dict[str, list[str]]:
        """The names of the statistics of each layer."""
        return {reader.name: [*reader.statistics] for reader in self._readers.values()}

    @property
    def capacity(self) -> int:
        """The number of recorded training steps that surely fit; 0 until that is known."""
        return min((reader.capacity for reader in self._readers.values()), default=0)

    def discard(self) -> None:
        """Skip the rows that are there."""
        for reader in self._readers.values():
            reader.discard()

    def read(self, model: keras.Model, steps: np.ndarray, stride: int) -> dict[str, Rows]:
        """Return the new rows; see `read_rows`."""
        return read_rows(model, self._readers.values(), steps, stride)

    def state(self) -> dict[str, Sequence[int]]:
        """Return what was left out so far, for `resume` in another process."""
        return {reader.name: reader.state() for reader in self._readers.values()}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on counting what is left out."""
        for reader in self._readers.values():
            reader.resume(state.get(reader.name, reader.state()))


def _truncations(model):
    parts = {name: part for name, part in walk(model) if _records(part)}
    found = {name: getattr(part, "truncate", None) for name, part in parts.items()}
    return {name: truncate for name, truncate in found.items() if truncate is not None}


def _records(part):
    return isinstance(getattr(part, "error", None), ErrorRecord)
