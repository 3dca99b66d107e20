"""How many training steps does a snapshot cost that a callback takes once per epoch?

    python benchmarks/snapshot_cost.py           # LSTM, B=64, T=100, D=64, H=128

The script prints (seconds of a snapshot) / (seconds of a training step in `fit`), median and
quartiles over rounds in which snapshots and training take turns, and the share of an epoch of 500
steps that this adds.
"""

import argparse
import os
import statistics

import turns

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, STEPS, WIDTH, UNITS = 64, 100, 64, 128
EXAMPLES = 8  # in the batch of a snapshot
TRAINING_STEPS = 20  # between snapshots, in this script
EPOCH = 500  # training steps between snapshots that the last column assumes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    rounds = parser.parse_args().rounds
    import keras
    import numpy as np
    import tensorflow as tf
    from errorflow.callbacks.recording.gate_activations import gate_activations
    from errorflow.layers import LSTM, error_matrix, horizon, lyapunov

    layer = LSTM(UNITS, return_sequences=True, name="lstm")
    model = keras.Sequential([keras.Input((STEPS, WIDTH)), layer])
    model.compile(keras.optimizers.Adam(), "mse")
    random = np.random.default_rng(0)
    x = random.standard_normal((BATCH, STEPS, WIDTH), dtype="float32")
    y = random.standard_normal((BATCH, STEPS, UNITS), dtype="float32")
    data = tf.data.Dataset.from_tensors((x, y)).cache().repeat(TRAINING_STEPS)
    few, targets = x[:EXAMPLES], y[:EXAMPLES]
    snapshots = {
        "Gates": lambda: gate_activations(model, few),
        "ErrorMatrix": lambda: error_matrix(model, few, targets),
        "Horizon": lambda: horizon(model, few),
        "Horizon(probes=16)": lambda: horizon(model, few, probes=16),
        "Lyapunov": lambda: lyapunov(model, few, exponents=8),
    }

    def train():
        model.fit(data, verbose=0, shuffle=False)

    for function in (train, *snapshots.values()):
        function()  # trace and compile
    ratios = {name: [] for name in snapshots}
    for _ in range(rounds):
        step = turns.seconds(train)[0] / TRAINING_STEPS
        for name, snapshot in snapshots.items():
            ratios[name].append(turns.seconds(snapshot)[0] / step)
    for name, values in ratios.items():
        low, median, high = statistics.quantiles(values, n=4)
        print(
            f"{name:20} {median:7.1f} training steps ({low:.1f} to {high:.1f});"
            f" {median / EPOCH:.1%} of {EPOCH}"
        )


if __name__ == "__main__":
    main()
