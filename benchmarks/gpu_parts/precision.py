"""Are the recorded errors those of the unscaled loss in mixed precision, with loss scaling?"""

from . import Failures, Form, Report, largest, too_large
from .models import Shape, sequences, stock_model

LIMIT = 0.02  # of the relative difference from float32
LOSS_SCALE = 2.0**15  # the initial one of Keras


def run(form: Form) -> Report:
    failures, figures = Failures(), {}
    shape = form.choose(Shape(32, 50, 32, 64), Shape(8, 6, 8, 16))
    for cell in form.choose(("LSTM", "GRU", "SimpleRNN"), ("GRU",)):
        expected = recorded(cell, shape, "float32")
        for policy in ("mixed_float16", "mixed_bfloat16"):
            case = f"{cell}, {policy}"
            with failures.guard(case):
                figures[case] = differences(recorded(cell, shape, policy), expected)
                failures += too_large(case, figures[case], LIMIT)
    summary = f"largest difference of the errors from those in float32: {largest(figures):.2%}"
    return Report(summary, {"limit": LIMIT, "differences": figures}, failures)


def recorded(cell, shape, policy):
    """Return the errors that one training step records, by name."""
    import keras
    from errorflow.callbacks import ErrorFlow
    from errorflow.layers import watch

    model = watch(stock_model(cell, shape, policy))
    optimizer = keras.optimizers.SGD(0.0)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=LOSS_SCALE)
    model.compile(optimizer, "mse")
    flow = ErrorFlow()
    model.fit(*sequences(shape), batch_size=shape.batch, verbose=0, callbacks=[flow])
    return flow.history["recurrent"]


def differences(ours, theirs):
    """Return by name how much the errors of all time steps differ, relative to their norm."""
    import numpy as np

    names = [n for n in ("hidden", "hidden_max", "carried", "injected", "cell") if n in theirs]
    return {
        name: float(np.linalg.norm(ours[name] - theirs[name]) / np.linalg.norm(theirs[name]))
        for name in names
    }
