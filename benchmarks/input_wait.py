"""For what fraction of a training step does a network wait for its batch?

    python benchmarks/input_wait.py                         # `errorflow images train`
    python benchmarks/input_wait.py --model resnet20
    python benchmarks/input_wait.py --task names            # sequences, of different lengths
    python benchmarks/input_wait.py --task pronounce --processes 2

The training step, its batches and the data augmentation are those of the task. The clock is read
inside the compiled step, before and after the next batch is taken. The script prints the waiting
time as a fraction of the time of an epoch. Several processes on this machine train one network,
each with its share of each batch (--strategy multi-worker).
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="images")
    parser.add_argument("--model", help="default: lenet5 for images, else the task's own")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--limit", type=int, help="maximum number of training examples")
    parser.add_argument("--data-dir", type=Path, help="for a task without embedded data")
    parser.add_argument("--processes", type=int, default=1)
    return parser.parse_args()


def launch(count):
    """Start the processes on free ports; show what the first one prints."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    workers = ["{}:{}".format(*each.getsockname()) for each in sockets]
    for each in sockets:
        each.close()
    started = []
    for index in range(count):
        config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(config)}
        output = None if index == 0 else subprocess.DEVNULL
        started.append(
            subprocess.Popen([sys.executable, *sys.argv], env=environment, stdout=output)
        )
    return max(process.wait() for process in started)


def main():
    args = options()
    if args.processes > 1 and "TF_CONFIG" not in os.environ:
        return launch(args.processes)
    from errorflow.pipelines.core import devices
    from errorflow.pipelines.core.cluster import training_cluster
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.registry import load_task
    from errorflow.pipelines.training.feeding import fit_data
    from errorflow.pipelines.training.loop import compile_training

    task = load_task(args.task)
    model = args.model or {"images": "lenet5"}.get(args.task)
    settings = {"limit": args.limit, "data_dir": args.data_dir} | (
        {"model": model} if model else {}
    )
    if args.processes > 1:
        settings["strategy"] = "multi-worker"
    config = replace(task.config(), **settings).resolved()
    strategy = devices.start(config.hardware, training_cluster(config.hardware.strategy))
    with strategy.scope():
        spec = task.build_training(config, task.read_data(config))
        network = compile_training(spec, config)
    batches = fit_data(strategy, spec.train_data, spec.validation_data)["x"]
    name = f"{args.task} {config.kind}, {args.processes} processes"
    show(name, strategy, network, spec.train_data, batches, args.epochs)
    return 0


def show(name, strategy, network, data, batches, epochs):
    """Train, and print the waiting time of each epoch but the first, which compiles the steps."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def step(batches):
        before = tf.timestamp()
        batch = next(batches)
        after = tf.timestamp()  # TensorFlow keeps both in the order of the program
        strategy.run(network.train_step, (batch,))
        return after - before

    endless = iter(batches) if strategy.num_replicas_in_sync > 1 else None
    for data.epoch in range(epochs + 1):
        rest = endless or iter(batches)
        step(rest)  # fills the buffers; in the first epoch, also traces
        began = time.perf_counter()
        waits = [float(step(rest)) for _ in range(data.steps - 1)]
        seconds = time.perf_counter() - began
        if data.epoch:
            mean = 1e3 * seconds / len(waits)
            share = sum(waits) / seconds
            print(f"{name}: {mean:.1f} ms per step, {share:.2%} of it waiting", flush=True)


if __name__ == "__main__":
    sys.exit(main())
