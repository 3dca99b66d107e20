"""Cells inside `keras.layers.RNN`: the same numbers and gradients as in errorflow's layers."""

import keras
import numpy as np
import tensorflow as tf
from cases import MASKS, RECURRENT, B, D, H, T, each, each_masked, objective, problem
from errorflow import layers


def results(layer, p, mask):
    layer.build(p.x.shape)
    layer.set_weights(p.weights)
    with tf.GradientTape() as tape:
        tape.watch(x := tf.constant(p.x))
        outputs, *last = layer(x, initial_state=p.states, mask=mask)
        e = objective(outputs, last)
    gradients = tape.gradient(e, [x, *(w.value for w in layer.trainable_weights)])
    return [np.array(v) for v in (outputs, *last, *gradients)]


@each_masked(RECURRENT, "unmasked")
def test_both_loops_agree(case, mask):
    p = problem(case, "float64")
    options = {"return_sequences": True, "return_state": True, "dtype": "float64"}
    ours = case.make(**options)
    in_keras = keras.layers.RNN(type(ours.cell)(dtype="float64", **case.arguments), **options)
    for a, b in zip(results(ours, p, MASKS[mask]), results(in_keras, p, MASKS[mask]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_cells_of_different_kinds_stack():
    x = np.random.default_rng(0).normal(size=[B, T, D]).astype("float32")
    stacks = [
        keras.layers.RNN([kind.LSTMCell(H), kind.GRUCell(H + 1), kind.SimpleRNNCell(2)])
        for kind in (layers, keras.layers)
    ]
    for stack in stacks:
        stack.build(x.shape)
    stacks[1].set_weights(stacks[0].get_weights())
    np.testing.assert_allclose(stacks[0](x), stacks[1](x), rtol=1e-5)


@each(RECURRENT)
def test_a_cell_takes_one_step(case):
    p = problem(case)
    layer = case.make(return_sequences=True)
    layer.build(p.x.shape)
    h, states = layer.cell(p.x[:, 0], p.states)
    np.testing.assert_array_equal(h, states[0])
    np.testing.assert_allclose(h, layer(p.x, initial_state=p.states)[:, 0], rtol=1e-5, atol=1e-6)
