"""What does recording the error cost, as a multiple of the time of an epoch in `fit`?"""

import statistics
import time

from . import Failures, Form, Report
from .models import Shape, sequences, stock_model

SHAPE = Shape(64, 100, 64, 128)


def run(form: Form) -> Report:
    failures, seconds = Failures(), {}
    shape = form.choose(SHAPE, Shape(4, 5, 3, 4))
    with failures.guard("LSTM"):
        epochs = contestants(shape, form.choose(100, 2))
        seconds = {name: [] for name in epochs}
        for epoch in epochs.values():
            epoch()  # traces and compiles
        for _ in range(form.choose(8, 1)):
            if form.seconds_left < 15:
                break
            for name, epoch in epochs.items():
                seconds[name].append(epoch())
    medians = {name: statistics.median(values) for name, values in seconds.items() if values}
    base = medians.get("stock", float("nan"))
    ratios = {name: median / base for name, median in medians.items()}
    summary = "epoch / that of the stock LSTM: "
    summary += ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    return Report(summary, {"shape": str(shape), "seconds": seconds, "ratios": ratios}, failures)


def contestants(shape, steps):
    """Return by name a function that trains an epoch and returns its seconds."""
    import tensorflow as tf
    from errorflow.callbacks import ErrorFlow, LayerGradients
    from errorflow.layers import watch

    data = tf.data.Dataset.from_tensors(sequences(shape)).cache().repeat(steps)
    callbacks = {
        "visible": [],
        "ErrorFlow": [ErrorFlow()],
        "ErrorFlow and LayerGradients": [ErrorFlow(), LayerGradients()],
    }

    def epoch_of(model, own):
        model.compile("sgd", "mse")

        def epoch():
            began = time.perf_counter()
            model.fit(data, verbose=0, shuffle=False, callbacks=own)
            return time.perf_counter() - began

        return epoch

    visible = {n: epoch_of(watch(stock_model("LSTM", shape)), own) for n, own in callbacks.items()}
    again = {"stock, again": epoch_of(stock_model("LSTM", shape), [])}  # shows the noise
    return {"stock": epoch_of(stock_model("LSTM", shape), []), **visible, **again}
