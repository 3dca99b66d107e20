"""The one table of layers: each row drives every conformance suite."""

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
    """How to make a layer, and the weights that it must then have."""

    name: str
    layer: type  # the public class that this row covers
    weights: dict[str, tuple[int, ...]]  # name: shape, in the order of `get_weights`
    parameters: int
    arguments: dict[str, Any] = field(default_factory=dict)
    input_shape: tuple[int, ...] = (B, T, D)
    states: int = 0  # that a call takes: h, or h and c

    def make(self, **more):
        return self.layer(**self.arguments, **more)

    def __str__(self):
        return self.name


@dataclass(frozen=True)
class Recurrent(Case):
    """A recurrent layer, with what it must agree with."""

    step: Callable | None = None  # its equations, in tests/reference.py
    states: int = 1
    in_keras: bool = True

    def stock(self, **more):
        """The layer of Keras with the same arguments."""
        return getattr(keras.layers, self.layer.__name__)(**self.arguments, **more)


@dataclass(frozen=True)
class Cell(Case):
    """A cell, which makes a layer only inside `keras.layers.RNN`."""

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
CASES = RECURRENT + CELLS


class Problem(NamedTuple):
    """Arrays for one case: no zero bias, no zero initial state."""

    x: np.ndarray  # [B, T, D]
    states: list[np.ndarray]  # each [B, H]
    weights: list[np.ndarray]


def problem(case, dtype="float32", shape=(B, T, D), seed=3):
    random = np.random.default_rng(seed)

    def normal(size, scale):
        return (scale * random.normal(size=size)).astype(dtype)

    return Problem(
        x=normal(shape, 1.0),
        states=[normal((shape[0], H), 0.7) for _ in range(case.states)],
        weights=[normal(size, 0.6) for size in case.weights.values()],
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
    """E: a mean over the batch in which every step, unit and last state counts differently."""
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
