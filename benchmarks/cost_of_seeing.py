"""What does ErrorFlow cost, as a share of the training step that it watches?

    python benchmarks/cost_of_seeing.py            # LSTM, B=64, T=100, D=64, H=128
    python benchmarks/cost_of_seeing.py --names    # the main job as shipped

Each contestant trains epochs in `fit`, one after the other, round after round; everything the
callbacks do is in: reading, event files, the heat map at the end of each epoch. Printed is (with
callback) / (without): of the lower quartiles of the epochs' wall-clock times, and of the processor
seconds of all threads, median and quartiles over the rounds. A virtual machine that now and then
stops a core doubles an epoch's wall-clock time, but not its processor seconds. A second contestant
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
    """A function that trains one epoch and returns its seconds by the clock and of processors."""

    def epoch():
        wall, processors = time.perf_counter(), time.process_time()
        model.fit(data(), epochs=1, verbose=0, shuffle=False, callbacks=callbacks)
        return time.perf_counter() - wall, time.process_time() - processors

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
    from errorflow.pipelines.names import NamesConfig, read_data
    from errorflow.pipelines.text_classification import training as text_labels
    from errorflow.pipelines.training import loop as train

    config = NamesConfig()
    job = text_labels.make_job(None, config, read_data(config))
    return fitting(train.compiled(job), job.feed.dataset, callbacks)


@contextlib.contextmanager
def nothing_recorded():
    """Layers traced inside compute no norms: their record takes no rows."""
    import tensorflow as tf
    from errorflow.layers.rnn import error_record, programs, scan

    kept = error_record.ErrorRecord.write, scan.squares, programs.summarise
    error_record.ErrorRecord.write = lambda *_: None
    scan.squares = lambda e: tf.zeros_like(e[:, : scan.lanes(e.shape[-1])], tf.float64)
    programs.summarise = lambda *_: tf.zeros([1])
    programs.programs.cache_clear()
    yield
    error_record.ErrorRecord.write, scan.squares, programs.summarise = kept
    programs.programs.cache_clear()


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
        base, seconds = [], {name: [] for name in epochs}
        for _ in range(args.rounds):
            base.append(without())
            for name, epoch in epochs.items():
                seconds[name].append(epoch())
    for name, values in seconds.items():
        wall, processors = ratios(values, base)
        low, middle, high = processors
        print(f"{name:22} wall {wall:.3f}   processors {middle:.3f} ({low:.3f} to {high:.3f})")


def ratios(values, base):
    """[(wall, processors)] of a contestant and of the base → ratio of lower quartiles of wall, and
    quartiles of the rounds' ratios of processor seconds."""
    wall, processors = zip(*values, strict=True)
    base_wall, base_processors = zip(*base, strict=True)
    fast, base_fast = (statistics.quantiles(times, n=4)[0] for times in (wall, base_wall))
    pairs = zip(processors, base_processors, strict=True)
    return fast / base_fast, statistics.quantiles([a / b for a, b in pairs], n=4)


if __name__ == "__main__":
    main()
