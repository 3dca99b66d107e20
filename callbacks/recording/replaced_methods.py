"""Methods of classes that are replaced while a training step is traced."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

Replacement = tuple[type, str, Callable[[Any], Any]]  # class, method, wrapper of the plain method


class ReplacedMethods:
    """A context in which methods of classes are replaced.

    They are put back when the last context ends: replicas are traced by threads that take turns, so
    several may be inside at once. The methods are replaced for all threads; a wrapper finds out by
    a context variable whether it is called inside a context of its own thread.

    Args:
        find: returns what is to be replaced, when the first context begins.
    """

    def __init__(self, find: Callable[[], Iterable[Replacement]]):
        self._find = find
        self._lock = threading.Lock()
        self._users = 0
        self._originals: list[tuple[type, str, Any]] = []

    def __enter__(self):
        with self._lock:
            self._users += 1
            if self._users == 1:
                for owner, name, wrapper in self._find():
                    original = vars(owner)[name]
                    self._originals.append((owner, name, original))
                    setattr(owner, name, wrapper(original))

    def __exit__(self, *_):
        with self._lock:
            self._users -= 1
            while self._originals and not self._users:
                setattr(*self._originals.pop())
