"""How much time of a training step does oneDNN save on this processor?

    python benchmarks/onednn.py
    python benchmarks/onednn.py --models vgg11 --width 0.125 --rounds 5

TensorFlow reads the switch when it is imported, so each turn is a process of its own; turns with
and without oneDNN alternate. The script prints the ratio of the median steps, with oneDNN over
without, and as a measure of the noise the ratio of the two halves of the turns without.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

STEPS, COLD_STEPS = 25, 5  # per turn; the first ones are not counted
BATCH, SIZE = 32, 80  # images per batch; pixels


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["vgg11", "resnet18", "googlenet", "lenet5"])
    parser.add_argument("--width", type=float, default=0.125, help="of all networks but lenet5")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each contestant")
    parser.add_argument("--turn", help=argparse.SUPPRESS)  # the model, in the process of a turn
    return parser.parse_args()


def turn(name, width):
    """Train some steps, and print the median seconds of a step."""
    import numpy as np
    from errorflow.pipelines.core.devices import keep_freed_memory
    from errorflow.pipelines.models import build

    keep_freed_memory()
    arguments = {} if name == "lenet5" else {"width": width, "normalization": "batch"}
    model = build(name, (SIZE, SIZE, 1), 10, **arguments)
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
    print(statistics.median(times[COLD_STEPS:]))


def step_seconds(name, width, switch):
    """Return the median step of a turn in a process of its own; switch: "1" or "0"."""
    command = [sys.executable, __file__, "--turn", name, "--width", str(width)]
    variables = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": switch}
    environment = os.environ | variables
    output = subprocess.check_output(command, env=environment, stderr=subprocess.DEVNULL)
    return float(output.split()[-1])


def main():
    args = options()
    if args.turn:
        turn(args.turn, args.width)
        return
    for name in args.models:
        pairs = [[step_seconds(name, args.width, s) for s in "01"] for _ in range(args.rounds)]
        off, on = zip(*pairs, strict=True)
        noise = statistics.median(off[::2]) / statistics.median(off[1::2] or off)
        ratio = statistics.median(on) / statistics.median(off)
        print(f"{name:10} with oneDNN / without {ratio:.2f}   noise {noise:.2f}", flush=True)


if __name__ == "__main__":
    main()
