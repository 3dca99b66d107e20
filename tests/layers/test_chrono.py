"""Chrono initialisation: the biases of each gate, in every layer that supports it."""

import keras
import numpy as np
import pytest
from errorflow.layers import GRU, LSTM, Chrono

UNITS, INPUTS, LONGEST = 500, 3, 50.0
GATES = {  # in Keras' order; r: remembers, -: its negative, 0: zero
    "lstm": (LSTM, {"unit_forget_bias": False}, "-r00"),
    "lstm97": (LSTM, {"unit_forget_bias": False, "forget_gate": False}, "-00"),
    "gru": (GRU, {"reset_after": False}, "r00"),
    "gru, two biases": (GRU, {"reset_after": True}, "r00"),
}
each = pytest.mark.parametrize("name", GATES)


def make(name, units=UNITS, seed: int | None = 5):
    layer, arguments, _ = GATES[name]
    cell = name.split(",")[0]
    built = layer(units, bias_initializer=Chrono(LONGEST, cell, seed=seed), **arguments)
    built.build((None, None, INPUTS))
    return built


def biases(layer):
    return np.atleast_2d(layer.get_weights()[2])


@each
def test_gates_remember_for_up_to_the_longest_time_and_all_else_is_zero(name):
    signs = GATES[name][2]
    first, *second = biases(make(name))
    gates = first.reshape(len(signs), UNITS)
    remember = np.abs(gates[0])
    for gate, sign in zip(gates, signs, strict=True):
        np.testing.assert_array_equal(gate, {"r": 1, "-": -1, "0": 0}[sign] * remember)
    times = np.exp(remember)  # evenly from 1 to longest - 1, not their logarithms
    assert 1 <= times.min() < 2
    assert LONGEST - 2 < times.max() <= LONGEST - 1
    assert times.mean() == pytest.approx(LONGEST / 2, rel=0.1)
    assert len(second) == (name == "gru, two biases")
    assert not np.any(second)


@each
def test_a_layer_built_with_it_saves_and_loads(name, tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 4, INPUTS)).astype("float32")
    model = keras.Sequential([keras.Input((None, INPUTS)), make(name, units=6, seed=None)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    config = model.layers[0].get_config()["bias_initializer"]
    assert loaded.layers[0].get_config()["bias_initializer"] == config
    # Rebuilt from its configuration, it draws the same biases, even without an explicit seed.
    again = type(model.layers[0]).from_config(model.layers[0].get_config())
    again.build((None, None, INPUTS))
    np.testing.assert_array_equal(biases(again), biases(model.layers[0]))
    assert np.any(biases(again))


def test_the_seed_decides_and_the_type_is_that_of_the_weight():
    first, same, different = (Chrono(30, seed=seed)((32,)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert np.any(np.asarray(first) != np.asarray(different))
    assert keras.backend.standardize_dtype(Chrono(30)((8,), dtype="float16").dtype) == "float16"


def test_a_wrong_cell_or_a_time_too_short_is_refused():
    with pytest.raises(ValueError, match="cell must be one of lstm, lstm97, gru, got 'rnn'"):
        Chrono(30, "rnn")
    for longest in (2, -1.0):
        with pytest.raises(ValueError, match=f"above 2 time steps, got {longest}"):
            Chrono(longest)
