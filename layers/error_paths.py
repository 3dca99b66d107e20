"""The paths by which the error comes back to a tensor that several parts of a layer read.

In y = F(x) + x, the error dE/dx is the sum of what comes back through F and of what comes back
through the shortcut. A layer that calls `fork` where its paths part lets `DepthFlow` record them.
"""

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class PathObserver(Protocol):
    """Measures the error by path while a training step is traced."""

    def fork(self, layer: Any, x: Any, paths: Sequence[str]) -> Sequence[Any]:
        """Return x once for each path."""
        ...


_observer: contextvars.ContextVar[PathObserver | None] = contextvars.ContextVar(
    "path_observer", default=None
)


def fork(layer: Any, x: Any, *paths: str) -> Sequence[Any]:
    """Return x once for each path by which a layer reads it.

        branch, shortcut = fork(self, x, "branch", "shortcut")
        return self.convolution(branch) + shortcut

    Where a callback records the training step, the error that comes back to x by each path is
    measured. Elsewhere, nothing is computed.

    Args:
        layer: the layer whose `call` this is.
        x: a tensor of any shape.
        paths: the names of the paths.
    """
    observer = _observer.get()
    return [x] * len(paths) if observer is None else observer.fork(layer, x, paths)


@contextlib.contextmanager
def observed_paths(observer: PathObserver) -> Iterator[None]:
    """Let `observer` measure the error by path, on this thread, inside the context."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)
