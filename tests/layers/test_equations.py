"""Outputs and states of every recurrent layer are those of its equations, written in NumPy.

And the backward step that each cell states is the derivative of its forward step.
"""

import numpy as np
import pytest
import tensorflow as tf
from cases import MASKS, RECURRENT, B, H, T, built, each, problem
from errorflow.layers.rnn.equations import Sequence, StepOps, Weights, map_fields
from errorflow.layers.rnn.matrix_products import product, summed_outer
from reference import unrolled


@each(RECURRENT)
@pytest.mark.parametrize("mask", MASKS)
def test_outputs_and_states_are_those_of_the_equations(case, mask):
    p, valid = problem(case, "float64"), MASKS[mask]
    layer = case.make(return_sequences=True, return_state=True, dtype="float64")
    layer.build(p.x.shape)
    layer.set_weights(p.weights)

    outputs, *states = layer(p.x, initial_state=p.states, mask=valid)

    expected, last = unrolled(np, case.step, p.x, p.states, p.weights, valid)
    assert outputs.shape == (B, T, H)
    np.testing.assert_allclose(outputs, expected, rtol=1e-12, atol=1e-13)
    for ours, theirs in zip(states, last, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


@each(RECURRENT)
def test_without_a_bias_or_an_initial_state_both_are_zero(case):
    p = problem(case, "float64")
    layer = case.make(use_bias=False, dtype="float64")
    layer.build(p.x.shape)
    layer.set_weights(p.weights[:2])

    zeros = [np.zeros_like(s) for s in p.states]
    weights = [*p.weights[:2], np.zeros_like(p.weights[2])]
    expected, _ = unrolled(np, case.step, p.x, zeros, weights)
    np.testing.assert_allclose(layer(p.x), expected[:, -1], rtol=1e-12)


@each(RECURRENT)
def test_one_step_backward_is_the_derivative_of_one_step_forward(case):
    """With recurrent dropout, and errors that arrive at every field of the state."""
    p, random = problem(case, "float64"), np.random.default_rng(1)
    equations = built(case, p, dtype="float64").cell.equations
    ops = StepOps(recurrent_dropout=tf.constant(2.0 * random.integers(0, 2, [B, H])))
    x = tf.constant(p.x[None, :, 0])  # [1, B, D]
    weights, before = Weights(*map(tf.constant, p.weights)), equations.state(*p.states)
    before = map_fields(tf.constant, before)
    arriving = map_fields(lambda s: tf.constant(random.normal(size=s.shape)), before)
    with tf.GradientTape() as tape:
        tape.watch([x, before, weights])
        z = equations.input_product(x, weights)
        after, residuals = equations.forward(z[0], before, weights, ops)
        e = tf.add_n([tf.reduce_sum(a * s) for a, s in zip(arriving, after, strict=True)])
    expected = tape.gradient(e, [x, *before, *weights])

    errors = equations.total_errors(arriving, after, residuals)
    transposed_kernel = tf.transpose(weights.recurrent_kernel)
    at_step, sent_back = equations.backward(
        errors, before, after, residuals, transposed_kernel, ops
    )
    assert [e.shape[-1] for e in at_step] == [H * n for n in equations.preactivation_widths]
    at_step = tuple(e[None] for e in at_step)
    states = map_fields(lambda *steps: tf.stack(steps), before, after)
    sequence = Sequence(x, states, map_fields(lambda r: r[None], residuals))
    gradients = equations.weight_gradients(sequence, at_step, ops, summed_outer)
    dx = product(equations.input_errors(at_step), tf.transpose(weights.kernel))
    for ours, theirs in zip((dx, *sent_back, *gradients), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
