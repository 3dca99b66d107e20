"""Do two replicas, on two logical devices, train and record as one does with the whole batch?"""

import contextlib

from . import Failures, Form, Report
from .exact import tf32_off
from .models import Shape, sequences, stock_model

LIMIT = 1e-4
MEMORY = 1024  # MB of the GPU for each replica


def run(form: Form) -> Report:
    strategy = two_replicas(form)
    failures, figures = Failures(), {}
    shape = form.choose(Shape(32, 40, 16, 32), Shape(4, 5, 3, 4))
    for cell in form.choose(("LSTM", "GRU", "SimpleRNN"), ("GRU",)):
        with failures.guard(cell), tf32_off():
            figures[cell] = differences(train(cell, shape, strategy), train(cell, shape))
            failures += [
                f"{cell}: {name} differs by {value:.1e}"
                for name, value in figures[cell].items()
                if not value <= LIMIT
            ]
    worst = max((max(by_name.values()) for by_name in figures.values()), default=float("nan"))
    names = [name.split("/device:")[-1] for name in strategy.extended.worker_devices]
    summary = f"{' and '.join(names)}: largest relative difference from one device {worst:.1e}"
    return Report(summary, {"limit": LIMIT, "differences": figures}, failures)


def two_replicas(form):
    """Split the device into two logical ones, and return a strategy over them."""
    import tensorflow as tf

    kind = form.device.split(":")[0]
    physical = tf.config.list_physical_devices(kind)[0]
    half = tf.config.LogicalDeviceConfiguration(memory_limit=form.choose(MEMORY, None))
    tf.config.set_logical_device_configuration(physical, [half, half])
    logical = tf.config.list_logical_devices(kind)
    if len(logical) < 2:
        raise RuntimeError(f"{len(logical)} logical devices of {kind} in place of two")
    return tf.distribute.MirroredStrategy([device.name for device in logical[:2]])


def train(cell, shape, strategy=None):
    """Train three steps; return the weights, and the recorded errors by name."""
    import keras
    import numpy as np
    from errorflow.callbacks import ErrorFlow
    from errorflow.layers import watch

    with strategy.scope() if strategy else contextlib.nullcontext():
        model = watch(stock_model(cell, shape))
        model.compile(keras.optimizers.SGD(0.1), "mse")
    flow = ErrorFlow()
    x, y = (np.concatenate([part] * 3) for part in sequences(shape))
    model.fit(x, y, batch_size=shape.batch, shuffle=False, verbose=0, callbacks=[flow])
    weights = {f"weight {n}": array for n, array in enumerate(model.get_weights())}
    return weights | flow.history["recurrent"]


def differences(ours, theirs):
    """Return by name the largest difference relative to the largest entry."""
    import numpy as np

    if ours["step"].tolist() != [1, 2, 3]:
        raise RuntimeError(f"rows of the training steps {ours['step'].tolist()}, not of 1, 2, 3")
    result = {}
    for name in theirs:
        one, two = np.float64(theirs[name]), np.float64(ours[name])
        result[name] = float(np.nanmax(abs(two - one)) / max(np.nanmax(abs(one)), 1e-30))
    return result
