"""Observes the calls of layers while a training step is traced."""

import contextlib
import contextvars
import functools
import warnings
from collections.abc import Iterator
from typing import Any, Protocol

import keras

from .replaced_methods import ReplacedMethods, Replacement

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class LayerObserver(Protocol):
    """Receives the calls of all layers, and of the operations of functional models."""

    def reads(self, operation: keras.Operation, args: Any, kwargs: Any) -> Arguments:
        """Return the arguments with which a layer or operation is called."""
        ...

    def returns(self, operation: keras.Operation, outputs: Any) -> Any:
        """Return what the layers that follow read in place of these outputs."""
        ...


_observer: contextvars.ContextVar[LayerObserver | None] = contextvars.ContextVar(
    "layer_observer", default=None
)


@contextlib.contextmanager
def observed_layer_calls(observer: LayerObserver) -> Iterator[None]:
    """Let `observer` see the calls of all layers on this thread inside the context.

    The methods `__call__` of Keras' base classes are replaced; the layers are not changed.
    """
    token = _observer.set(observer)
    try:
        with _replaced:
            yield
    finally:
        _observer.reset(token)


def _observed_layer(plain):
    """`Layer.__call__` casts its arguments, and then calls `Operation.__call__`."""

    @functools.wraps(plain)
    def call(layer, *args, **kwargs):
        observer = _observer.get()
        if observer is not None:
            args, kwargs = _guarded(observer.reads, (args, kwargs), layer, args, kwargs)
        return plain(layer, *args, **kwargs)

    return call


def _observed_operation(plain):
    @functools.wraps(plain)
    def call(operation, *args, **kwargs):
        observer = _observer.get()
        if observer is None:
            return plain(operation, *args, **kwargs)
        if not isinstance(operation, keras.Layer):
            args, kwargs = _guarded(observer.reads, (args, kwargs), operation, args, kwargs)
        outputs = plain(operation, *args, **kwargs)
        return _guarded(observer.returns, outputs, operation, outputs)

    return call


def _guarded(method, otherwise, operation, *arguments):
    """What observes must not limit what is observed."""
    try:
        return method(operation, *arguments)
    except Exception as error:
        warnings.warn(f"DepthFlow cannot measure {operation.name}: {error}", stacklevel=2)
        return otherwise


def _methods() -> Iterator[Replacement]:
    yield keras.Layer, "__call__", _observed_layer
    yield keras.Operation, "__call__", _observed_operation


_replaced = ReplacedMethods(_methods)
