"""Where does the time of a short training go that is not spent on its epochs?

    python benchmarks/start.py trial                   # of one trial of `names tune`, alone
    python benchmarks/start.py trial --after           # of the next trial in the same process
    python benchmarks/start.py train --epochs 25       # of `errorflow names train`

One process trains, and this script notes what it does: a table of processor seconds (of all its
threads) and seconds by stage, for a machine that does other work too. What a stage does inside
another one counts for itself alone. Compiling is part of the first steps of each batch shape, and
what they took beyond the usual step of that shape; it is taken from the stage "epochs".
"""

import argparse
import contextlib
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import tuning

STAGES = {  # text of a phase: stage
    "loading TensorFlow": "devices",
    "looking at the data": "data",
    "reading the data": "data",
    "building the network and the batches": "building",
    "drawing the plots": "plots",
    "evaluating on the validation split": "last measurements",
    "evaluating on the test split": "last measurements",
}
FIT = "epochs"


class Clock:
    """Seconds by stage of the main thread; the innermost stage counts.

    Attributes:
        taken: [processor seconds, seconds] by stage.
    """

    def __init__(self, seconds_before):
        self.taken = {"Python": [time.process_time(), seconds_before]}
        self._stages, self._last = ["other"], self._now()

    @staticmethod
    def _now():
        return time.process_time(), time.perf_counter()

    def note(self):
        """Add the time since the last change to the present stage."""
        now, taken = self._now(), self.taken.setdefault(self._stages[-1], [0.0, 0.0])
        for kind in (0, 1):
            taken[kind] += now[kind] - self._last[kind]
        self._last = now

    @contextlib.contextmanager
    def stage(self, name):
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self.note()
        self._stages.append(name)
        try:
            yield
        finally:
            self.note()
            self._stages.pop()

    def wrap(self, owner, method, name):
        """Let a function be a stage."""
        function = getattr(owner, method)

        @functools.wraps(function)
        def timed(*args, **kwargs):
            with self.stage(name):
                return function(*args, **kwargs)

        setattr(owner, method, timed)


class Steps:
    """Processor seconds and seconds of each training step, without what is a stage in it."""

    def __init__(self, clock):
        self.clock, self.taken = clock, []

    def begin(self, *_, **__):
        self.clock.note()
        self.before = list(self.clock.taken.get(FIT, (0.0, 0.0)))

    def end(self, *_, **__):
        self.clock.note()
        after = self.clock.taken.get(FIT, (0.0, 0.0))
        self.taken.append([now - before for now, before in zip(after, self.before, strict=True)])

    def compiling(self, train_data):
        """Return the processor seconds and the seconds of compiling in the first epoch."""
        from errorflow.pipelines.training.compile_time import compiling

        steps = train_data.steps
        shapes = getattr(train_data, "shapes", lambda epoch: [0] * steps)(0)
        of_first = self.taken[: len(shapes)]
        return [compiling(shapes, [each[kind] for each in of_first]) for kind in (0, 1)]


def follow(clock):
    """Note the stages of what this process runs from now on."""
    import builtins

    clock.wrap(builtins, "__import__", "imports")
    from errorflow.pipelines.core import devices, phases

    phase = phases.phase

    @contextlib.contextmanager
    def timed_phase(text, after=1.0):
        name = STAGES.get(text, text) if isinstance(text, str) else FIT
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
            clock.taken[FIT][kind] -= compiled[kind]
        steps.taken.clear()

    of_training.on_train_end = end_training


def _both(first, second):
    def both(self, *args, **kwargs):
        first(self, *args, **kwargs)
        second(*args, **kwargs)

    return both


def child(out, question, *arguments):
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


def measure(question, *arguments, variables):
    """Run a training in a process of its own; return [processor seconds, seconds] by stage."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "seconds.json"
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, __file__, "child", str(out), question, *map(str, arguments)]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | variables,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = sum(getattr(after, n) - getattr(before, n) for n in ("ru_utime", "ru_stime"))
        taken = json.loads(out.read_text())
    totals = processor, time.perf_counter() - began
    if "Python" in taken:  # of the whole process
        taken["end of the process"] = [
            max(0.0, total - sum(each[kind] for each in taken.values()))
            for kind, total in enumerate(totals)
        ]
    return taken


def print_table(taken):
    for name, (processor, seconds) in sorted(taken.items(), key=lambda item: -item[1][0]):
        print(f"{processor:7.2f} {seconds:7.2f}  {name}")
    inside = ("epochs", "validation in each epoch")
    sums = [sum(each[kind] for each in taken.values()) for kind in (0, 1)]
    rest = [
        sum(each[kind] for name, each in taken.items() if name not in inside) for kind in (0, 1)
    ]
    print(f"{sums[0]:7.2f} {sums[1]:7.2f}  all")
    print(f"{rest[0]:7.2f} {rest[1]:7.2f}  all but the epochs", flush=True)


def equal_trials(folder, count, epochs):
    """Write the folders of equal trials, as `tuning.py workers` has them; return their paths."""
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.names import NamesConfig
    from errorflow.pipelines.search.trial_folder import Request
    from errorflow.pipelines.search.trial_process import write_trial

    values = {k: v[0] if isinstance(v, list) else v for k, v in tuning.EQUAL.items()}
    config, folders = replace(NamesConfig(), epochs=epochs, **values), []
    for number in range(count):
        finished = [f"../{path.name}" for path in folders]
        folders.append(folder / f"trial_{number:04d}")
        write_trial(folders[-1], config, Request(task="names", finished=finished))
    return folders


def trial(args, folder):
    from errorflow.pipelines.search.processes import shared_programs

    count = 2 if args.after else 1
    with shared_programs() as variables:
        folders = equal_trials(folder, count, args.epochs or 2)
        print_table(measure("trial", *folders, variables=variables if args.after else {}))


def train(args, folder):
    flags = ["names", "train", "--run-dir", folder, "--name", "timed"]
    if args.epochs:
        flags += ["--epochs", args.epochs]
    print_table(measure("train", *flags, variables={}))


def main():
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("question", choices=["trial", "train"])
    parser.add_argument("--epochs", type=int, help="default: 2 of a trial, the task's of `train`")
    parser.add_argument("--after", action="store_true", help="of `trial`: the second in a process")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        {"trial": trial, "train": train}[args.question](args, Path(folder))


if __name__ == "__main__":
    main()
