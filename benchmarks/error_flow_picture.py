"""Draws README's picture: the error on its way back through a SimpleRNN and two LSTMs.

    python benchmarks/error_flow_picture.py    # writes benchmarks/error_flow.png

Three layers learn the adding problem (Hochreiter & Schmidhuber 1997, experiment 4; here over 60
steps) side by side in one model, each with a loss of its own at the last step: the sum of the two
marked numbers, one of which stands in the first ten steps and one before the middle.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from errorflow.callbacks import ErrorFlow
from errorflow.layers import LSTM, SimpleRNN

STEPS, UNITS, BATCH, BATCHES = 60, 64, 64, 600


def adding(examples, random):
    """x [N, T, 2]: numbers from -1 to 1 and marks; y [N, 1]: 0.5 + (sum of the marked two) / 4."""
    numbers = random.uniform(-1, 1, (examples, STEPS))
    first, second = random.integers(0, 10, examples), random.integers(10, STEPS // 2, examples)
    rows, marks = np.arange(examples), np.zeros((examples, STEPS))
    marks[rows, first] = marks[rows, second] = 1
    target = 0.5 + (numbers[rows, first] + numbers[rows, second]) / 4
    return np.stack([numbers, marks], axis=-1).astype("float32"), target[:, None].astype("float32")


def main():
    keras.utils.set_random_seed(1)
    x = keras.Input((STEPS, 2))
    layers = [
        SimpleRNN(UNITS, name="SimpleRNN"),
        LSTM(UNITS, name="LSTM"),
        LSTM(UNITS, forget_gate=False, name="LSTM_of_1997"),
    ]
    heads = [keras.layers.Dense(1, name=f"sum_{layer.name}")(layer(x)) for layer in layers]
    model = keras.Model(x, heads)
    model.compile(keras.optimizers.Adam(2e-3, global_clipnorm=1.0), ["mse"] * len(heads))
    inputs, target = adding(BATCH * BATCHES, np.random.default_rng(1))
    flow = ErrorFlow()
    model.fit(inputs, [target] * len(heads), batch_size=BATCH, verbose=2, callbacks=[flow])
    picture = Path(__file__).with_name("error_flow.png")
    flow.plot().savefig(picture, dpi=110)
    print(*flow.verdict(), picture, sep="\n")


if __name__ == "__main__":
    main()
