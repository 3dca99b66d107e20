"""Being present while Keras traces the training step of a model."""

import contextlib
from collections.abc import Callable

import keras

Context = Callable[[], contextlib.AbstractContextManager]


def trace_inside(model: keras.Model, context: Context, anew=False) -> None:
    """Has the training step traced, and traced again for new shapes, inside `context()`.

    Does nothing if the model's train function is so traced already, unless `anew`: a retrace costs
    seconds. The model and its optimizer stay as they are; with the next `compile` it is all gone.

    Args:
        context: a method of a callback, which has `is_training`; the contexts of others stay in
            force as long as these train.
    """
    present = getattr(model.train_function, "traced_inside", ())
    if context in present and not anew:
        return
    present = (*(c for c in present if c.__self__.is_training and c != context), context)
    plain = model.train_step
    own = vars(model).get("train_step")

    def train_step(data):
        with contextlib.ExitStack() as stack:
            for present_context in present:
                stack.enter_context(present_context())
            return plain(data)

    model.train_step = train_step
    try:
        model.make_train_function(force=True)
    finally:
        if own is None:
            del model.train_step
        else:
            model.train_step = own
    vars(model.train_function)["traced_inside"] = present
