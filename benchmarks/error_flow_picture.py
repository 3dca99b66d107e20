"""Draw the picture of the README: the error flowing back through a SimpleRNN and two LSTMs.

    python benchmarks/error_flow_picture.py    # writes benchmarks/error_flow.png

Three layers in one model learn the adding problem over 100 steps with the recipe of `errorflow lags
train`: 32 units, chrono initialisation, Adam, 24,000 sequences in batches of 16. Each layer has its
own output and loss at the last step: the sum of the two marked numbers.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

STEPS, UNITS, BATCH = 100, 32, 16
NAMES = {"rnn": "SimpleRNN", "lstm": "LSTM", "lstm97": "LSTM_of_1997"}


def recurrent_layer(cell, longest):
    """Return a recurrent layer with the initialisation that `errorflow lags train` uses."""
    from errorflow.layers import Chrono
    from errorflow.pipelines.models.recurrent import CELLS

    options = {} if cell == "rnn" else {"bias_initializer": Chrono(longest, cell, seed=1)}
    if cell.startswith("lstm"):
        options["unit_forget_bias"] = False
    return CELLS[cell](UNITS, name=NAMES[cell], **options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=1500, help="number of training steps")
    picture = Path(__file__).with_name("error_flow.png")
    parser.add_argument("--picture", type=Path, default=picture, help="where to write the picture")
    args = parser.parse_args()
    import keras
    import numpy as np
    from errorflow.callbacks import ErrorFlow
    from errorflow.pipelines.datasets.lags.problems import make_problem

    keras.utils.set_random_seed(1)
    adding = make_problem("adding", STEPS)
    series = keras.Input((adding.longest, adding.features))
    masked = keras.layers.Masking()(series)
    hidden = {cell: recurrent_layer(cell, adding.longest)(masked) for cell in NAMES}
    sums = [keras.layers.Dense(1, name=f"sum_{NAMES[cell]}")(h) for cell, h in hidden.items()]
    model = keras.Model(series, sums)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=1.0), ["mse"] * len(sums))
    x, y = adding.draw(np.random.default_rng(1), BATCH * args.batches)
    flow = ErrorFlow()
    model.fit(x, [y] * len(sums), batch_size=BATCH, verbose=2, callbacks=[flow])
    flow.plot().savefig(args.picture, dpi=110)
    print(*flow.verdict(), args.picture, sep="\n")


if __name__ == "__main__":
    main()
