"""How much faster do two processes on a core each train than one process on one core?

    python benchmarks/workers.py                      # names and ResNet-20
    python benchmarks/workers.py --tasks names --epochs 8

Each network is trained with the same batches in three ways, one after the other:

    one       one process on one core
    halves    two processes on a core each, which know nothing of each other; half of each batch
    workers   two workers on a core each, `--strategy multi-worker`

The first epoch, in which the steps are compiled, is left out, and the figure is the median of the
others. What `workers` takes longer than `halves` is the share of communication, waiting for the
slower worker included.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

TASKS = {
    "names": "--limit 1000 --batch-size 128 --dropout 0",
    # Without XLA, as workers do not compile networks with batch normalisation.
    "images": "--limit 640 --batch-size 64 --model resnet20 --width 0.5 --jit off",
}


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=[*TASKS])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(task, parts, epochs):
    """Return the median seconds of a step in this process, which takes 1 / `parts` of a batch."""
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.dispatch import training_config
    from errorflow.pipelines.registry import load_task
    from errorflow.pipelines.training import feeding, loop
    from errorflow.pipelines.training.data_report import read_data
    from errorflow.pipelines.training.session import start

    chosen = load_task(task)
    flags = [*TASKS[task].split(), "--strategy", "auto", "--device", "cpu"]
    config = training_config(chosen, flags)[0].resolved()
    config = replace(config, batch_size=config.optimisation.batch_size // parts)
    strategy = start(config).strategy
    data = read_data(chosen, config)
    with strategy.scope():
        spec = chosen.build_training(config, data)
        model = loop.compile_training(spec, config)
    fed = feeding.fit_data(strategy, spec.train_data, spec.validation_data)
    train = {key: fed[key] for key in ("x", "steps_per_epoch") if key in fed}
    clock = Clock()
    model.fit(**train, epochs=epochs, shuffle=False, verbose=0, callbacks=[clock.callback()])
    return statistics.median(clock.seconds[1:]) / spec.train_data.steps


class Clock:
    """Measures the epochs of `fit`."""

    def __init__(self):
        self.seconds = []

    def callback(self):
        import keras

        def begin(epoch, logs):
            self.began = time.perf_counter()

        def end(epoch, logs):
            self.seconds.append(time.perf_counter() - self.began)

        return keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)


def start(task, parts, epochs, core, environment):
    """Start a process that measures on one core, and prints the seconds of a step."""
    command = [sys.executable, __file__, "--child", json.dumps([task, parts, epochs, core])]
    return subprocess.Popen(
        command,
        env=os.environ | environment | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
    )


def slowest(processes):
    """Return the largest figure of some processes."""
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit("a process failed")
    return max(float(output.split()[-1]) for output in outputs)


def cluster(count):
    """Return TF_CONFIG for each of `count` workers on this machine."""
    sockets = [socket.socket() for _ in range(count)]
    for free in sockets:
        free.bind(("127.0.0.1", 0))
    workers = [f"127.0.0.1:{free.getsockname()[1]}" for free in sockets]
    for free in sockets:
        free.close()
    tasks = [{"type": "worker", "index": index} for index in range(count)]
    return [json.dumps({"cluster": {"worker": workers}, "task": task}) for task in tasks]


def main():
    args = options()
    if args.child:
        task, parts, epochs, core = json.loads(args.child)
        os.sched_setaffinity(0, {core})
        print(measure(task, parts, epochs))
        return
    cores = sorted(os.sched_getaffinity(0))[:2]
    for task in args.tasks:
        one = slowest([start(task, 1, args.epochs, cores[0], {})])
        halves = slowest([start(task, 2, args.epochs, core, {}) for core in cores])
        configs = zip(cores, cluster(2), strict=True)
        workers = slowest(
            [start(task, 1, args.epochs, core, {"TF_CONFIG": config}) for core, config in configs]
        )
        print(
            f"{task:8} steps/s: one {1 / one:.1f}, workers {1 / workers:.1f}"
            f" (× {one / workers:.2f}; × {one / halves:.2f} without communication, which takes"
            f" {1 - halves / workers:.0%} of a step)",
            flush=True,
        )


if __name__ == "__main__":
    main()
