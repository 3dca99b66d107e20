"""How long is an epoch of two tasks with their default settings, and how much of it is waiting?

The network waits while the next batch is not ready. The clock is read inside the step, before and
after the batch is taken. Each step ends when its last update has arrived, since a GPU computes
behind Python: else the waiting of a later step would hide in an earlier one.
"""

import importlib
import time

from . import Failures, Form, Report

TASKS = {"names": {}, "images": {"model": "resnet20"}}
REDUCED = {"names": {"limit": 200, "units": 4}, "images": {"model": "lenet5", "limit": 200}}


def run(form: Form) -> Report:
    failures, figures = Failures(), {}
    for task, settings in form.choose(TASKS, REDUCED).items():
        name = settings.get("model", task)
        with failures.guard(name):
            figures[name] = epochs(task, settings)
    summary = ", ".join(
        f"{name} {about['seconds']:.1f} s ({about['waiting']:.1%} waiting)"
        for name, about in figures.items()
    )
    return Report(summary, figures, failures)


def epochs(task, settings):
    """Train two epochs; return the seconds of both, and the waiting share of the second one."""
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.core.devices import keep_freed_memory, load_tensorflow
    from errorflow.pipelines.training.loop import compile_training

    task = importlib.import_module(f"errorflow.pipelines.{task}").TASK
    config = replace(task.config(), **settings).resolved()
    load_tensorflow()
    keep_freed_memory()
    spec = task.build_training(config, task.read_data(config))
    step = training_step(compile_training(spec, config))
    seconds = []
    for spec.train_data.epoch in range(2):
        began, batches = time.perf_counter(), iter(spec.train_data.dataset())
        waits = [step(batches) for _ in range(spec.train_data.steps)]
        seconds.append(time.perf_counter() - began)
    return {
        "first_seconds": seconds[0],  # with tracing and compiling
        "seconds": seconds[1],
        "steps": len(waits),
        "waiting": sum(waits[1:]) / seconds[1],  # the first batch fills the buffers
    }


def training_step(model):
    """Return a function that takes a batch, trains on it, and returns the seconds of waiting."""
    import tensorflow as tf

    train = model.train_step
    if model.jit_compile:  # as `fit` does
        train = tf.function(train, jit_compile=True, reduce_retracing=True)

    @tf.function
    def step(batches):
        before = tf.timestamp()
        batch = next(batches)
        after = tf.timestamp()  # TensorFlow keeps both in the order of the program
        train(batch)
        return after - before, tf.reduce_sum(model.trainable_variables[0].value)

    def finished(batches):
        waiting, weights = step(batches)
        weights.numpy()
        return float(waiting)

    return finished
