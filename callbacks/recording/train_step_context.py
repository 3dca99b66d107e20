"""Traces a model's training step inside the context managers of callbacks."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras

from .training_steps import TracedStep, training_steps

Context = Callable[[TracedStep], contextlib.AbstractContextManager]


def trace_train_step_in(model: keras.Model, context: Context) -> None:
    """Trace the training step inside `context(step)`, now and again for inputs of new shapes.

    Does nothing if the model's train function is already traced this way: tracing takes seconds.
    The model and its optimizer are not changed; the next `compile` discards the traced function.

    Args:
        model: a compiled model.
        context: a function, or the method of an object with an attribute `is_training`: its context
            stays in force as long as this is true.
    """
    contexts = getattr(model.train_function, "contexts", ())
    if context in contexts:
        return
    contexts = (*filter(_is_needed, contexts), context)
    steps = training_steps(model)
    plain_step = model.train_step
    own_step = vars(model).get("train_step")

    def train_step(data):
        with contextlib.ExitStack() as stack:
            step = stack.enter_context(steps.tracing(model, data))
            for enter in contexts:
                stack.enter_context(enter(step))
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


def _is_needed(context: Any) -> bool:
    return getattr(getattr(context, "__self__", None), "is_training", True)
