"""What does a look cost, of the callbacks that look once an epoch? In training steps.

    python benchmarks/cost_of_looking.py           # LSTM, B=64, T=100, D=64, H=128

Printed is (seconds of a look) / (seconds of a training step of `fit`), median and quartiles over
rounds in which both take turns, and what that adds to an epoch of 500 steps.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, STEPS, WIDTH, UNITS = 64, 100, 64, 128
EXAMPLES = 8  # looked at
EPOCH = 20  # training steps between looks, here


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    import keras
    import numpy as np
    import tensorflow as tf
    from errorflow.callbacks.recording.gate_activations import gate_activations
    from errorflow.layers import LSTM, error_matrix, horizon

    layer = LSTM(UNITS, return_sequences=True, name="lstm")
    model = keras.Sequential([keras.Input((STEPS, WIDTH)), layer])
    model.compile(keras.optimizers.Adam(), "mse")
    random = np.random.default_rng(0)
    x = random.standard_normal((BATCH, STEPS, WIDTH), dtype="float32")
    y = random.standard_normal((BATCH, STEPS, UNITS), dtype="float32")
    data = tf.data.Dataset.from_tensors((x, y)).cache().repeat(EPOCH)
    few, answers = x[:EXAMPLES], y[:EXAMPLES]
    looks = {
        "Gates": lambda: gate_activations(model, few),
        "ErrorMatrix": lambda: error_matrix(model, few, answers),
        "Horizon": lambda: horizon(model, few),
        "Horizon(probes=16)": lambda: horizon(model, few, probes=16),
    }

    def training():
        model.fit(data, verbose=0, shuffle=False)

    for once in (training, *looks.values()):
        once()  # trace and compile
    ratios = {name: [] for name in looks}
    for _ in range(rounds):
        step = seconds(training) / EPOCH
        for name, once in looks.items():
            ratios[name].append(seconds(once) / step)
    for name, values in ratios.items():
        low, middle, high = statistics.quantiles(values, n=4)
        share = middle / 500
        print(
            f"{name:20} {middle:7.1f} training steps ({low:.1f} to {high:.1f}); {share:.1%} of 500"
        )


def seconds(once):
    began = time.perf_counter()
    once()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
