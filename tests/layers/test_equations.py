"""Outputs and states of every recurrent layer are those of its equations, written in NumPy."""

import numpy as np
import pytest
from cases import MASKS, RECURRENT, B, H, T, each, problem
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
