"""What convolutions gain from oneDNN on this processor: time of a training step over without it.

    python benchmarks/onednn.py
    python benchmarks/onednn.py --models vgg11 --width 0.125 --rounds 5

TensorFlow reads the switch when it is imported, so each turn is a process of its own; turns with
and without take each other's place, round after round. Printed is the ratio of the medians, and of
the two halves of the turns without, which says how far noise goes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

STEPS, BATCH, SIZE = 25, 32, 80  # of a turn, the first five not counted; pictures; pixels


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["vgg11", "resnet18", "googlenet", "lenet5"])
    parser.add_argument("--width", type=float, default=0.125, help="of all but lenet5")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--turn", help=argparse.SUPPRESS)  # the model, in a turn's own process
    return parser.parse_args()


def turn(name, width):
    """Prints the median seconds of a step."""
    import numpy as np
    from errorflow.pipelines.core.devices import keep_freed_memory
    from errorflow.pipelines.models import build

    keep_freed_memory()
    more = {} if name == "lenet5" else {"width": width, "normalization": "batch"}
    model = build(name, (SIZE, SIZE, 1), 10, **more)
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    random = np.random.default_rng(0)
    x, y = random.random((BATCH, SIZE, SIZE, 1), np.float32), random.integers(0, 10, BATCH)
    if len(model.outputs) > 1:  # auxiliary classifiers
        y = [y] * len(model.outputs)
    times = []
    for _ in range(STEPS):
        began = time.perf_counter()
        model.train_on_batch(x, y)
        times.append(time.perf_counter() - began)
    print(statistics.median(times[5:]))


def measured(name, width, switch):
    command = [sys.executable, __file__, "--turn", name, "--width", str(width)]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": switch}
    told = subprocess.check_output(command, env=os.environ | quiet, stderr=subprocess.DEVNULL)
    return float(told.split()[-1])


def main():
    args = options()
    if args.turn:
        turn(args.turn, args.width)
        return
    for name in args.models:
        pairs = [[measured(name, args.width, s) for s in "01"] for _ in range(args.rounds)]
        without, given = zip(*pairs, strict=True)
        noise = statistics.median(without[::2]) / statistics.median(without[1::2])
        ratio = statistics.median(given) / statistics.median(without)
        print(f"{name:10} with oneDNN / without {ratio:.2f}   noise {noise:.2f}", flush=True)


if __name__ == "__main__":
    main()
