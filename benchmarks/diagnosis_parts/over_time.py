"""Trainings whose error vanishes or explodes over time: the target is in the first two steps."""

import functools

import keras
import numpy as np
from errorflow.layers import GRU, LSTM, SimpleRNN, watch

from .training import EXAMPLES, VALIDATION, Training

UNITS = 16
COUNT = EXAMPLES + VALIDATION
VANISHING = frozenset({"vanishing", "vanished earlier"})
BIASES = (3.0, 1.0, 0.0, -1.0, -3.0)


def memory(random, steps: int, at_every_step: bool = False):
    """Noise, and the mean of its first two steps as the target."""
    x = random.normal(scale=0.5, size=(COUNT, steps, 2)).astype("float32")
    y = x[:, :2, :1].mean(axis=1)
    return x, np.repeat(y[:, None], steps, axis=1) if at_every_step else y


def of_length(steps: int, at_every_step: bool = False):
    return lambda level, random: memory(random, steps, at_every_step)


def network(steps, layers, optimizer=None, stock=False):
    model = keras.Sequential([keras.Input((steps, 2)), *layers, keras.layers.Dense(1, name="head")])
    model = watch(model) if stock else model
    model.compile(optimizer or keras.optimizers.Adam(1e-2), "mse", jit_compile=False)
    return model


def scaled(gain):
    return keras.initializers.Orthogonal(gain)


@keras.saving.register_keras_serializable("benchmarks")
class GateBias(keras.initializers.Initializer):
    """One value for one gate, the place of which is counted from 0; the forget gate may differ."""

    def __init__(self, units: int, place: int, value: float, forget: float | None = None):
        self.units, self.place, self.value, self.forget = units, place, value, forget

    def __call__(self, shape, dtype=None):
        values = np.zeros(shape, "float32")
        if self.forget is not None:
            values[..., self.units : 2 * self.units] = self.forget
        values[..., self.place * self.units : (self.place + 1) * self.units] = self.value
        return keras.ops.convert_to_tensor(values, dtype)

    def get_config(self):
        return vars(self)


def lstm(forget_bias, cell=LSTM, units=UNITS, **options):
    bias = GateBias(units, 1, forget_bias)
    return cell(units, bias_initializer=bias, unit_forget_bias=False, **options)


def gru(update_bias, cell=GRU, **options):
    return cell(UNITS, bias_initializer=GateBias(UNITS, 0, update_bias), **options)


def rnn(gain, cell=SimpleRNN, **options):
    return cell(UNITS, recurrent_initializer=scaled(gain), **options)


def _both_ways(bias):
    return [keras.layers.Bidirectional(lstm(bias, units=8, return_sequences=True))]


def _stack(bias):
    return [lstm(bias, return_sequences=True), lstm(bias)]


def _without_forget_gate(gain):
    """The recurrent kernel of the cell of 1997 decides how much its gates and inputs grow."""
    return [LSTM(UNITS, forget_gate=False, recurrent_initializer=scaled(gain))]


def trainings():
    return [*_small_radius(), *_large_radius(), *_gates(), *_lengths()]


def _slow():
    return keras.optimizers.Adam(5e-3)


def _small_radius():
    small = functools.partial(
        Training, "spectral radius too small", levels=(1.0, 0.85, 0.7, 0.55, 0.4), kinds=VANISHING
    )
    stock = keras.layers.SimpleRNN
    return [
        small(
            "SimpleRNN",
            build=lambda g: network(12, [rnn(g)], _slow()),
            data=of_length(12),
        ),
        small(
            "keras.layers.SimpleRNN under watch",
            build=lambda g: network(16, [rnn(g, stock)], _slow(), stock=True),
            data=of_length(16),
        ),
    ]


def _large_radius():
    explodes = frozenset({"exploding", "exploded earlier", "not finite"})
    large = functools.partial(Training, "spectral radius too large", kinds=explodes)
    return [
        large(
            "linear SimpleRNN",
            (1.0, 1.3, 1.5, 1.8, 2.5),
            build=lambda g: network(20, [rnn(g, activation="linear")], _slow()),
            data=of_length(20),
        ),
        large(
            "SimpleRNN",
            (1.0, 1.5, 2.5, 4.0, 6.0),
            build=lambda g: network(12, [rnn(g)], _slow()),
            data=of_length(12),
        ),
        large(
            "LSTM without forget gate",
            (1.0, 4.0, 20.0),
            build=lambda g: network(20, _without_forget_gate(g)),
            data=of_length(20),
        ),
    ]


def _gates():
    """Cells that forget: a forget gate that is closed, or an update gate that is open."""
    stock, some = keras.layers, BIASES[::2]
    forget = functools.partial(Training, "forget gate closed", kinds=VANISHING)
    update = functools.partial(Training, "update gate open", kinds=VANISHING)

    def of(steps, layers, stock=False):
        """Return what decides how long a network remembers, and over how many steps it has to."""
        build = functools.partial(_of_bias, steps, layers, stock)
        return {"build": build, "data": of_length(steps)}

    return [
        forget("LSTM", BIASES, **of(30, lambda b: [lstm(b)])),
        forget(
            "keras.layers.LSTM under watch",
            BIASES,
            **of(20, lambda b: [lstm(b, stock.LSTM)], stock=True),
        ),
        forget("two LSTMs", some, **of(20, _stack)),
        forget(
            "bidirectional LSTM, a loss at every step",
            (3.0, 1.0, -1.0),
            build=lambda b: network(20, _both_ways(b)),
            data=of_length(20, True),
            at_every_step=True,
        ),
        update("GRU", BIASES, **of(20, lambda b: [gru(b)])),
        update(
            "keras.layers.GRU under watch",
            some,
            **of(30, lambda b: [gru(b, stock.GRU)], stock=True),
        ),
    ]


def _of_bias(steps, layers, stock, bias):
    return network(steps, layers(bias), stock=stock)


def _lengths():
    long = functools.partial(
        Training,
        "long sequences",
        kinds=VANISHING,
        data=lambda steps, random: memory(random, steps),
        changes_graph=True,
    )
    return [
        long("GRU", (4, 9, 20), build=lambda steps: network(steps, [GRU(UNITS)])),
        long("LSTM", (6, 20, 50), build=lambda steps: network(steps, [LSTM(UNITS)])),
    ]
