"""The table of all layers: each row runs through every conformance test."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from errorflow import layers

B, T, D, H = 4, 5, 3, 6  # examples, steps, inputs, units; no two alike, so no axis can be mixed up


@dataclass(frozen=True)
class Case:
    """How to build a layer, and the weights that it must have."""

    name: str
    layer: type  # the public class that this row covers
    weights: dict[str, tuple[int, ...]]  # name: shape, in the order of `get_weights`
    parameters: int
    arguments: dict[str, Any] = field(default_factory=dict)
    input_shape: tuple[int, ...] = (B, T, D)
    states: int = 0  # number of initial states: h, or h and c

    def make(self, **more):
        return self.layer(**self.arguments, **more)

    def shapes(self, layer):
        """The shapes of a layer's weights, by the names used in `weights`."""
        return {w.name: tuple(w.shape) for w in layer.weights}

    def __str__(self):
        return self.name


@dataclass(frozen=True)
class Recurrent(Case):
    """A recurrent layer, with the references that it must agree with."""

    step: Callable | None = None  # its equations, in tests/reference.py
    states: int = 1
    in_keras: bool = True

    def stock(self, **more):
        """The layer of Keras with the same arguments."""
        return getattr(keras.layers, self.layer.__name__)(**self.arguments, **more)


@dataclass(frozen=True)
class Cell(Case):
    """A cell, which is a layer only inside `keras.layers.RNN`."""

    def make(self, **more):
        return keras.layers.RNN(self.layer(**self.arguments, dtype=more.get("dtype")), **more)


def _weights(gates, bias=None):
    return {
        "kernel": (D, gates * H),
        "recurrent_kernel": (H, gates * H),
        "bias": bias or (gates * H,),
    }


_ONE, _THREE, _FOUR = _weights(1), _weights(3), _weights(4)
_TWO_BIASES = _weights(3, bias=(2, 3 * H))  # one with the input's, one with the recurrent product
_H = {"units": H}
_1997 = {"units": H, "forget_gate": False}
_2014 = {"units": H, "reset_after": False}

SIMPLE_RNN = Recurrent("SimpleRNN", layers.SimpleRNN, _ONE, 60, _H, step=reference.simple_rnn)
LSTM = Recurrent("LSTM", layers.LSTM, _FOUR, 240, _H, step=reference.lstm, states=2)
LSTM_1997 = Recurrent(
    "LSTM_1997", layers.LSTM, _THREE, 180, _1997, step=reference.lstm_1997, states=2, in_keras=False
)
GRU = Recurrent("GRU", layers.GRU, _TWO_BIASES, 198, _H, step=reference.gru_reset_after)
GRU_2014 = Recurrent("GRU_2014", layers.GRU, _THREE, 180, _2014, step=reference.gru_reset_before)

RECURRENT = (SIMPLE_RNN, LSTM, LSTM_1997, GRU, GRU_2014)
STOCK = tuple(case for case in RECURRENT if case.in_keras)
CELLS = (
    Cell("SimpleRNNCell", layers.SimpleRNNCell, _ONE, 60, _H),
    Cell("LSTMCell", layers.LSTMCell, _FOUR, 240, _H),
    Cell("LSTMCell_1997", layers.LSTMCell, _THREE, 180, _1997),
    Cell("GRUCell", layers.GRUCell, _TWO_BIASES, 198, _H),
    Cell("GRUCell_2014", layers.GRUCell, _THREE, 180, _2014),
)


_MAPS = {1: (7,), 2: (4, 3), 3: (2, 3, 4)}
CONV_LSTMS = tuple(
    Recurrent(
        f"ConvLSTM{rank}D",
        getattr(layers, f"ConvLSTM{rank}D"),
        {
            "kernel": (*kernel_size, D, 4 * H),
            "recurrent_kernel": (*kernel_size, H, 4 * H),
            "bias": (4 * H,),
        },
        parameters,
        {"filters": H, "kernel_size": kernel_size},
        (B, T, *_MAPS[rank], D),
        step=reference.conv_lstm,
        states=2,
    )
    for rank, kernel_size, parameters in (
        (1, (3,), 672),
        (2, (3, 2), 1320),
        (3, (1, 2, 3), 1320),
    )
)


@dataclass(frozen=True)
class Block(Case):
    """A block of a convolutional network; its weights are named by their paths below it."""

    input_shape: tuple[int, ...] = (B, 7, 6, 4)  # [B, height, width, channels]

    def shapes(self, layer):
        return {w.path.removeprefix(f"{layer.name}/"): tuple(w.shape) for w in layer.weights}


