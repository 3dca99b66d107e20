"""Time contestants in turns, so that all of them meet the same state of the machine."""

import statistics
import time


def fit_turn(model, data):
    """Return a function that trains one pass over `data` in `fit` and returns seconds per step."""
    import keras

    class Clock(keras.callbacks.Callback):
        def on_train_batch_begin(self, step, logs=None):
            self.began = time.perf_counter()

        def on_train_batch_end(self, step, logs=None):
            self.times.append(time.perf_counter() - self.began)

    clock = Clock()

    def turn():
        clock.times = []
        model.fit(data, verbose=0, shuffle=False, callbacks=[clock])
        return clock.times

    return turn


def race(turns, rounds):
    """Let the contestants take turns.

    Args:
        turns: by name, a function that takes some steps and returns the seconds of each.
        rounds: the number of turns of each contestant, after a first one that is not counted.

    Returns:
        By name, the median step and the very first step, in ms. The first step of each turn is not
        counted.
    """
    first = {name: turn()[0] for name, turn in turns.items()}
    times = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            times[name] += turn()[1:]
    return {name: (1e3 * statistics.median(times[name]), 1e3 * first[name]) for name in turns}


def seconds(function, *arguments):
    """Return the seconds of a call, and its result."""
    began = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - began, result
