"""Sequences of texts and rows that may be larger than memory: those go to a temporary file.

Large sequences are read item by item, and passes over them in order. Few numbers per item stay in
memory. The files have no name: nobody else can open them, and the system deletes them.
"""

import bisect
import heapq
import operator
import pickle
import tempfile
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..core.system_errors import writing

if TYPE_CHECKING:
    import numpy as np

IN_MEMORY = 2**26  # bytes of the texts of a sequence that is kept in memory
_BLOCK = 2**20  # bytes that a pass reads at a time

T = TypeVar("T")
U = TypeVar("U")


def stored(items: Iterable[T]) -> Sequence[T]:
    """Return items as a list or, if their texts take more than `IN_MEMORY`, in a temporary file.

    Args:
        items: texts, or tuples, lists or dicts of texts and numbers.

    Raises:
        UserError: the disk has no room for them.
    """
    kept: list[T] = []
    size, rest = 0, iter(items)
    for item in rest:
        kept.append(item)
        size += size_of(item)
        if is_large(size):
            return _StoredItems(kept, rest)
    return kept


def is_large(size: int) -> bool:
    """Return whether texts of `size` bytes go to a file."""
    return size > IN_MEMORY


def size_of(item: Any) -> int:
    """Return about how many bytes the texts of an item take."""
    if isinstance(item, str):
        return len(item)
    if isinstance(item, dict):
        return sum(map(size_of, item.values()))
    return sum(map(size_of, item)) if isinstance(item, tuple | list) else 8


class _View(Sequence[T]):
    """A sequence that makes its items when they are asked for."""

    def _item(self, index: int) -> T:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._item(i) for i in range(*index.indices(len(self)))]
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"item {place} of {len(self)}")
        return self._item(place % len(self))


class _StoredItems(_View[T]):
    """Items in a temporary file, each with its place in the file."""

    def __init__(self, kept: list[T], rest: Iterator[T]) -> None:
        self._lock = threading.Lock()  # batches are made in threads of their own
        self._ends = array("Q", [0])
        with writing(Path(tempfile.gettempdir())):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the sequence
            self._write(kept)
            kept.clear()
            self._write(rest)
            self._file.flush()

    def _write(self, items: Iterable[T]) -> None:
        for item in items:
            size = self._file.write(pickle.dumps(item, pickle.HIGHEST_PROTOCOL))
            self._ends.append(self._ends[-1] + size)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def _read(self, start: int, end: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(end - start)

    def _item(self, index: int) -> T:
        content = self._read(self._ends[index], self._ends[index + 1])
        return pickle.loads(content)

    def __iter__(self) -> Iterator[T]:
        return self.some(range(len(self)))

    def some(self, indices: "Sequence[int] | np.ndarray") -> Iterator[T]:
        """Yield the items of ascending indices; the file is read in blocks."""
        block, first, end = b"", 0, 0
        for index in indices:
            start, stop = self._ends[index], self._ends[index + 1]
            if stop > end:
                beyond = bisect.bisect(self._ends, start + _BLOCK) - 1
                first, end = start, max(stop, self._ends[beyond])
                block = self._read(first, end)
            yield pickle.loads(block[start - first : stop - first])


class _Selected(_View[T]):
    """Some items of a sequence, those of ascending indices."""

    def __init__(self, items: Sequence[T], indices: "np.ndarray") -> None:
        self.items, self.indices = items, indices

    def __len__(self) -> int:
        return len(self.indices)

    def _item(self, index: int) -> T:
        return self.items[int(self.indices[index])]

    def __iter__(self) -> Iterator[T]:
        if isinstance(self.items, _StoredItems):
            return self.items.some(self.indices)
        return map(self._item, range(len(self)))


class _Mapped(_View[U]):
    """A part of each item of a sequence."""

    def __init__(self, items: Sequence[T], part: Callable[[T], U]) -> None:
        self.items, self.part = items, part

    def __len__(self) -> int:
        return len(self.items)

    def _item(self, index: int) -> U:
        return self.part(self.items[index])

    def __iter__(self) -> Iterator[U]:
        return map(self.part, self.items)


def selected(items: Sequence[T], indices: "np.ndarray") -> Sequence[T]:
    """Return the items of ascending indices, without a copy of what is in a file."""
    if isinstance(items, list):
        return [items[i] for i in indices.tolist()]
    if isinstance(items, _Mapped):
        return _Mapped(selected(items.items, indices), items.part)
    if isinstance(items, _Selected):
        items, indices = items.items, items.indices[indices]
    return _Selected(items, indices)


def mapped(items: Sequence[T], part: Callable[[T], U]) -> Sequence[U]:
    """Return a part of each item, without a copy of what is in a file."""
    return list(map(part, items)) if isinstance(items, list) else _Mapped(items, part)


def sorted_texts(texts: Iterable[str]) -> Iterator[str]:
    """Yield texts in the order of their code points; very many are sorted in parts."""
    rest, parts = iter(texts), []
    while part := _as_many_as_fit(rest):
        parts.append(stored(sorted(part)))
    return heapq.merge(*parts)


def _as_many_as_fit(texts: Iterator[str]) -> list[str]:
    part, size = [], 0
    for text in texts:
        part.append(text)
        size += len(text)
        if is_large(size):
            break
    return part
