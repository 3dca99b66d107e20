"""Trainings of dense and convolutional networks: depth, initial weights, shortcuts, dead units."""

import functools

import keras
import numpy as np

from .over_time import COUNT, UNITS, scaled
from .training import Training

STARVING = frozenset({"starving", "starved earlier"})
DEAD = frozenset({"dead units", "no gradient"})
# Large weights kill units too, and the remedy for both is other initial weights.
EXPLODING = DEAD | {"exploding over depth", "exploded over depth earlier", "not finite"}


def waves(level, random):
    """Eight numbers; the target is the sine of a sum, and a product of two others."""
    x = random.normal(size=(COUNT, 8)).astype("float32")
    return x, (np.sin(x[:, :2].sum(axis=1)) + 0.5 * x[:, 2] * x[:, 3])[:, None].astype("float32")


def images(level, random):
    """Noise of 8×8 pixels in two colours; the target is a difference of brightness."""
    x = random.normal(size=(COUNT, 8, 8, 2)).astype("float32")
    return x, 5 * (x[:, :4].mean(axis=(1, 2, 3)) - x[:, 4:].mean(axis=(1, 2, 3)))[:, None]


def compiled(model, optimizer=None, **options):
    model.compile(optimizer or keras.optimizers.Adam(3e-3), "mse", jit_compile=False, **options)
    return model


def momentum(rate=0.02, **options):
    return keras.optimizers.SGD(rate, momentum=0.9, **options)


def dense(count, activation="relu", optimizer=None, **options):
    options = {"kernel_initializer": "he_normal"} | options
    hidden = [keras.layers.Dense(UNITS, activation, **options) for _ in range(int(count))]
    model = keras.Sequential([keras.Input((8,)), *hidden, keras.layers.Dense(1, name="head")])
    return compiled(model, optimizer)


def convolutions(count=3, optimizer=None, bias=0.0, filters=8):
    x = inputs = keras.Input((8, 8, 2))
    for _ in range(count):
        x = keras.layers.Conv2D(
            filters,
            3,
            activation="relu",
            kernel_initializer="he_normal",
            bias_initializer=keras.initializers.Constant(bias),
            padding="same",
        )(x)
    return compiled(keras.Model(inputs, _head(x)), optimizer)


def _head(maps):
    return keras.layers.Dense(1, name="head")(keras.layers.Flatten()(maps))


def dense_blocks(strength, count=10):
    """Residual blocks whose shortcuts are multiplied by `strength`; 0: a plain network."""
    x = inputs = keras.Input((8,))
    x = keras.layers.Dense(UNITS)(x)
    for _ in range(count):
        y = keras.layers.Dense(UNITS, "tanh", kernel_initializer=scaled(0.5))(x)
        x = keras.layers.Add()([keras.layers.Rescaling(strength)(x), y])
    return compiled(keras.Model(inputs, keras.layers.Dense(1, name="head")(x)), momentum(0.003))


def convolutional_blocks(strength, count=10):
    x = inputs = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(8, 3, padding="same")(x)
    for _ in range(count):
        y = keras.layers.Conv2D(
            8, 3, padding="same", activation="tanh", kernel_initializer=scaled(0.5)
        )(x)
        x = keras.layers.Add()([keras.layers.Rescaling(strength)(x), y])
    return compiled(keras.Model(inputs, _head(x)), momentum(0.01))


def _biased(bias):
    return keras.initializers.Constant(bias)


def trainings():
    return [_depth(), *_initial_weights(), *_shortcuts(), *_dead_units()]


def _depth():
    return Training(
        "depth of sigmoids",
        "dense",
        (1, 4, 6, 9),
        STARVING,
        lambda n: dense(
            n, "sigmoid", keras.optimizers.Adam(0.02), kernel_initializer="glorot_uniform"
        ),
        waves,
        changes_graph=True,
    )


def _initial_weights():
    tanh, relu = "dense, tanh", "dense, ReLU"
    networks = {
        tanh: lambda g: dense(10, "tanh", momentum(), kernel_initializer=scaled(g)),
        relu: lambda g: dense(4, "relu", momentum(0.005), kernel_initializer=scaled(g)),
    }
    small, large = "initial weights too small", "initial weights too large"
    dials = [
        (small, tanh, (1.0, 0.8, 0.6, 0.45, 0.3), STARVING),
        (small, relu, (1.4, 1.1, 0.8, 0.6, 0.4), STARVING),
        (large, tanh, (1.0, 1.5, 2.0, 3.0, 5.0), EXPLODING),
        (large, relu, (1.4, 2.0, 2.8, 4.0, 8.0), EXPLODING),
    ]
    return [
        Training(fault, network, gains, kinds, networks[network], waves)
        for fault, network, gains, kinds in dials
    ]


def _shortcuts():
    weak = functools.partial(Training, "weak shortcuts", kinds=STARVING, changes_graph=True)
    return [
        weak("dense blocks", (1.0, 0.6, 0.3, 0.0), build=dense_blocks, data=waves),
        weak("convolutional blocks", (1.0, 0.3, 0.0), build=convolutional_blocks, data=images),
    ]


def _dead_units():
    dead = functools.partial(Training, "dead ReLUs", kinds=DEAD)
    return [
        dead(
            "dense",
            (0.0, -1.0, -2.0, -4.0, -9.0),
            build=lambda b: dense(3, bias_initializer=_biased(b)),
            data=waves,
        ),
        dead(
            "convolutional",
            (0.0, -1.0, -3.0, -8.0),
            build=lambda b: convolutions(bias=b),
            data=images,
        ),
    ]
