"""Keras models built from errorflow's layers, one module per family.

`build` makes any image model by name. It is loaded on first use, so that `models.zoo`, which the
command line reads, does not import TensorFlow.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .builder import build

__all__ = ["build"]


def __getattr__(name: str) -> Any:
    if name != "build":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ... import layers  # noqa: F401 - first: says so if Keras does not run on TensorFlow
    from .builder import build

    return build
