"""What does `ErrorFlow(live=True)` cost, as a share of the time of training?

    python benchmarks/live_cost.py             # an LSTM of 32 units, B=32, T=50
    python benchmarks/live_cost.py --layers 6  # as many pictures

Two contestants train in turns, each with one call of `fit`: `ErrorFlow()`, and `ErrorFlow` with a
display handle that discards its pictures. The time is that from the end of the first training step
to the end of the last one, so without tracing and without the picture at the end, which is drawn
once. The script prints the number of pictures, the time that reading and drawing took, as a share
of the time of training, and the ratios (live) / (not live) of wall-clock time and of processor
seconds of all threads. The last two include the noise of the machine.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

B, T, D, H = 32, 50, 8, 32


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="calls of `fit` of each contestant")
    parser.add_argument("--steps", type=int, default=2000, help="training steps of each call")
    parser.add_argument("--layers", type=int, default=1, help="recurrent layers")
    return parser.parse_args()


class Discard:
    """A display handle that counts what it is to show."""

    def __init__(self):
        self.count = 0

    def update(self, obj):
        self.count += 1


def network(layers):
    import keras
    from errorflow.layers import LSTM

    inner = [LSTM(H, return_sequences=True) for _ in range(layers - 1)]
    model = keras.Sequential([keras.Input((T, D)), *inner, LSTM(H), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def clock():
    """Return a callback whose `seconds` are those after the first training step."""
    import keras

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.started = None

        def on_train_batch_end(self, batch, logs=None):
            now = time.perf_counter(), time.process_time()
            self.started = self.started or now
            self.seconds = [b - a for a, b in zip(self.started, now, strict=True)]

    return Clock()


def main():
    args = options()
    import numpy as np
    import tensorflow as tf
    from errorflow.callbacks import ErrorFlow

    batch = np.random.randn(B, T, D).astype("float32"), np.random.randn(B, 1).astype("float32")
    data = tf.data.Dataset.from_tensors(batch).cache().repeat(args.steps)
    handle, seconds, shares = Discard(), ([], []), []
    contestants = [
        (network(args.layers), ErrorFlow(live=live), clock()) for live in (False, handle)
    ]
    for number in range(args.rounds + 1):  # the first one traces
        for (model, flow, timer), own in zip(contestants, seconds, strict=True):
            model.fit(data, verbose=0, callbacks=[flow, timer])
            if number:
                own.append(timer.seconds)
        if number:
            shares.append(contestants[1][1].live.seconds / seconds[1][-1][0])
    print(
        f"{(handle.count - args.rounds - 1) / (args.rounds + 1):.1f} pictures in each call of fit"
    )
    print(f"reading and drawing take {statistics.median(shares):.2%} of the time (median)")
    for name, place in (("wall-clock", 0), ("processor", 1)):
        ratios = [live[place] / plain[place] for plain, live in zip(*seconds, strict=True)]
        print(f"{name} time, live / not live: {statistics.median(ratios):.3f} (median)")


if __name__ == "__main__":
    main()
