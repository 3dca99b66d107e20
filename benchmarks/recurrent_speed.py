"""How long does a training step of our recurrent layers take, relative to Keras and PyTorch?

    python benchmarks/recurrent_speed.py                    # compared with keras.layers
    python benchmarks/recurrent_speed.py --torch            # and with torch.nn, if it is installed
    python benchmarks/recurrent_speed.py --torch --malloc   # let glibc keep freed memory

One model per cell and library: the cell over [B, T, D] with a state [B, T, H] at every step, mean
squared error, plain SGD. TensorFlow models are trained by `model.fit`. The libraries take turns of
a few steps in one process; the first step of each turn is not counted. The script prints the ratio
of the median steps (below 1, ours is faster) and, as `compile`, the time of our first step, in
which TensorFlow traces and XLA compiles it, once per shape.
"""

import argparse
import importlib.util
import os
import statistics
import sys
import time

import turns

SHAPES = ((64, 100, 64, 128), (32, 20, 64, 128), (32, 200, 32, 64), (128, 100, 128, 256))
CELLS = ("SimpleRNN", "GRU", "LSTM")
TURN = 20  # steps before the next library; in the first few, caches are cold


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6, help="turns of each library")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    numbers = range(len(SHAPES))
    parser.add_argument("--shapes", type=int, nargs="+", choices=numbers, default=numbers)
    parser.add_argument("--torch", action="store_true", help="also compare with torch.nn")
    parser.add_argument("--malloc", action="store_true", help="raise glibc's malloc thresholds")
    return parser.parse_args()


def restart_with_raised_malloc_thresholds():
    """Restart this process: glibc reads the thresholds when a process starts."""
    if "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        limits = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), "4000000000")
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | limits)


def keras_turns(layer, batch, steps, width):
    """Return a function that trains TURN steps in `fit` and returns their seconds."""
    import keras
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((steps, width)), layer])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x = random.standard_normal((batch, steps, width), dtype="float32")
    y = random.standard_normal((batch, steps, layer.units), dtype="float32")
    return turns.fit_turn(model, tf.data.Dataset.from_tensors((x, y)).cache().repeat(TURN))


def torch_turns(cell, batch, steps, width, units):
    """Return a function that trains TURN steps and returns their seconds."""
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


def contestants(cell, shape, with_torch):
    """Return a function per library that trains TURN steps, by the library's name."""
    import errorflow.layers
    import keras

    batch, steps, width, units = shape
    by_library = {
        "ours": keras_turns(
            getattr(errorflow.layers, cell)(units, return_sequences=True), batch, steps, width
        ),
        "keras": keras_turns(
            getattr(keras.layers, cell)(units, return_sequences=True), batch, steps, width
        ),
    }
    if with_torch:
        by_library["torch"] = torch_turns(cell, *shape)
    return by_library


def main():
    args = options()
    if args.malloc:
        restart_with_raised_malloc_thresholds()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if args.torch and importlib.util.find_spec("torch") is None:
        sys.exit("--torch: PyTorch is not installed; pip install torch")
    peers = ["keras", "torch"] if args.torch else ["keras"]
    for cell in args.cells:
        ratios = {peer: [] for peer in peers}
        for index in args.shapes:
            result = turns.race(contestants(cell, SHAPES[index], args.torch), args.rounds)
            ours, compiled = result["ours"]
            for peer in peers:
                ratios[peer].append(ours / result[peer][0])
            line = "  ".join(f"ours/{peer} {ratios[peer][-1]:.2f}" for peer in peers)
            shape = ",".join(map(str, SHAPES[index]))
            print(f"{cell:10} {shape:16} {ours:7.2f} ms  {line}  compile {compiled / 1e3:.1f} s")
        means = {peer: statistics.geometric_mean(r) for peer, r in ratios.items()}
        line = "  ".join(f"ours/{peer} {mean:.2f}" for peer, mean in means.items())
        print(f"{cell:10} geometric mean              {line}", flush=True)


if __name__ == "__main__":
    main()
