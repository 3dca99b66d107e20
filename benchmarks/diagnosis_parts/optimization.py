"""Trainings with a learning rate that is too large, or a clipping threshold that is too small."""

import functools

import keras
from errorflow.layers import LSTM

from .over_depth import compiled, convolutions, dense, momentum, waves
from .over_depth import images as still_images
from .over_time import COUNT, lstm, network, of_length
from .training import Training

DIVERGES = frozenset(
    {
        *("not finite", "dead units", "no gradient", "exploding", "exploded earlier"),
        *("exploding over depth", "exploded over depth earlier"),
    }
)
CLIPPED = frozenset({"clipped"})


def clips(level, random):
    """Four frames of 6×6 pixels; the target is the mean of the first."""
    x = random.normal(size=(COUNT, 4, 6, 6, 1)).astype("float32")
    return x, 6 * x[:, 0].mean(axis=(1, 2))


def conv_lstm(optimizer=None, **options):
    from errorflow.layers import ConvLSTM2D

    layers = [ConvLSTM2D(4, 3, padding="same", **options), keras.layers.Flatten()]
    layers = [keras.Input((4, 6, 6, 1)), *layers, keras.layers.Dense(1, name="head")]
    return compiled(keras.Sequential(layers), optimizer or keras.optimizers.Adam(1e-2))


def trainings():
    adam, sgd = keras.optimizers.Adam, keras.optimizers.SGD
    rate, clip = "learning rate too large", "clipping threshold too small"
    clipped = functools.partial(Training, fault=clip, kinds=CLIPPED, changes_graph=True)
    return [
        Training(
            rate,
            "dense, Adam",
            (3e-3, 0.03, 0.1, 0.3, 1.0),
            DIVERGES,
            lambda r: dense(3, optimizer=adam(r)),
            waves,
        ),
        Training(
            rate,
            "dense, SGD",
            (0.02, 0.2, 1.0, 10.0),
            DIVERGES,
            lambda r: dense(3, optimizer=sgd(r)),
            waves,
        ),
        Training(
            rate,
            "convolutional, Adam",
            (3e-3, 0.03, 0.1, 1.0),
            DIVERGES,
            lambda r: convolutions(optimizer=adam(r)),
            still_images,
        ),
        Training(
            rate,
            "LSTM, SGD",
            (0.1, 1.0, 10.0, 100.0),
            DIVERGES,
            lambda r: network(10, [lstm(3.0)], sgd(r)),
            of_length(10),
        ),
        clipped(
            network="dense",
            levels=(10.0, 1.0, 0.3, 0.1, 0.02),
            build=lambda c: dense(3, optimizer=momentum(global_clipnorm=c)),
            data=waves,
        ),
        clipped(
            network="LSTM without forget gate",
            levels=(10.0, 0.3, 0.01),
            build=lambda c: network(
                15, [LSTM(16, forget_gate=False)], momentum(0.05, global_clipnorm=c)
            ),
            data=of_length(15),
        ),
        clipped(
            network="ConvLSTM",
            levels=(10.0, 0.3, 0.01),
            build=lambda c: conv_lstm(momentum(0.05, global_clipnorm=c)),
            data=clips,
        ),
    ]
