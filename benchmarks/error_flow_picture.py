"""Draws README's picture: the error on its way back through a SimpleRNN and two LSTMs.

    python benchmarks/error_flow_picture.py    # writes benchmarks/error_flow.png

The layers learn the adding problem over 100 steps side by side in one model, as `errorflow lags
train` has it: 32 units, chrono initialisation, Adam, 24,000 sequences in batches of 16; each has a
loss of its own at the last step, the sum of the two marked numbers.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from errorflow.callbacks import ErrorFlow
from errorflow.layers import Chrono
from errorflow.pipelines.datasets.lags.problems import make_problem
from errorflow.pipelines.models.recurrent import CELLS

STEPS, UNITS, BATCH, BATCHES = 100, 32, 16, 1500
NAMES = {"rnn": "SimpleRNN", "lstm": "LSTM", "lstm97": "LSTM_of_1997"}


def layer(cell, longest):
    """A recurrent layer as the recipe of `lags` makes it."""
    options = {} if cell == "rnn" else {"bias_initializer": Chrono(longest, cell, seed=1)}
    if cell.startswith("lstm"):
        options["unit_forget_bias"] = False
    return CELLS[cell](UNITS, name=NAMES[cell], **options)


def main():
    keras.utils.set_random_seed(1)
    adding = make_problem("adding", STEPS)
    series = keras.Input((adding.longest, adding.features))
    masked = keras.layers.Masking()(series)
    heads = [
        keras.layers.Dense(1, name=f"sum_{NAMES[cell]}")(layer(cell, adding.longest)(masked))
        for cell in NAMES
    ]
    model = keras.Model(series, heads)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=1.0), ["mse"] * len(heads))
    x, y = adding.draw(np.random.default_rng(1), BATCH * BATCHES)
    flow = ErrorFlow()
    model.fit(x, [y] * len(heads), batch_size=BATCH, verbose=2, callbacks=[flow])
    picture = Path(__file__).with_name("error_flow.png")
    flow.plot().savefig(picture, dpi=110)
    print(*flow.verdict(), picture, sep="\n")


if __name__ == "__main__":
    main()