def _unit(name, size, inputs, filters, norm=False):
    """The weights of a ConvUnit2D, normalised or not."""
    convolution = {f"{name}convolution/kernel": (size, size, inputs, filters)}
    if not norm:
        return convolution | {f"{name}convolution/bias": (filters,)}
    moments = ("gamma", "beta", "moving_mean", "moving_variance")
    return convolution | {f"{name}normalization/{moment}": (filters,) for moment in moments}


def _preactivated(name, size, inputs, filters):
    """The weights of a ConvUnit2D that normalises its input."""
    moments = ("gamma", "beta", "moving_mean", "moving_variance")
    kernel = {f"{name}convolution/kernel": (size, size, inputs, filters)}
    return kernel | {f"{name}normalization/{moment}": (inputs,) for moment in moments}


_PROJECTED = {"filters": 5, "strides": 2}
BLOCKS = (
    Block(
        "ConvUnit2D", layers.ConvUnit2D, _unit("", 3, 4, 6), 222, {"filters": 6, "kernel_size": 3}
    ),
    Block(
        "ConvUnit2D_normalised",
        layers.ConvUnit2D,
        _unit("", 3, 4, 6, norm=True),
        240,
        {"filters": 6, "kernel_size": 3, "strides": 2, "padding": "full", "normalization": "batch"},
    ),
    Block(
        "ConvUnit2D_grouped",
        layers.ConvUnit2D,
        _unit("", 3, 2, 6),
        114,
        {"filters": 6, "kernel_size": 3, "groups": 2, "padding": 2, "activation": "tanh"},
    ),
    Block(
        "ConvUnit1D",
        layers.ConvUnit1D,
        {"convolution/kernel": (3, 4, 6), "convolution/bias": (6,)},
        78,
        {"filters": 6, "kernel_size": 3, "padding": "full"},
        (B, 7, 4),
    ),
    Block("LocalResponseNormalization", layers.LocalResponseNormalization, {}, 0, {"n": 3}),
    Block(
        "InceptionBlock",
        layers.InceptionBlock,
        _unit("1x1/", 1, 4, 2)
        | _unit("3x3_reduce/", 1, 4, 3)
        | _unit("3x3/", 3, 3, 4)
        | _unit("5x5_reduce/", 1, 4, 1)
        | _unit("5x5/", 5, 1, 2)
        | _unit("pool_projection/", 1, 4, 3),
        10 + 15 + 112 + 5 + 52 + 15,
        {"filters": (2, 3, 4, 1, 2, 3)},
    ),
    Block(
        "InceptionBlock_factorised",
        layers.InceptionBlock,
        _unit("1x1/", 1, 4, 2, norm=True)
        | _unit("3x3_reduce/", 1, 4, 3, norm=True)
        | _unit("3x3/", 3, 3, 4, norm=True)
        | _unit("5x5_reduce/", 1, 4, 1, norm=True)
        | _unit("5x5_a/", 3, 1, 2, norm=True)
        | _unit("5x5_b/", 3, 2, 2, norm=True)
        | _unit("pool_projection/", 1, 4, 3, norm=True),
        8 + 12 + 108 + 4 + 18 + 36 + 12 + 4 * (2 + 3 + 4 + 1 + 2 + 2 + 3),
        {"filters": (2, 3, 4, 1, 2, 3), "factorize": True, "normalization": "batch"},
    ),
    Block(
        "AuxiliaryClassifier",
        layers.AuxiliaryClassifier,
        _unit("projection/", 1, 4, 5)
        | {"hidden/kernel": (10, 6), "hidden/bias": (6,)}
        | {"classes/kernel": (6, 3), "classes/bias": (3,)},
        25 + 66 + 21,
        {"num_classes": 3, "filters": 5, "units": 6},
        (B, 8, 5, 4),
    ),
    Block(
        "ResidualBlock",
        layers.ResidualBlock,
        _unit("conv1/", 3, 4, 4, norm=True) | _unit("conv2/", 3, 4, 4, norm=True),
        320,
        {"filters": 4},
    ),
    Block(
        "ResidualBlock_projection",
        layers.ResidualBlock,
        _unit("conv1/", 3, 4, 5) | _unit("conv2/", 3, 5, 5) | _unit("projection/", 1, 4, 5),
        185 + 230 + 25,
        _PROJECTED | {"normalization": None},
    ),
    Block(
        "ResidualBlock_zeros",
        layers.ResidualBlock,
        _unit("conv1/", 3, 4, 5, norm=True) | _unit("conv2/", 3, 5, 5, norm=True),
        180 + 225 + 40,
        _PROJECTED | {"shortcut": "zero_padding"},
    ),
    Block(
        "ResidualBlock_plain",
        layers.ResidualBlock,
        _unit("conv1/", 3, 4, 5, norm=True) | _unit("conv2/", 3, 5, 5, norm=True),
        180 + 225 + 40,
        _PROJECTED | {"skip": False},
    ),
    Block(
        "BottleneckBlock",
        layers.BottleneckBlock,
        _unit("conv1/", 1, 4, 2, norm=True)
        | _unit("conv2/", 3, 2, 2, norm=True)
        | _unit("conv3/", 1, 2, 8, norm=True)
        | _unit("projection/", 1, 4, 8, norm=True),
        8 + 36 + 16 + 32 + 4 * (2 + 2 + 8 + 8),
        {"filters": 2, "strides": 2},
    ),
    Block(
        "BottleneckBlock_preactivated",
        layers.BottleneckBlock,
        _preactivated("conv1/", 1, 4, 2)
        | _preactivated("conv2/", 3, 2, 2)
        | _preactivated("conv3/", 1, 2, 8)
        | {"projection/convolution/kernel": (1, 1, 4, 8)},
        8 + 36 + 16 + 32 + 4 * (4 + 2 + 2),
        {"filters": 2, "strides": 2, "preactivation": True},
    ),
    Block("Subsampling", layers.Subsampling, {"coefficient": (4,), "bias": (4,)}, 8),
    Block(
        "PartialConvolution",
        layers.PartialConvolution,
        {"kernel": (3, 3, 5), "bias": (3,)},
        48,
        {"connections": ((0,), (1, 3), (2, 3)), "kernel_size": 3},
    ),
    Block(
        "RadialBasis",
        layers.RadialBasis,
        {},
        0,
        {"codes": [[1.0, -1.0, 1.0, 0.5], [0.0, 1.0, -1.0, 2.0]]},
        (B, 4),
    ),
)
CASES = RECURRENT + CONV_LSTMS + CELLS + BLOCKS


