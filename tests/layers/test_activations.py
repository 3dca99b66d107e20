"""Activations, their derivatives from their own outputs, and how they are saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import RECURRENT, T, built, each, objective, problem
from errorflow import layers
from errorflow.layers import activations

LENET = layers.ScaledTanh(s=2 / 3, amplitude=1.7159)
KNOWN = [
    keras.activations.linear,
    keras.activations.tanh,
    keras.activations.sigmoid,
    keras.activations.relu,
    keras.activations.leaky_relu,
    keras.activations.elu,
    keras.activations.softplus,
    keras.activations.softsign,
    keras.activations.hard_sigmoid,
    layers.leaky_relu,
    layers.ScaledTanh(),
    LENET,
]


def name(activation):
    return getattr(activation, "__name__", str(activation))


@pytest.mark.parametrize("activation", KNOWN, ids=name)
def test_the_derivative_from_the_output_is_that_of_automatic_differentiation(activation):
    z = tf.constant(np.concatenate([np.linspace(-9, 9, 56), [-1e-3, 1e-3]]))
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = activation(z)
    expected = tape.gradient(y, z)
    np.testing.assert_allclose(activations.derivative(activation)(y), expected, atol=1e-12)


@pytest.mark.parametrize("activation", KNOWN, ids=name)
def test_the_derivative_keeps_the_dtype(activation):
    for dtype in ("float16", "bfloat16", "float32"):
        assert activations.derivative(activation)(tf.ones([2], dtype)).dtype == dtype


def test_softplus_keeps_the_derivative_of_a_vanishing_output():
    """1 - exp(-y) would be 0 in float32 once y < 6e-8."""
    y = keras.activations.softplus(tf.constant([-30.0]))
    np.testing.assert_allclose(activations.derivative(keras.activations.softplus)(y), y, rtol=1e-6)


def test_scaled_tanh_is_that_of_lenet():
    x = np.linspace(-4, 4, 33)
    np.testing.assert_allclose(LENET(x), 1.7159 * np.tanh(2 / 3 * x), rtol=1e-12)
    np.testing.assert_allclose(LENET(np.array([-1.0, 1.0])), [-1.0, 1.0], atol=1e-4)
    plain = layers.ScaledTanh(s=0.5)
    np.testing.assert_allclose(plain(x), 2 / (1 + np.exp(-x)) - 1, atol=1e-12)


def test_leaky_relu_has_the_slope_of_the_textbook():
    np.testing.assert_allclose(layers.leaky_relu(tf.constant([-2.0, 3.0])), [-0.02, 3.0])


@pytest.mark.parametrize("activation", KNOWN, ids=name)
def test_an_activation_survives_serialisation(activation):
    layer = layers.SimpleRNN(2, activation=activation)
    again = layers.SimpleRNN.from_config(layer.get_config())
    assert again.cell.activation == activation


def test_a_layer_with_own_activations_is_saved(tmp_path):
    model = keras.Sequential(
        [
            keras.Input([T, 3]),
            layers.LSTM(2, activation=LENET, recurrent_activation="hard_sigmoid"),
            keras.layers.Dense(2, activation=layers.leaky_relu),
        ]
    )
    x = np.ones([2, T, 3])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@each(RECURRENT)
@pytest.mark.parametrize("activation", [LENET, "softplus"], ids=name)
def test_gradients_with_other_activations(case, activation):
    p = problem(case, "float64")
    ours = built(case, p, activation=activation, return_sequences=True, dtype="float64")
    kernel = ours.trainable_weights[0].value
    with tf.GradientTape() as tape:
        e = objective(ours(p.x, initial_state=p.states))
    gradient = tape.gradient(e, kernel)

    gradient = np.array(gradient)
    step = 1e-6
    for index in [(0, 0), (1, gradient.shape[1] // 2), (2, gradient.shape[1] - 1)]:
        ends = []
        for sign in (1, -1):
            moved = [w.copy() for w in p.weights]
            moved[0][index] += sign * step
            ours.set_weights(moved)
            ends.append(float(objective(ours(p.x, initial_state=p.states))))
        np.testing.assert_allclose(gradient[index], (ends[0] - ends[1]) / (2 * step), rtol=1e-5)


@pytest.mark.parametrize("make", [layers.SimpleRNN, layers.GRU, layers.LSTM])
def test_an_activation_without_a_known_derivative_is_refused(make):
    with pytest.raises(ValueError, match=r"'gelu'.*not known here; use one of .*softplus.*tanh"):
        make(3, activation="gelu")


def test_a_gate_without_a_known_derivative_is_refused():
    with pytest.raises(ValueError, match="'mish'"):
        layers.LSTM(3, recurrent_activation="mish")
