"""The initial bias of an LSTM's forget gates."""

import keras
import numpy as np
from errorflow.layers import LSTM, ForgetBias

UNITS = 3


def layer(bias: float) -> LSTM:
    built = LSTM(UNITS, bias_initializer=ForgetBias(bias), unit_forget_bias=False)
    built.build((None, None, 2))
    return built


def test_only_the_forget_gates_have_the_bias():
    i, f, g, o = layer(2.5).get_weights()[2].reshape(4, UNITS)
    assert (f == 2.5).all()
    assert not np.any([i, g, o])


def test_a_bias_of_1_is_the_one_that_keras_starts_with():
    stock = keras.layers.LSTM(UNITS)
    stock.build((None, None, 2))
    np.testing.assert_array_equal(layer(1.0).get_weights()[2], stock.get_weights()[2])


def test_a_layer_with_it_is_rebuilt_from_its_configuration():
    again = LSTM.from_config(layer(2.5).get_config())
    again.build((None, None, 2))
    np.testing.assert_array_equal(again.get_weights()[2], layer(2.5).get_weights()[2])
