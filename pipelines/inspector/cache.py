"""A bounded cache for a server that answers many requests at the same time."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

SMALL = 4_096  # bytes of a value whose size is not known

Value = TypeVar("Value")


class Cache:
    """Keeps the values that were used last, up to a number of bytes.

    If a value is wanted while another thread makes it, it is made once.

    Args:
        limit: bytes of all values; a larger one is not kept.
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._bytes = 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(
        self,
        key: Hashable,
        make: Callable[[], Value],
        size: Callable[[Value], int] = lambda _: SMALL,
    ) -> Value:
        """Return the value of a key; make it if it is not kept.

        Args:
            key: whatever changes when the value does.
            make: makes the value. Its exceptions are raised, and nothing is kept.
            size: the bytes that a value takes.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._values[key][0]
            try:
                value = make()
            finally:
                with self._lock:
                    self._making.pop(key, None)
            self._keep(key, value, size(value))
        return value

    def _keep(self, key: Hashable, value: Any, size: int) -> None:
        if size > self._limit:
            return
        with self._lock:
            _, before = self._values.pop(key, (None, 0))
            self._values[key] = (value, size)
            self._bytes += size - before
            while self._bytes > self._limit:
                _, (_, freed) = self._values.popitem(last=False)
                self._bytes -= freed
