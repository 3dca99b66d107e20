"""Traces a model's training step inside the context managers of callbacks."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras

Context = Callable[[], contextlib.AbstractContextManager]


def trace_train_step_in(model: keras.Model, context: Context, retrace: bool = False) -> None:
    """Trace the training step inside `context()`, now and again for inputs of new shapes.

    Does nothing if the model's train function is already traced this way, unless `retrace`: tracing
    takes seconds. The model and its optimizer are not changed; the next `compile` discards the
    traced function.

    Args:
        model: a compiled model.
        context: a method of a callback that has an attribute `is_training`. The contexts of other
            callbacks stay in force as long as these are training.
        retrace: trace even if the train function is already traced inside this context.
    """
    contexts = getattr(model.train_function, "contexts", ())
    if context in contexts and not retrace:
        return
    contexts = (*(c for c in contexts if _is_training(c) and c != context), context)
    plain_step = model.train_step
    own_step = vars(model).get("train_step")

    def train_step(data):
        with contextlib.ExitStack() as stack:
            for enter in contexts:
                stack.enter_context(enter())
            return plain_step(data)

    model.train_step = train_step
    try:
        model.make_train_function(force=True)
    finally:
        if own_step is None:
            del model.train_step
        else:
            model.train_step = own_step
    vars(model.train_function)["contexts"] = contexts


def _is_training(context: Any) -> bool:
    return context.__self__.is_training
