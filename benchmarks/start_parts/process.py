"""The process that trains, and notes what it does."""

import contextlib
import json
import time
from pathlib import Path

from .clock import EPOCHS, Clock, Steps

STAGES = {  # text of a phase: stage
    "loading TensorFlow": "devices",
    "looking at the data": "data",
    "reading the data": "data",
    "building the network and the batches": "building",
    "drawing the plots": "plots",
    "evaluating on the validation split": "last measurements",
    "evaluating on the test split": "last measurements",
}


def follow(clock):
    """Note the stages of what this process runs from now on."""
    import builtins

    clock.wrap(builtins, "__import__", "imports")
    from errorflow.pipelines.core import devices, phases

    phase = phases.phase

    @contextlib.contextmanager
    def timed_phase(text, after=1.0):
        name = STAGES.get(text, text) if isinstance(text, str) else EPOCHS
        with clock.stage(name), phase(text, after):
            yield

    phases.phase = timed_phase
    load = devices.load_tensorflow

    def load_tensorflow():
        with clock.stage("imports"):
            tf = load()
        devices.load_tensorflow = load
        _follow_tensorflow(clock)
        return tf

    devices.load_tensorflow = load_tensorflow


def _follow_tensorflow(clock):
    import keras
    from errorflow.pipelines.training import compile_time, loop
    from tensorflow.python.eager.polymorphic_function import tracing_compilation

    clock.wrap(tracing_compilation, "_create_concrete_function", "tracing")
    clock.wrap(loop, "_build_state", "building")
    for method in ("save", "save_weights"):
        clock.wrap(keras.Model, method, "writing models")
    clock.wrap(keras.Model, "evaluate", "validation in each epoch")
    steps, of_training = Steps(clock), compile_time.CompileTime
    for name, own in (("on_train_batch_begin", steps.begin), ("on_train_batch_end", steps.end)):
        setattr(of_training, name, _both(getattr(of_training, name), own))

    def end_training(self, logs=None):
        compiled = steps.compiling(self._train_data)
        clock.note()
        for kind in (0, 1):
            clock.taken.setdefault("compiling", [0.0, 0.0])[kind] += compiled[kind]
            clock.taken[EPOCHS][kind] -= compiled[kind]
        steps.taken.clear()

    of_training.on_train_end = end_training


def _both(first, second):
    def both(self, *args, **kwargs):
        first(self, *args, **kwargs)
        second(*args, **kwargs)

    return both


def run(out, question, *arguments):
    """Run a training in this process, and write the seconds of its stages."""
    import psutil

    clock = Clock(time.time() - psutil.Process().create_time())
    follow(clock)
    with clock.stage("other"):
        if question == "train":
            from errorflow.pipelines import cli

            code = cli.main([*arguments])
        else:
            code = _trials(clock, arguments)
    clock.note()
    Path(out).write_text(json.dumps(clock.taken))
    from errorflow.pipelines.core.stop_request import leave

    leave(code)


def _trials(clock, folders):
    """Run the trials; the seconds are those of the last one."""
    from errorflow.pipelines.search import execution, trial

    code = 0
    for number, folder in enumerate(folders):
        if number:
            execution.free_memory()
            clock.note()
            clock.taken.clear()
        code = trial.main([folder])
    return code