class Problem(NamedTuple):
    """Arrays for one case, without zero biases or zero initial states."""

    x: np.ndarray  # [B, T, D]
    states: list[np.ndarray]  # each [B, H]
    weights: list[np.ndarray]


def problem(case, dtype="float32", shape=None, seed=3):
    random = np.random.default_rng(seed)

    def normal(size, scale):
        return (scale * random.normal(size=size)).astype(dtype)

    def weight(name, size):
        values = normal(size, 0.6)
        return np.abs(values) + 0.5 if name.endswith("moving_variance") else values

    shape = shape or case.input_shape
    return Problem(
        x=normal(shape, 1.0),
        states=[normal((shape[0], H), 0.7) for _ in range(case.states)],
        weights=[weight(*item) for item in case.weights.items()],
    )


def _padded(lengths, left=False):
    steps = np.arange(T)
    return np.stack([(steps >= T - n) if left else (steps < n) for n in lengths])


MASKS = {
    "unmasked": None,
    "right": _padded([5, 3, 1, 4]),
    "left": _padded([2, 5, 4, 1], left=True),
    "holes": np.array([[0, 1, 0, 1, 1], [1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 0, 0, 1]], bool),
}


def objective(outputs, states=()):
    """E: a mean over the batch in which every step, unit and last state has its own weight."""
    total = 0.0
    for tensor in (outputs, *states):
        pattern = tf.cos(tf.cast(tf.range(tf.size(tensor)), tensor.dtype))
        total += tf.reduce_sum(tensor * tf.reshape(pattern, tf.shape(tensor)) + 0.5 * tensor**2)
    return total / tf.cast(tf.shape(outputs)[0], outputs.dtype)


def built(case, p, **arguments):
    """The layer with the weights of a problem, for batches of any size and length."""
    layer = case.make(**arguments)
    layer.build((None, None, D))
    layer.set_weights(p.weights)
    return layer


def assert_same_figures(row, expected, rtol=2e-5):
    """A row of `ErrorRecord.latest` against `reference.figures`."""
    assert set(row) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(row[name], values, rtol=rtol, atol=1e-9, err_msg=name)


def each(cases):
    """`pytest.mark.parametrize` over rows of the table."""
    return pytest.mark.parametrize("case", cases, ids=str)


def each_masked(cases, *others):
    """As `each`, with the mask "holes"; LSTM with `others` too: all cells have one masked loop."""
    rows = [*((case, "holes") for case in cases), *((LSTM, mask) for mask in others)]
    return pytest.mark.parametrize(("case", "mask"), rows, ids=str)
