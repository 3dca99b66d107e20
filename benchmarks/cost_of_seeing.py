"""What does ErrorFlow cost, as a share of the training step that it watches?

    python benchmarks/cost_of_seeing.py            # LSTM, B=64, T=100, D=64, H=128
    python benchmarks/cost_of_seeing.py --names    # the main job as shipped

Each contestant trains epochs in `fit`, one after the other, round after round; everything the
callbacks do is in: reading, event files, the heat map at the end of each epoch. Printed is the
median over the rounds of (with callback) / (without), with the quartiles. A second contestant
without callbacks tells the noise. What the layers do to record is in all of them; `--bare` takes it
out of the backward pass of the model that the others are compared with, so that the ratios are of
seeing as a whole.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SHAPE = (64, 100, 64, 128)
STEPS = 100  # an epoch


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--names", action="store_true", help="the main job instead")
    parser.add_argument("--bare", action="store_true", help="against layers that record nothing")
    return parser.parse_args()


def fitting(model, data, callbacks):
    """A function that trains one epoch and returns its seconds."""

    def epoch():
        began = time.perf_counter()
        model.fit(data(), epochs=1, verbose=0, shuffle=False, callbacks=callbacks)
        return time.perf_counter() - began

    return epoch


def lstm(callbacks):
    import keras
    import numpy as np
    import tensorflow as tf
    from errorflow.layers import LSTM

    batch, steps, width, units = SHAPE
    model = keras.Sequential(
        [keras.Input((steps, width)), LSTM(units, return_sequences=True, name="lstm")]
    )
    model.compile(keras.optimizers.Adam(), "mse")
    random = np.random.default_rng(0)
    x = random.standard_normal((batch, steps, width), dtype="float32")
    y = random.standard_normal((batch, steps, units), dtype="float32")
    data = tf.data.Dataset.from_tensors((x, y)).cache().repeat(STEPS)
    return fitting(model, lambda: data, callbacks)


def names(callbacks):
    """The names pipeline's own model, batches and compile settings."""
    from errorflow.pipelines import text_labels, train
    from errorflow.pipelines.names import NamesConfig, read_data

    config = NamesConfig()
    job = text_labels.make_job(None, config, read_data(config))
    return fitting(train.compiled(job), job.feed.dataset, callbacks)


@contextlib.contextmanager
def nothing_recorded():
    """Layers traced inside compute no norms: their record takes no rows."""
    from errorflow.layers import error, unroll

    kept = error.ErrorRecord.write, unroll.squares, unroll.summarise
    import tensorflow as tf

    error.ErrorRecord.write = lambda *_: None
    unroll.squares = lambda e: tf.zeros_like(e[:, : error.lanes(e.shape[-1])], tf.float64)
    unroll.summarise = lambda *_: tf.zeros([1])
    unroll.programs.cache_clear()
    yield
    error.ErrorRecord.write, unroll.squares, unroll.summarise = kept
    unroll.programs.cache_clear()


def main():
    args = options()
    from errorflow.callbacks import ErrorFlow, LayerGradients

    make = names if args.names else lstm
    with tempfile.TemporaryDirectory() as folder:
        watched = {
            "without, again": [],
            "ErrorFlow(every=1)": [ErrorFlow(f"{folder}/1")],
            "ErrorFlow(every=100)": [ErrorFlow(f"{folder}/100", every=100)],
            "and LayerGradients": [ErrorFlow(f"{folder}/e"), LayerGradients(f"{folder}/g")],
        }
        with nothing_recorded() if args.bare else contextlib.nullcontext():
            without = make([])
            without()
        epochs = {name: make(callbacks) for name, callbacks in watched.items()}
        for epoch in epochs.values():
            epoch()  # trace and compile
        ratios = {name: [] for name in epochs}
        for _ in range(args.rounds):
            base = without()
            for name, epoch in epochs.items():
                ratios[name].append(epoch() / base)
        for name, values in ratios.items():
            low, middle, high = statistics.quantiles(values, n=4)
            print(f"{name:22} {middle:.3f}   ({low:.3f} to {high:.3f})", flush=True)


if __name__ == "__main__":
    main()
