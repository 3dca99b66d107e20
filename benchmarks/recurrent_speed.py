"""How long is a training step of our recurrent layers, as a share of keras.layers' and PyTorch's?

    python benchmarks/recurrent_speed.py                    # ours against keras.layers
    python benchmarks/recurrent_speed.py --torch            # and torch.nn, if torch is installed
    python benchmarks/recurrent_speed.py --torch --malloc   # glibc told to keep freed memory

One model per cell and library: the cell over [B, T, D], a state [B, T, H] at every step, mean
squared error, plain SGD. TensorFlow models step inside `model.fit`. The libraries take turns, a few
steps each, round after round in one process; the first step of each turn is not counted. Printed
is the ratio of the median steps; below 1, ours is faster. `compile` is our first step: tracing and
XLA, once per shape.
"""

import argparse
import importlib.util
import os
import statistics
import sys
import time

SHAPES = ((64, 100, 64, 128), (32, 20, 64, 128), (32, 200, 32, 64), (128, 100, 128, 256))
CELLS = ("SimpleRNN", "GRU", "LSTM")
TURN = 20  # steps before the other library takes over; the first few find cold caches


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    parser.add_argument("--shapes", type=int, nargs="+", default=range(len(SHAPES)))
    parser.add_argument("--torch", action="store_true", help="race torch.nn too")
    parser.add_argument("--malloc", action="store_true", help="raise glibc's malloc thresholds")
    return parser.parse_args()


def with_raised_malloc_thresholds():
    """Start again: glibc reads these when a process begins."""
    if "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        limits = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), "4000000000")
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | limits)


def keras_turns(layer, batch, steps, width):
    """A function that trains TURN steps in `fit` and returns their times in seconds."""
    import keras
    import numpy as np
    import tensorflow as tf

    class Clock(keras.callbacks.Callback):
        def on_train_batch_begin(self, step, logs=None):
            self.began = time.perf_counter()

        def on_train_batch_end(self, step, logs=None):
            self.times.append(time.perf_counter() - self.began)

    random = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((steps, width)), layer])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x = random.standard_normal((batch, steps, width), dtype="float32")
    y = random.standard_normal((batch, steps, layer.units), dtype="float32")
    data = tf.data.Dataset.from_tensors((x, y)).cache().repeat(TURN)
    clock = Clock()

    def turn():
        clock.times = []
        model.fit(data, verbose=0, callbacks=[clock])
        return clock.times

    return turn


def torch_turns(cell, batch, steps, width, units):
    import torch

    random = torch.Generator().manual_seed(0)
    layer = getattr(torch.nn, {"SimpleRNN": "RNN"}.get(cell, cell))(width, units, batch_first=True)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)
    x = torch.randn(batch, steps, width, generator=random)
    y = torch.randn(batch, steps, units, generator=random)

    def step():
        began = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(layer(x)[0], y).backward()
        optimizer.step()
        return time.perf_counter() - began

    return lambda: [step() for _ in range(TURN)]


def race(turns, rounds):
    """{name: (median step, first step)} in ms, the contestants taking turns."""
    first = {name: turn()[0] for name, turn in turns.items()}
    times = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            times[name] += turn()[1:]
    return {name: (1e3 * statistics.median(times[name]), 1e3 * first[name]) for name in turns}


def contestants(cell, shape, with_torch):
    import errorflow.layers
    import keras

    batch, steps, width, units = shape
    turns = {
        "ours": keras_turns(
            getattr(errorflow.layers, cell)(units, return_sequences=True), batch, steps, width
        ),
        "keras": keras_turns(
            getattr(keras.layers, cell)(units, return_sequences=True), batch, steps, width
        ),
    }
    if with_torch:
        turns["torch"] = torch_turns(cell, *shape)
    return turns


def main():
    args = options()
    if args.malloc:
        with_raised_malloc_thresholds()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if args.torch and importlib.util.find_spec("torch") is None:
        sys.exit("--torch: PyTorch is not installed; pip install torch")
    peers = ["keras", "torch"] if args.torch else ["keras"]
    for cell in args.cells:
        ratios = {peer: [] for peer in peers}
        for index in args.shapes:
            result = race(contestants(cell, SHAPES[index], args.torch), args.rounds)
            ours, compiled = result["ours"]
            for peer in peers:
                ratios[peer].append(ours / result[peer][0])
            told = "  ".join(f"ours/{peer} {ratios[peer][-1]:.2f}" for peer in peers)
            shape = ",".join(map(str, SHAPES[index]))
            print(f"{cell:10} {shape:16} {ours:7.2f} ms  {told}  compile {compiled / 1e3:.1f} s")
        means = {peer: statistics.geometric_mean(r) for peer, r in ratios.items()}
        told = "  ".join(f"ours/{peer} {mean:.2f}" for peer, mean in means.items())
        print(f"{cell:10} geometric mean              {told}", flush=True)


if __name__ == "__main__":
    main()
