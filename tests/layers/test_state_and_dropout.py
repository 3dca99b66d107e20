"""States kept between batches, and dropout: one mask for all steps and gates."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import LSTM, RECURRENT, STOCK, B, D, H, T, built, each, objective, problem
from errorflow import layers
from reference import unrolled


@each(STOCK)
def test_stateful_layers_continue_where_the_previous_batch_ended(case):
    p = problem(case)
    layer = case.make(stateful=True, return_sequences=True)
    layer.build(p.x.shape)
    layer.set_weights(p.weights)
    whole = built(case, p, return_sequences=True)(p.x)
    first, second = layer(p.x[:, :2], training=True), layer(p.x[:, 2:], training=True)
    np.testing.assert_allclose(np.concatenate([first, second], 1), whole, rtol=1e-4, atol=1e-6)
    layer.reset_state()
    np.testing.assert_allclose(layer(p.x[:, :2]), first, rtol=1e-5, atol=1e-6)


@each(STOCK)
def test_a_sequence_without_steps_leaves_the_initial_state(case):
    """As a batch of empty texts; in training and without a mask in a graph, Keras refuses it."""
    p = problem(case)
    layer = built(case, p, return_state=True)
    signature = tf.TensorSpec([None, None, D]), tf.TensorSpec([None, None], tf.bool)
    graph = tf.function(lambda x, mask: layer(x, p.states, mask=mask), input_signature=signature)
    nothing, masks = tf.zeros([B, 0, D]), tf.zeros([B, 0], tf.bool)
    for output, *states in (layer(nothing, p.states), graph(nothing, masks)):
        np.testing.assert_array_equal(output, np.zeros([B, H]))
        for state, initial in zip(states, p.states, strict=True):
            np.testing.assert_array_equal(state, initial)
    sequences = built(case, p, return_sequences=True)
    assert sequences(nothing, mask=masks).shape == (B, 0, H)
    assert sequences(nothing[:0]).shape == (0, 0, H)


@pytest.mark.parametrize("jit", [False, True], ids=["no_jit", "jit"])
def test_stateful_layers_train(jit):
    layer = layers.LSTM(H, stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=[B, T, D]), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=jit)
    model.fit(np.ones([2 * B, T, D]), np.ones([2 * B, 1]), batch_size=B, shuffle=False, verbose=0)
    assert layer.error.count == 2
    assert all(np.any(state) for state in layer.states)


def dropped(case, p, *, seed=11, **rates):
    """Output and weight gradients of one training pass, whose initial states are trained too."""
    layer = built(case, p, seed=seed, return_sequences=True, dtype="float64", **rates)
    states = [tf.constant(state) for state in p.states]
    with tf.GradientTape() as tape:
        tape.watch(states)
        outputs = layer(p.x, initial_state=states, training=True)
        e = objective(outputs)
    return np.array(outputs), tape.gradient(e, [w.value for w in layer.trainable_weights])


@each(RECURRENT)
def test_gradients_pass_through_the_dropout_masks(case):
    """Against automatic differentiation of the equations, with the same masks applied by hand."""
    p, rates = problem(case, "float64"), {"dropout": 0.4, "recurrent_dropout": 0.4}
    outputs, ours = dropped(case, p, **rates)

    cell = built(case, p, seed=11, dtype="float64", **rates).cell
    mask_x = cell.get_dropout_mask(tf.ones([B, D], tf.float64))  # in Keras' order: x, then h
    mask_h = cell.get_recurrent_dropout_mask(tf.ones([B, H], tf.float64))
    assert 0 < np.mean(mask_x == 0) < 1
    assert 0 < np.mean(mask_h == 0) < 1

    weights = [tf.constant(w) for w in p.weights]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        theirs = dropped_by_hand(case, p, weights, mask_x, mask_h)
        e = objective(theirs)
    np.testing.assert_allclose(outputs, theirs, rtol=1e-10)
    for a, b in zip(ours, tape.gradient(e, weights), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


def dropped_by_hand(case, p, weights, mask_x, mask_h):
    """Dropping columns of x and h before the products is dropping rows of the kernels."""
    kernel, recurrent, bias = weights
    outputs = []
    for b in range(B):  # every example has masks of its own
        own = [mask_x[b][:, None] * kernel, mask_h[b][:, None] * recurrent, bias]
        x, *states = (tf.constant(v[b : b + 1]) for v in (p.x, *p.states))
        outputs.append(unrolled(tf, case.step, x, states, own)[0])
    return tf.concat(outputs, 0)


def test_dropout_draws_new_masks_for_each_batch_and_none_in_inference():
    p = problem(LSTM)
    layer = built(LSTM, p, dropout=0.5, recurrent_dropout=0.5, seed=1)
    first, second = layer(p.x, training=True), layer(p.x, training=True)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(layer(p.x), layer(p.x))
    np.testing.assert_allclose(layer(p.x), built(LSTM, p)(p.x), rtol=1e-5)


@pytest.mark.parametrize("rate", ["dropout", "recurrent_dropout"])
def test_dropout_keeps_the_expectation(rate):
    """Linear in the dropped values, so the mean over many examples is the value itself."""
    layer = layers.SimpleRNN(1, activation="linear", seed=5, **{rate: 0.3})
    layer.build([None, 2, 1])
    layer.set_weights([np.array([[1.0]]), np.array([[0.5]]), np.array([0.0])])
    outputs = layer(tf.ones([20000, 2, 1]), training=True)
    np.testing.assert_allclose(np.mean(outputs), 1.5, atol=0.02)
    assert np.std(outputs) > 0.1


def test_equal_seeds_train_to_equal_bits():
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.Input([T, D]),
                layers.LSTM(H, dropout=0.2, recurrent_dropout=0.2),
                keras.layers.Dense(1),
            ]
        )
        model.compile("adam", "mse", jit_compile=False)
        x = np.random.default_rng(0).normal(size=[4 * B, T, D])
        model.fit(x, x[:, 0, :1], batch_size=B, epochs=3, verbose=0)
        weights.append(model.get_weights())
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)
