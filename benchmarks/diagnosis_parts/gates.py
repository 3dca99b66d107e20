"""Trainings with closed gates, and encoder-decoders whose error does not cross."""

import functools

import keras
import numpy as np
from errorflow.layers import GRU, LSTM, SimpleRNN

from .optimization import clips, conv_lstm
from .over_depth import compiled
from .over_time import COUNT, UNITS, GateBias, gru, memory, network, of_length, rnn
from .training import Training

SATURATED = frozenset({"saturated"})
CROSSING = frozenset({"does not cross", "vanishing", "vanished earlier"})
BIASES = (0.0, -2.0, -4.0, -7.0)
STEPS = 16


def _closed(place, value, units=UNITS):
    return {"bias_initializer": GateBias(units, place, value, 3.0), "unit_forget_bias": False}


def _closed_lstm(place, value, forget=3.0):
    bias = GateBias(UNITS, place, value, forget)
    return network(10, [LSTM(UNITS, bias_initializer=bias, unit_forget_bias=False)])


def _closed_reset(value):
    return network(6, [GRU(UNITS, bias_initializer=GateBias(UNITS, 1, value))])


def _both(level, random):
    """A decoder of four steps, whose targets are in the first steps of the encoder."""
    x, y = memory(random, STEPS)
    decoder_inputs = random.normal(size=(COUNT, 4, 2)).astype("float32")
    return [x, decoder_inputs], np.tile(y[:, None], [1, 4, 1])


def _encoder_decoder(encoder, decoder):
    source, target = keras.Input((STEPS, 2)), keras.Input((4, 2))
    _, *states = encoder(source)
    h = decoder(target, initial_state=states if len(states) > 1 else states[0])
    model = keras.Model([source, target], keras.layers.Dense(1, name="head")(h))
    return compiled(model, keras.optimizers.Adam(1e-2))


def _of_rnns(gain):
    encoder = rnn(gain, return_state=True, name="encoder")
    decoder = SimpleRNN(UNITS, return_sequences=True, name="decoder")
    return _encoder_decoder(encoder, decoder)


def _of_grus(bias):
    encoder = gru(bias, return_state=True, name="encoder")
    return _encoder_decoder(encoder, GRU(UNITS, return_sequences=True, name="decoder"))


def trainings():
    gates = functools.partial(Training, kinds=SATURATED)
    crossing = functools.partial(
        Training, "error does not cross", kinds=CROSSING, data=_both, joined=("encoder", "decoder")
    )
    return [
        gates(
            "output gate closed",
            "LSTM",
            BIASES,
            build=lambda b: _closed_lstm(3, b),
            data=of_length(10),
        ),
        gates(
            "output gate closed",
            "ConvLSTM",
            (0.0, -3.0, -7.0),
            build=lambda b: conv_lstm(**_closed(3, b, units=4)),
            data=clips,
        ),
        gates(
            "input gate closed",
            "LSTM",
            BIASES,
            build=lambda b: _closed_lstm(0, b, 1.0),
            data=of_length(10),
        ),
        gates(
            "reset gate closed", "GRU", (0.0, -3.0, -7.0), build=_closed_reset, data=of_length(6)
        ),
        crossing("SimpleRNN", (1.0, 0.8, 0.6, 0.4), build=_of_rnns),
        crossing("GRU", (3.0, 1.0, 0.0, -1.0), build=_of_grus),
    ]
