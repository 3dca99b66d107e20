"""How long do training, evaluation and prediction take, relative to the stock layers of Keras?

On a GPU the stock LSTM and GRU run cuDNN's kernels. The data are on the device, and many steps run
before their result is read, so that neither transfers nor Python are measured. Both layers take
turns.
"""

import itertools
import time

import turns

from . import Failures, Form, Report
from .models import Shape, sequences, stock_model

SHAPES = (
    Shape(64, 100, 64, 128),
    Shape(32, 20, 64, 128),
    Shape(32, 200, 32, 64),
    Shape(128, 100, 128, 256),
)
CELLS = ("LSTM", "GRU", "SimpleRNN")
PHASES = ("training", "evaluation", "prediction")


def run(form: Form) -> Report:
    failures, figures = Failures(), {}
    rows = [*itertools.product(CELLS, SHAPES)] if not form.reduced else [("GRU", Shape(4, 5, 3, 4))]
    for cell, shape in rows:
        if form.seconds_left < 20:
            break
        with failures.guard(f"{cell} {shape}"):
            figures[f"{cell} {shape}"] = times(cell, shape, form)
    if not figures:
        failures.append("nothing was measured in the time that was left")
    ratios = [
        f"{cell} {phase} {mean_ratio(figures, cell, phase)}"
        for cell in CELLS
        for phase in PHASES
        if any(name.startswith(cell) for name in figures)
    ]
    missing = len(rows) - len(figures) - len(failures)
    late = f"; no time for {missing} of {len(rows)} rows" * (missing > 0)
    return Report(f"ours / stock: {', '.join(ratios)}{late}", figures, failures)


def times(cell, shape, form):
    """Return by phase the median ms of a step of both layers, their ratio, and the first step."""
    from errorflow.layers import watch

    result = {}
    stock = stock_model(cell, shape)
    models = {"ours": watch(stock_model(cell, shape)), "stock": stock}
    of_both = {name: steps(model, shape) for name, model in models.items()}
    for phase in PHASES:
        contestants = {
            name: lambda step=of_both[name][phase]: turn(step, form.choose(0.15, 0))
            for name in of_both
        }
        raced = turns.race(contestants, form.choose(4, 1))
        result[phase] = {f"{name}_ms": ms for name, (ms, _) in raced.items()}
        result[phase] |= {f"{name}_first_ms": ms for name, (_, ms) in raced.items()}
        result[phase]["ratio"] = result[phase]["ours_ms"] / result[phase]["stock_ms"]
    return result


def steps(model, shape):
    """Return by phase a function of one step, whose result can be read when it is done."""
    import tensorflow as tf

    x, y = map(tf.constant, sequences(shape))
    model.compile("sgd", "mse", jit_compile=False)

    @tf.function
    def train():
        model.train_step((x, y))
        return model.trainable_variables[0].value[0, 0] + 0.0  # read after the update

    return {
        "training": train,
        "evaluation": tf.function(lambda: model.test_step((x, y))["loss"]),
        "prediction": tf.function(lambda: model.predict_step((x,))),
    }


def turn(step, seconds):
    """Run a step alone, and then many in `seconds`; return the time of the first and of one more.

    A GPU computes behind Python: the time ends when the last result has arrived.
    """
    first, one = (turns.seconds(lambda: step().numpy())[0] for _ in range(2))
    count = max(2, min(100, int(seconds / one)))
    began = time.perf_counter()
    for _ in range(count):
        last = step()
    last.numpy()
    return [first, (time.perf_counter() - began) / count]


def mean_ratio(figures, cell, phase):
    """Return the geometric mean over the shapes."""
    import numpy as np

    ratios = [row[phase]["ratio"] for name, row in figures.items() if name.startswith(f"{cell} ")]
    return f"{np.exp(np.mean(np.log(ratios))):.2f}"
