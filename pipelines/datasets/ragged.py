"""Rows of numbers of different lengths, such as the symbols of texts."""

import dataclasses
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..core.system_errors import writing
from .stored import is_large


@dataclasses.dataclass(frozen=True)
class Ragged:
    """N rows of different lengths, in memory or in a temporary file.

    Attributes:
        values: the numbers of all rows, one row after the other.
        offsets: where each row begins, and where the last one ends, [N + 1].
    """

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """The lengths of the rows, [N]."""
        return np.diff(self.offsets)

    def padded(self, chosen: np.ndarray, length: int) -> np.ndarray:
        """Return rows as an array [B, T], cut to the length T or padded with 0.

        Args:
            chosen: the indices of the rows, [B].
            length: T.
        """
        starts, steps = self.offsets[chosen], np.arange(length)
        is_real = steps < self.lengths_of(chosen)[:, None]
        table = np.zeros([len(chosen), length], self.values.dtype)
        table[is_real] = self.values[(starts[:, None] + steps)[is_real]]
        return table

    def lengths_of(self, chosen: np.ndarray) -> np.ndarray:
        """Return the lengths of some rows."""
        return self.offsets[chosen + 1] - self.offsets[chosen]


def ragged(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> Ragged:
    """Return rows whose values come in parts; many of them go to a temporary file without a name.

    Args:
        parts: the values of some rows, int32, and the lengths of these rows.

    Raises:
        UserError: the disk has no room for them.
    """
    values, lengths, size = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)], 0
    with tempfile.TemporaryFile() as file, writing(Path(tempfile.gettempdir())):
        for part, of_part in parts:
            values.append(part)
            lengths.append(of_part)
            size += part.nbytes
            if is_large(size):
                file.write(np.concatenate(values).tobytes())
                values, size = values[:1], 0
        if file.tell():
            file.write(np.concatenate(values).tobytes())
            file.flush()
            values = [np.memmap(file, np.int32, "r")]  # outlives the open file
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    return Ragged(values[0] if len(values) == 1 else np.concatenate(values), offsets)
