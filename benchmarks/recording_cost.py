"""What does recording the error cost, as a fraction of the training step?

    python benchmarks/recording_cost.py            # LSTM, B=64, T=100, D=64, H=128
    python benchmarks/recording_cost.py --names    # the network of `errorflow names train`

The contestants train epochs in `fit` in turns. All that the callbacks do is included: reading,
event files, and the heat map at the end of each epoch. The script prints (with callback) /
(without): the ratio of the lower quartiles of the wall-clock times of an epoch, and median and
quartiles over the rounds of the ratio of the processor seconds of all threads. (A virtual machine
that sometimes stops a core doubles an epoch's wall-clock time, but not its processor seconds.) A
second contestant without callbacks shows the noise.

The layers compute the norms of the error in every contestant. `--bare` removes that computation
from the model without callbacks, so that the ratios include it.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SHAPE = (64, 100, 64, 128)
STEPS = 100  # per epoch


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="epochs of each contestant")
    parser.add_argument("--names", action="store_true", help="train the network of `names`")
    parser.add_argument("--bare", action="store_true", help="compare with layers without norms")
    return parser.parse_args()


def epoch_of(model, data, callbacks):
    """Return a function that trains one epoch and returns its wall-clock and processor seconds."""

    def epoch():
        wall, processors = time.perf_counter(), time.process_time()
        model.fit(data(), epochs=1, verbose=0, shuffle=False, callbacks=callbacks)
        return time.perf_counter() - wall, time.process_time() - processors

    return epoch


def lstm(callbacks):
    """Return the epoch of a single LSTM on random data."""
    import keras
    import numpy as np
    import tensorflow as tf
    from errorflow.layers import LSTM

    batch, steps, width, units = SHAPE
    layer = LSTM(units, return_sequences=True, name="lstm")
    model = keras.Sequential([keras.Input((steps, width)), layer])
    model.compile(keras.optimizers.Adam(), "mse")
    random = np.random.default_rng(0)
    x = random.standard_normal((batch, steps, width), dtype="float32")
    y = random.standard_normal((batch, steps, units), dtype="float32")
    data = tf.data.Dataset.from_tensors((x, y)).cache().repeat(STEPS)
    return epoch_of(model, lambda: data, callbacks)


def names(callbacks):
    """Return the epoch of the task `names`, with its own model, batches and compile settings."""
    from errorflow.pipelines.names import TASK
    from errorflow.pipelines.training.loop import compile_training

    config = TASK.config().resolved()
    spec = TASK.build_training(config, TASK.read_data(config))
    return epoch_of(compile_training(spec, config), spec.train_data.dataset, callbacks)


@contextlib.contextmanager
def without_norms():
    """Make layers that are traced inside the block compute and record no norms."""
    import tensorflow as tf
    from errorflow.layers.rnn import error_record, programs, scan

    original = error_record.ErrorRecord.write, scan.squares, programs.summarise
    error_record.ErrorRecord.write = lambda *_: None
    scan.squares = lambda e: tf.zeros_like(e[:, : scan.lanes(e.shape[-1])], tf.float64)
    programs.summarise = lambda *_: tf.zeros([1])
    programs.programs.cache_clear()
    yield
    error_record.ErrorRecord.write, scan.squares, programs.summarise = original
    programs.programs.cache_clear()


def main():
    args = options()
    from errorflow.callbacks import ErrorFlow, LayerGradients

    make = names if args.names else lstm
    with tempfile.TemporaryDirectory() as folder:
        callbacks = {
            "none, again": [],
            "ErrorFlow(every=1)": [ErrorFlow(f"{folder}/1")],
            "ErrorFlow(every=100)": [ErrorFlow(f"{folder}/100", every=100)],
            "and LayerGradients": [ErrorFlow(f"{folder}/e"), LayerGradients(f"{folder}/g")],
        }
        with without_norms() if args.bare else contextlib.nullcontext():
            base = make([])
            base()
        epochs = {name: make(own) for name, own in callbacks.items()}
        for epoch in epochs.values():
            epoch()  # trace and compile
        base_seconds, seconds = [], {name: [] for name in epochs}
        for _ in range(args.rounds):
            base_seconds.append(base())
            for name, epoch in epochs.items():
                seconds[name].append(epoch())
    for name, values in seconds.items():
        wall, (low, median, high) = ratios(values, base_seconds)
        print(f"{name:22} wall {wall:.3f}   processors {median:.3f} ({low:.3f} to {high:.3f})")


def ratios(values, base):
    """Compare a contestant with the base, each a list of (wall-clock, processor) seconds.

    Returns:
        The ratio of the lower quartiles of the wall-clock times, and the quartiles of the rounds'
        ratios of processor seconds.
    """
    wall, processors = zip(*values, strict=True)
    base_wall, base_processors = zip(*base, strict=True)
    quartile, base_quartile = (statistics.quantiles(t, n=4)[0] for t in (wall, base_wall))
    pairs = zip(processors, base_processors, strict=True)
    return quartile / base_quartile, statistics.quantiles([a / b for a, b in pairs], n=4)


if __name__ == "__main__":
    main()
