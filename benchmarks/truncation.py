"""What does truncated back-propagation through time save, and what does it cost?

    python benchmarks/truncation.py cost          # time and memory, relative to full BPTT
    python benchmarks/truncation.py choice        # k from the recorded error; score and memory
    python benchmarks/truncation.py cost --tiny   # a minute, to try the script

`cost` trains one cell over [B, T, D] by `model.fit`, once with its last state and once with its
output at every step, with and without `truncate=k`. The contestants take turns of a few steps in
one process, which gives the ratios of the median steps. The memory is the largest resident set of
a process of its own that takes three steps, minus that of one with two examples in a batch: it is
without what TensorFlow, the weights and compiling take. It is read from Linux' /proc.

`choice` is a classification of sequences of T random symbols: which one was marked? The mark is at
one of the last `LAG` steps. It trains full BPTT for a few steps, reads the recorded error, and
takes for k the smallest number of steps beyond which ‖δ_t‖ stays below a share of its largest
value. Then both are trained, from several seeds, and their validation accuracies and memory are
compared.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import turns

CELLS = ("SimpleRNN", "LSTM", "GRU")
LAG = 20  # the marked symbol is at one of the last ones
SYMBOLS = 8
SHARE = 0.01  # of the largest error: what is smaller may be cut


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["cost", "choice", "peak"])
    parser.add_argument("--tiny", action="store_true", help="small sizes, to try the script")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each contestant")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--case", help="of `peak`: a JSON object")
    return parser.parse_args()


def recurrent_model(cell, steps, inputs, units, every, k, outputs, loss):
    """Return a compiled model of one cell, with one output or one at every step."""
    import keras
    from errorflow import layers

    layer = getattr(layers, cell)(units, return_sequences=every, truncate=k, name="layer")
    model = keras.Sequential(
        [keras.Input((steps, inputs)), layer, keras.layers.Dense(outputs, name="output")]
    )
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=[])
    return model


def batches(batch, steps, inputs, every, count):
    """Return `count` batches of noise."""
    import tensorflow as tf

    x = np.random.default_rng(0).normal(size=(batch, steps, inputs)).astype("float32")
    y = x[..., :1] if every else x[:, -1, :1]
    return tf.data.Dataset.from_tensors((x, y)).cache().repeat(count)


def peak_of(case):
    """Return the memory of a training step in MB, as far as it grows with the batch."""
    batch = case.pop("batch")
    return max(1.0, peak_of_process(case, batch) - peak_of_process(case, 2))


def peak_of_process(case, batch):
    command = [sys.executable, __file__, "peak", "--case", json.dumps({**case, "batch": batch})]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(output.split()[-1])


def measure_peak(case):
    """Train three steps, and print the largest resident set of this process in MB.

    `resource.getrusage` would not do: a process inherits the maximum of the one that started it.
    """
    batch = case.pop("batch")
    model = recurrent_model(**case, outputs=1, loss="mse")
    model.fit(batches(batch, case["steps"], case["inputs"], case["every"], 3), verbose=0)
    status = Path("/proc/self/status").read_text()
    print(int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1024)


def cost(arguments):
    """Print the ratios of time and memory of truncated to full BPTT."""
    shapes = [(64, 1000, 32, 128, (20, 50, 200)), (64, 200, 32, 128, (20, 50))]
    if arguments.tiny:
        shapes = [(8, 100, 4, 16, (20,))]
    print("cell, output, B, T, D, H, k: step ms (full), time ratio, memory MB (full), memory ratio")
    for batch, steps, inputs, units, sizes in shapes:
        for cell in CELLS[: 1 if arguments.tiny else None]:
            for every in (False, True):
                print_costs(arguments, cell, every, batch, steps, inputs, units, sizes)


def print_costs(arguments, cell, every, batch, steps, inputs, units, sizes):
    cases = {
        k: {"cell": cell, "steps": steps, "inputs": inputs, "units": units, "every": every, "k": k}
        for k in (None, *sizes)
    }
    data = batches(batch, steps, inputs, every, 6)
    contestants = {
        k: turns.fit_turn(recurrent_model(**case, outputs=1, loss="mse"), data)
        for k, case in cases.items()
    }
    times = {k: median for k, (median, _) in turns.race(contestants, arguments.rounds).items()}
    peaks = {k: peak_of({**case, "batch": batch}) for k, case in cases.items()}
    for k in sizes:
        output = "every step" if every else "last state"
        print(
            f"{cell}, {output}, {batch}, {steps}, {inputs}, {units}, {k}: {times[None]:.1f}, "
            f"{times[k] / times[None]:.2f}, {peaks[None]:.0f}, {peaks[k] / peaks[None]:.2f}",
            flush=True,
        )


def symbols(seed, examples, steps):
    """Return sequences of one-hot symbols with a mark [N, T, SYMBOLS + 1], and the marked ones."""
    random, rows = np.random.default_rng(seed), np.arange(examples)
    numbers = random.integers(SYMBOLS, size=(examples, steps))
    places = steps - 1 - random.integers(LAG, size=examples)
    x = np.eye(SYMBOLS + 1, dtype="float32")[numbers]
    x[rows, places, SYMBOLS] = 1.0
    return x, numbers[rows, places]


def chosen_k(errors):
    """Return the smallest k such that ‖δ_t‖ is below SHARE of its maximum before the last k steps.

    Args:
        errors: [N, T], the recorded errors of N training steps, aligned at the last time step.
    """
    typical = np.median(errors, axis=0)
    above = np.flatnonzero(typical >= SHARE * typical.max())
    return len(typical) - int(above[0])


def choice(arguments):
    """Choose k from the recorded error, and compare the training with that of full BPTT."""
    import keras

    steps, units, batch = (60, 16, 16) if arguments.tiny else (500, 64, 64)
    examples, epochs = (320, 2) if arguments.tiny else (6400, 6)
    train, validation = symbols(0, examples, steps), symbols(1, 1024, steps)
    case = {"cell": "LSTM", "steps": steps, "inputs": SYMBOLS + 1, "units": units, "every": False}
    classes = {
        "outputs": SYMBOLS,
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }

    def trained(k, seed, examples=None, epochs=epochs):
        keras.utils.set_random_seed(seed)
        model = recurrent_model(**case, **classes, k=k)
        x, y = (part[:examples] for part in train)
        model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0)
        return model

    def accuracy(model):
        x, y = validation
        return float(np.mean(model.predict(x, batch_size=256, verbose=0).argmax(1) == y))

    def accuracies_of(k):
        return [accuracy(trained(k, seed)) for seed in range(arguments.seeds)]

    short = trained(None, 0, examples=(16 if arguments.tiny else 50) * batch, epochs=1)
    rows = short.get_layer("layer").error.latest(16)
    k = chosen_k(np.array([row["hidden_from_end"] for row in rows]))
    print(f"T = {steps}, marks in the last {LAG}; after a short run of full BPTT, ‖δ_t‖ is below "
          f"{SHARE:.0%} of its maximum before the last {k} steps: truncate={k}")  # fmt: skip
    scores = {}
    for size in (None, k):
        seconds, of_seeds = turns.seconds(accuracies_of, size)
        peak = peak_of({**case, "k": size, "batch": batch})
        scores[size] = statistics.mean(of_seeds), peak, seconds
        accuracies = ", ".join(f"{score:.3f}" for score in of_seeds)
        print(f"truncate={size}: validation accuracy {accuracies}; memory {peak:.0f} MB; "
              f"{seconds:.0f} s", flush=True)  # fmt: skip
    print(f"memory ratio {scores[k][1] / scores[None][1]:.2f}, time ratio "
          f"{scores[k][2] / scores[None][2]:.2f}")  # fmt: skip


def main():
    arguments = options()
    if arguments.part == "peak":
        measure_peak(json.loads(arguments.case))
    else:
        {"cost": cost, "choice": choice}[arguments.part](arguments)


if __name__ == "__main__":
    main()
