"""The hidden chain rule: each step's contribution to each weight's gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import LSTM, MASKS, RECURRENT, B, D, H, T, built, each_masked, objective, problem
from errorflow.layers import per_step_gradients
from reference import unrolled

IGNORED = np.zeros([B, T, H])  # the loss of these models is of their output alone


def model_of(case, p, valid, **arguments):
    """The inputs are x, a mask and initial states; the output has no mask for the loss."""
    dtype = p.x.dtype.name
    layer = built(case, p, return_sequences=True, name="layer", dtype=dtype, **arguments)
    x, mask = keras.Input((T, D), dtype=dtype), keras.Input((T,), dtype="bool")
    states = [keras.Input((H,), dtype=dtype) for _ in p.states]
    model = keras.Model([x, mask, *states], 1.0 * layer(x, mask=mask, initial_state=states))
    model.compile(loss=lambda _, outputs: objective(outputs))
    valid = np.ones([B, T], bool) if valid is None else valid
    return model, [p.x, valid, *p.states]


def gradients_of_copies(case, p, valid):
    """dE/dW^(k) by automatic differentiation through a loop with a copy of W for each step."""
    copies = [[tf.constant(w) for w in p.weights] for _ in range(T)]
    order = iter(copies)

    def step(xp, x, states, weights, nudges):
        return case.step(xp, x, states, next(order), nudges)

    with tf.GradientTape() as tape:
        tape.watch(copies)
        x, *states = (tf.constant(v) for v in (p.x, *p.states))
        outputs, _ = unrolled(tf, step, x, states, p.weights, valid)
        e = objective(outputs)
    steps = tape.gradient(e, copies, unconnected_gradients="zero")
    return dict(zip(case.weights, map(np.stack, zip(*steps, strict=True)), strict=True))


def flipped(p):
    return p._replace(x=np.ascontiguousarray(p.x[:, ::-1]))


def assert_contributions(terms, expected, tolerance):
    assert list(terms) == list(expected)
    for name, values in expected.items():
        largest = np.abs(values).max()
        np.testing.assert_allclose(terms[name], values, atol=tolerance * largest)


@each_masked(RECURRENT, "unmasked")
def test_contributions_are_the_gradients_of_a_copy_of_each_weight_per_step(case, mask):
    keras.config.set_floatx("float64")
    p, valid = problem(case, "float64"), MASKS[mask]
    terms = per_step_gradients(*model_of(case, p, valid), IGNORED)["layer"]
    assert_contributions(terms, gradients_of_copies(case, p, valid), 1e-12)


def test_step_k_is_the_one_that_read_the_input_at_k_also_backwards():
    p = problem(LSTM)
    valid = MASKS["right"]
    terms = per_step_gradients(*model_of(LSTM, p, valid, go_backwards=True), IGNORED)["layer"]
    expected = gradients_of_copies(LSTM, flipped(p), valid[:, ::-1])
    expected = {name: g[::-1] for name, g in expected.items()}
    assert_contributions(terms, expected, 1e-5)


def deep(name):
    recurrent = getattr(keras.layers, name)
    first = recurrent(H, return_sequences=True, dropout=0.5, kernel_regularizer="l2", name="first")
    return [
        keras.layers.Masking(),
        keras.layers.Bidirectional(first, name="both"),
        keras.layers.LayerNormalization(),
        keras.layers.Dropout(0.5),
        recurrent(4, go_backwards=True, use_bias=False, name="top"),
        keras.layers.Dense(2),
    ]


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_contributions_add_up_to_the_tapes_gradient_in_a_stock_model(name):
    model = keras.Sequential([keras.Input((None, D)), *deep(name)])
    model.compile("sgd", "mse")
    x, y = np.random.randn(B, T, D).astype("float32"), np.random.randn(B, 2).astype("float32")
    x[1, 3:] = 0.0
    terms = per_step_gradients(model, x, y)
    assert list(terms) == ["both/forward_first", "both/backward_first", "top"]

    with tf.GradientTape(persistent=True) as tape:
        e = tf.reduce_mean((model(x, training=False) - y) ** 2)
    both, top = model.get_layer("both"), model.get_layer("top")
    layers = (both.forward_layer, both.backward_layer, top)
    for by_weight, layer in zip(terms.values(), layers, strict=True):
        assert list(by_weight) == [w.name for w in layer.weights]
        gradients = tape.gradient(e, [w.value for w in layer.weights])
        for ours, theirs in zip(by_weight.values(), gradients, strict=True):
            np.testing.assert_allclose(ours.sum(0), theirs, atol=1e-6)


def test_contributions_of_two_calls_of_a_layer_are_added():
    layer = keras.layers.GRU(H, name="shared")
    long, short = keras.Input((T, D)), keras.Input((T - 2, D))
    model = keras.Model([long, short], layer(long) * layer(short))
    model.compile("sgd", "mse")
    x = [np.random.randn(B, steps, D).astype("float32") for steps in (T, T - 2)]
    terms = per_step_gradients(model, x, np.ones([B, H]))["shared"]
    with tf.GradientTape() as tape:
        e = tf.reduce_mean((model([tf.constant(v) for v in x]) - 1.0) ** 2)
    gradients = tape.gradient(e, [w.value for w in layer.weights])
    for ours, theirs in zip(terms.values(), gradients, strict=True):
        assert len(ours) == T
        np.testing.assert_allclose(ours.sum(0), theirs, atol=1e-6)


def test_the_analysis_changes_nothing():
    inputs = keras.Input(batch_shape=(B, T, D))
    model = keras.Sequential([inputs, LSTM.make(stateful=True, name="layer")])
    model.compile("sgd", "mse")
    x, layer = np.random.randn(B, T, D).astype("float32"), model.get_layer("layer")
    model.predict(x, verbose=0)
    before, loop = [state.numpy() for state in layer.states], layer.loop
    per_step_gradients(model, x, np.ones([B, H]))
    for state, value in zip(layer.states, before, strict=True):
        np.testing.assert_array_equal(state, value)
    assert layer.error.count == 0
    assert layer.loop is loop


def test_a_model_without_a_loss_is_refused():
    model = keras.Sequential([keras.Input((T, D)), keras.layers.GRU(H)])
    with pytest.raises(ValueError, match="compile it first"):
        per_step_gradients(model, np.zeros([B, T, D]), np.zeros([B, H]))
