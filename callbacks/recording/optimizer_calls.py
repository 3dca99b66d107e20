"""Observes the calls of optimizers while a training step is traced."""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import keras

from .replaced_methods import ReplacedMethods, Replacement


class Observer(Protocol):
    """Receives the calls of all Keras optimizers while a training step is traced."""

    def loss_is_scaled(self, scale: Callable[[Any], Any]) -> None:
        """A loss was multiplied: by `scale(1)`."""
        ...

    def applying(
        self, optimizer: Any, grads: list[Any], variables: list[Any]
    ) -> contextlib.AbstractContextManager[None]:
        """Return the context inside which gradients are applied to variables."""
        ...


_observer: contextvars.ContextVar[Observer | None] = contextvars.ContextVar(
    "observer", default=None
)


@contextlib.contextmanager
def observed_optimizers(observer: Observer) -> Iterator[None]:
    """Let `observer` see the calls of all optimizers on this thread inside the context.

    A model may train with several optimizers, wherever it keeps them. So the methods of Keras'
    optimizer classes are replaced.
    """
    token = _observer.set(observer)
    try:
        with _replaced:
            yield
    finally:
        _observer.reset(token)


def _methods() -> Iterator[Replacement]:
    wrappers = {"apply": _observed_apply, "scale_loss": _observed_scale_loss}
    for owner in _optimizer_classes():
        for name in wrappers.keys() & vars(owner).keys():
            yield owner, name, wrappers[name]


def _optimizer_classes():
    """Return Keras' optimizer base classes and all classes derived from them."""
    found = [c for c in keras.optimizers.Optimizer.__mro__ if c.__module__.startswith("keras.")]
    for owner in found:
        found += [c for c in owner.__subclasses__() if c not in found]
    return found


def _observed_apply(plain):
    @functools.wraps(plain)
    def apply(optimizer, grads, trainable_variables=None):
        observer = _observer.get()
        if observer is None:
            return plain(optimizer, grads, trainable_variables)
        grads = list(grads)
        variables = trainable_variables
        variables = optimizer._trainable_variables if variables is None else list(variables)
        token = _observer.set(None)  # an optimizer inside this one is not observed
        try:
            with observer.applying(optimizer, grads, variables):
                return plain(optimizer, grads, trainable_variables and variables)
        finally:
            _observer.reset(token)

    return apply


def _observed_scale_loss(plain):
    @functools.wraps(plain)
    def scale_loss(optimizer, loss):
        observer = _observer.get()
        if observer is not None:
            observer.loss_is_scaled(functools.partial(plain, optimizer))
        return plain(optimizer, loss)

    return scale_loss


_replaced = ReplacedMethods(_methods)
