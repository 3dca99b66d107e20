"""‖dh_T/dh_t‖ against singular values of Jacobians by autodiff, one row at a time."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from cases import MASKS, RECURRENT, B, D, H, T, built, each_masked, problem
from errorflow.callbacks.findings.horizon import half_life
from errorflow.layers import SimpleRNN, horizon

ALL = np.ones([B, T], bool)


def model_of(case, p):
    layer = built(case, p, name="layer", dtype="float64")
    x, mask = keras.Input((T, D), dtype="float64"), keras.Input((T,), dtype="bool")
    states = [keras.Input((H,), dtype="float64") for _ in p.states]
    return keras.Model([x, mask, *states], layer(x, mask=mask, initial_state=states))


def jacobians(case, p, valid):
    """dh_T/dh_t, and dh_T/dc_t or None: [T, B, H, H]"""
    rows = [
        reference.errors(
            lambda _, last, unit=unit: tf.reduce_mean(last[0][:, unit]),
            case.step,
            p.x,
            p.states,
            p.weights,
            valid,
        )
        for unit in range(H)
    ]
    of_cell = None if rows[0].cell is None else np.stack([r.cell for r in rows], 2)
    return np.stack([r.hidden for r in rows], 2), of_cell


def bounds(case, p, valid):
    """The products of the norms of single steps, [T, B]."""
    states, norms = [tf.constant(s) for s in p.states], []
    for t in range(T):
        side_by_side = tf.concat(states, 1)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(side_by_side)
            before = tf.split(side_by_side, len(states), 1)
            new = case.step(tf, p.x[:, t], before, p.weights, [0.0] * len(states))
            after = tf.unstack(tf.concat(new, 1), axis=1)
        jacobian = np.stack([tape.gradient(unit, side_by_side) for unit in after], 1)
        single = np.linalg.norm(jacobian, 2, axis=(1, 2))
        now = valid[:, t]
        norms.append(np.where(now, single, 1.0))
        states = [tf.where(now[:, None], n, s) for n, s in zip(new, states, strict=True)]
    return np.stack([np.prod([np.ones(B), *norms[t + 1 :]], axis=0) for t in range(T)])


def rms(norms, valid):
    """[T, B], the last valid step of each example in column -1 → [T]"""
    return reference.rms(norms, valid, reference.from_end(valid))


@each_masked(RECURRENT, "unmasked", "right")
def test_horizon_is_that_of_the_jacobians(case, mask):
    p = problem(case, "float64")
    valid = ALL if MASKS[mask] is None else MASKS[mask]
    result = horizon(model_of(case, p), [p.x, valid, *p.states], "layer")
    hidden, cell = (
        None if j is None else rms(np.linalg.norm(j, 2, axis=(2, 3)), valid)
        for j in jacobians(case, p, valid)
    )
    np.testing.assert_allclose(result.hidden, hidden, rtol=1e-6)
    np.testing.assert_allclose(result.bound, rms(bounds(case, p, valid), valid), rtol=1e-6)
    assert result.hidden[-1] == 1
    if cell is None:
        assert result.cell is None
    else:
        np.testing.assert_allclose(result.cell, cell, rtol=1e-6)


def scaled(weight, steps, units=8):
    """h_t = weight Q h_{t-1} + x_t, Q a rotation: every norm is a power of the weight."""
    layer = SimpleRNN(units, activation="linear", use_bias=False)
    model = keras.Sequential([keras.Input((steps, units)), layer])
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(units, units)))
    model.set_weights([np.eye(units), weight * rotation])
    return model, np.zeros([2, steps, units], "float32")


def test_far_from_the_last_step_the_horizon_is_exact():
    result = horizon(*scaled(0.1, 30))
    expected = 0.1 ** np.arange(30.0)[::-1]
    np.testing.assert_allclose(result.hidden, expected, rtol=1e-4)
    np.testing.assert_allclose(result.bound, expected, rtol=1e-4)
    np.testing.assert_allclose(half_life(result.hidden), np.log(2) / np.log(10), rtol=1e-4)


def test_weights_that_are_not_finite_have_no_horizon():
    model, x = scaled(np.nan, 4)
    result = horizon(model, x)
    np.testing.assert_array_equal(result.hidden, [np.nan, np.nan, np.nan, 1])
    assert np.isnan(half_life(result.hidden))


def test_probes_estimate_the_horizon():
    """Where one direction outweighs the others, on average over directions."""
    random, units = np.random.default_rng(1), 64
    layer = SimpleRNN(units, activation="linear", use_bias=False)
    model = keras.Sequential([keras.Input((9, units)), layer])
    ratios = []
    for _ in range(20):
        a, b = random.normal(size=(2, units))
        rank_one = 1.1 * np.outer(a, b) / (a @ b)  # of rank 1
        model.set_weights([np.eye(units), rank_one])
        x = np.zeros([1, 9, units], "float32")
        estimate = horizon(model, x, probes=16)
        assert estimate.bound is None
        ratios.append(estimate.hidden[0] / horizon(model, x).hidden[0])
    np.testing.assert_allclose(np.mean(np.square(ratios)), 1, atol=0.15)


def test_unknown_layers_and_wrong_probes_are_refused():
    model, x = scaled(1.0, 3)
    with pytest.raises(
        ValueError, match="horizon: no recurrent layer 'none'; there are: simple_rnn"
    ):
        horizon(model, x, "none")
    with pytest.raises(ValueError, match="probes must be from 1 to 8, the layer's units"):
        horizon(model, x, probes=9)
