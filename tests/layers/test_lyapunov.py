"""Lyapunov exponents against closed forms and singular values of products of Jacobians."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import MASKS, RECURRENT, STOCK, B, D, H, T, built, each, each_masked, problem
from errorflow.layers import ConvLSTM1D, LSTMCell, SimpleRNN, horizon, lyapunov
from errorflow.layers.analysis.lyapunov import LyapunovSpectrum

ALL = np.ones([B, T], bool)


def model_of(layer, states):
    x, mask = keras.Input((T, D), dtype="float64"), keras.Input((T,), dtype="bool")
    initial = [keras.Input((H,), dtype="float64") for _ in range(states)]
    return keras.Model([x, mask, *initial], layer(x, mask=mask, initial_state=initial))


def jacobians(step, x, states, valid=None):
    """ds_t/ds_{t-1} by autodiff, the identity at masked steps, [T, B, S, S]."""

    @tf.function
    def of_step(x_t, *before):
        side_by_side = tf.concat(before, 1)
        with tf.GradientTape() as tape:
            tape.watch(side_by_side)
            after = step(x_t, tf.split(side_by_side, len(before), 1))
            together = tf.concat(after, 1)
        return after, tape.batch_jacobian(together, side_by_side)

    valid, result = np.ones(x.shape[:2], bool) if valid is None else valid, []
    for t in range(x.shape[1]):
        after, matrices = of_step(x[:, t], *states)
        now = valid[:, t]
        states = [tf.where(now[:, None], a, s) for a, s in zip(after, states, strict=True)]
        identity = np.eye(matrices.shape[-1])
        result.append(np.where(now[:, None, None], matrices, identity))
    return np.stack(result)


def logarithms(matrices):
    """ln σ_i(J_T … J_1) and Σ_t ln |det J_t| of matrices [T, S, S]."""
    product = np.linalg.multi_dot([*matrices[::-1], np.eye(matrices.shape[-1])])
    return np.log(np.linalg.svd(product)[1]), np.linalg.slogdet(matrices)[1].sum()


@each_masked(RECURRENT, "unmasked")
def test_exponents_are_those_of_the_jacobians_of_the_valid_steps(case, mask):
    p = problem(case, "float64")
    valid = ALL if MASKS[mask] is None else MASKS[mask]
    model = model_of(built(case, p, name="layer", dtype="float64"), case.states)
    result = lyapunov(model, [p.x, valid, *p.states], "layer")

    def step(x_t, states):
        return case.step(tf, x_t, states, p.weights, [0.0] * case.states)

    matrices = jacobians(step, p.x, [tf.constant(s) for s in p.states], valid)
    lengths = valid.sum(axis=1)
    used = np.flatnonzero(lengths)
    assert len(used) == (B if mask == "unmasked" else B - 1)  # one example has no valid step
    singular, volumes = zip(*(logarithms(matrices[:, b]) for b in used), strict=True)
    expected = np.stack(singular) / lengths[used, None]
    assert result.exponents.dtype == np.float32
    np.testing.assert_allclose(result.exponents[:3], expected.mean(axis=0)[:3], atol=2e-3)
    np.testing.assert_allclose(result.spread[0], expected.std(axis=0)[0], atol=2e-3)
    total = np.mean(volumes / lengths[used])
    np.testing.assert_allclose(result.exponents.sum(dtype=float), total, rtol=1e-6)


@each(STOCK)
def test_exponents_of_a_stock_layer_are_those_of_its_cell(case):
    layer, p = case.stock(dtype="float64"), problem(case, "float64", (1, 60, D))
    model = keras.Sequential([keras.Input((60, D), dtype="float64"), layer])
    model.set_weights(p.weights)
    zeros = [tf.zeros([1, H], tf.float64)] * case.states
    matrices = jacobians(lambda x_t, s: layer.cell(x_t, s)[1], p.x, zeros)[:, 0]
    result = lyapunov(model, p.x)
    directions = np.random.default_rng(1).normal(size=[H * case.states] * 2)
    for n in range(40):  # back and forward until it has converged
        total = 0.0
        for matrix in matrices if n % 2 else [m.T for m in matrices[::-1]]:
            directions, r = np.linalg.qr(matrix @ directions)
            total = total + np.log(np.abs(np.diag(r)))
    np.testing.assert_allclose(result.exponents[0], total[0] / 60, atol=2e-3)
    np.testing.assert_allclose(result.exponents, total / 60, atol=0.02)
    assert (np.diff(result.exponents) < 0.01).all()  # from the largest to the smallest
    np.testing.assert_array_equal(result.spread, 0)  # of one example


def linear(recurrent_kernel, steps):
    """h_t = h_{t-1} R + x_t"""
    units = len(recurrent_kernel)
    layer = SimpleRNN(units, activation="linear", use_bias=False)
    model = keras.Sequential([keras.Input((steps, units)), layer])
    model.set_weights([np.eye(units), recurrent_kernel])
    return model, np.zeros([2, steps, units], "float32")


def test_exponents_of_a_linear_layer_are_the_logarithms_of_its_eigenvalues():
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    result = lyapunov(*linear(0.8 * rotation, 7))
    np.testing.assert_allclose(result.exponents, np.full(5, np.log(0.8)), rtol=1e-6)
    eigenvalues = [0.2, -1.1, 0.6]
    result = lyapunov(*linear(np.diag(eigenvalues), 7))
    np.testing.assert_allclose(result.exponents, np.log([1.1, 0.6, 0.2]), rtol=1e-6)
    not_normal = np.diag(eigenvalues) + np.triu(np.full([3, 3], 2.0), 1)
    result = lyapunov(*linear(not_normal, 1000))
    np.testing.assert_allclose(result.exponents, np.log([1.1, 0.6, 0.2]), atol=5e-3)


def test_fewer_exponents_are_the_first_of_all():
    model, x = linear(np.random.default_rng(1).normal(size=(6, 6)), 9)
    everything = lyapunov(model, x).exponents
    for count in (1, 4):
        np.testing.assert_allclose(
            lyapunov(model, x, exponents=count).exponents, everything[:count], rtol=1e-5
        )


def test_the_horizon_falls_as_the_largest_exponent_says():
    keras.utils.set_random_seed(0)
    steps, states = keras.Input((None, D)), keras.Input((H,))
    layer = keras.layers.SimpleRNN(H)
    model = keras.Model([steps, states], layer(steps, initial_state=states))
    x = np.random.default_rng(0).normal(size=(1, 30, D)).astype("float32")
    zeros = np.zeros([1, H], "float32")
    norms = horizon(model, [x, zeros]).hidden
    after_first = model([x[:, :1], zeros]).numpy()
    largest = lyapunov(model, [x[:, 1:], after_first], exponents=2).exponents[0]
    np.testing.assert_allclose(np.log(norms[0]) / 29, largest, rtol=1e-3)
    assert lyapunov(model, [x[:, 1:], after_first]).half_life == pytest.approx(
        -np.log(2) / largest, rel=1e-3
    )


def test_strong_random_weights_are_chaotic_and_weak_ones_are_not():
    """Without input, tanh(g W h) loses its fixed point 0 at g = 1 (Sompolinsky et al. 1988)."""
    units, random = 50, np.random.default_rng(0)
    layer = keras.layers.SimpleRNN(units, use_bias=False)
    model = keras.Sequential([keras.Input((200, 1)), layer])
    weights = random.normal(size=(units, units)) / np.sqrt(units)
    x = np.zeros([2, 200, 1], "float32")
    x[:, 0, 0] = 0.1, -0.2
    signs = {}
    for gain in (0.5, 3.0):
        model.set_weights([np.ones([1, units]), gain * weights])
        signs[gain] = lyapunov(model, x, exponents=1)
    assert signs[0.5].exponents[0] < -0.5 and signs[0.5].half_life > 0
    assert signs[3.0].exponents[0] > 0.1 and signs[3.0].half_life < 0
    assert "nearby states move apart" in signs[3.0].sentence
    assert np.isnan(signs[3.0].dimension) and np.isnan(signs[3.0].entropy_rate)  # one of 50 known


def test_every_recurrent_layer_of_a_model_can_be_chosen():
    keras.utils.set_random_seed(0)
    one = keras.layers.LSTM(3, return_sequences=True, name="lstm")
    cells = [LSTMCell(2, name="lstm_cell"), keras.layers.GRUCell(4, name="gru_cell")]
    model = keras.Sequential(
        [
            keras.Input((T, D)),
            keras.layers.Bidirectional(one),
            keras.layers.RNN(cells, name="stack"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(B, T, D)).astype("float32")
    sizes = {"forward_lstm": 6, "backward_lstm": 6, "lstm_cell": 4, "gru_cell": 4}
    results = {name: lyapunov(model, x, name) for name in sizes}
    assert {name: len(result.exponents) for name, result in results.items()} == sizes
    assert results["gru_cell"].layer == lyapunov(model, x).layer == "stack/gru_cell"
    both = model.layers[0]
    both.backward_layer.set_weights(both.forward_layer.get_weights())
    np.testing.assert_array_equal(
        lyapunov(model, x[:, ::-1], "backward_lstm").exponents, results["forward_lstm"].exponents
    )


def test_half_precision_gives_the_exponents_of_the_same_weights():
    weights, results = None, {}
    x = np.random.default_rng(0).normal(size=(B, T, D)).astype("float32")
    for policy in ("float32", "mixed_bfloat16"):
        model = keras.Sequential([keras.Input((T, D)), keras.layers.GRU(H, dtype=policy)])
        weights = weights or model.get_weights()
        model.set_weights(weights)
        results[policy] = lyapunov(model, x)
    assert results["mixed_bfloat16"].exponents.dtype == np.float32
    np.testing.assert_allclose(results["mixed_bfloat16"][0], results["float32"][0], atol=0.03)
    assert (results["mixed_bfloat16"][0] != results["float32"][0]).any()


def test_weights_that_are_not_finite_or_zero():
    result = lyapunov(*linear(np.full([3, 3], np.nan), 4))
    assert np.isnan(result.exponents).all() and np.isnan([result.dimension, result.half_life]).all()
    result = lyapunov(*linear(np.zeros([3, 3]), 4))
    np.testing.assert_array_equal(result.exponents, -np.inf)
    assert (result.half_life, result.dimension, result.entropy_rate) == (0, 0, 0)
    assert "no error comes back" in result.sentence


def test_examples_without_a_valid_step_have_no_exponents():
    model = model_of(keras.layers.SimpleRNN(H, dtype="float64"), 1)
    result = lyapunov(model, [np.ones([B, T, D]), ~ALL, np.zeros([B, H])], exponents=2)
    np.testing.assert_array_equal(result, np.full([2, 2], np.nan))
    assert "not finite" in result.sentence


def test_the_dimension_is_that_of_kaplan_and_yorke():
    none = np.zeros(3, np.float32)
    henon = LyapunovSpectrum(np.float32([0.4204, -1.6244]), none[:2])  # a = 1.4, b = 0.3
    assert henon.dimension == pytest.approx(1.2588, abs=1e-4)
    assert henon.entropy_rate == pytest.approx(0.4204)
    assert LyapunovSpectrum(np.float32([0.5, 0.0, -2.0]), none).dimension == 2.25
    assert LyapunovSpectrum(np.float32([0.2, 0.1]), none[:2]).dimension == 2
    assert LyapunovSpectrum(np.float32([-0.2, -0.1]), none[:2]).dimension == 0


def test_wrong_arguments_are_refused():
    model, x = linear(np.eye(3), 4)
    with pytest.raises(ValueError, match="lyapunov: no recurrent layer 'none'; there are: simple"):
        lyapunov(model, x, "none")
    for count in (0, 4, 1.5, True):
        with pytest.raises(ValueError, match="exponents must be a whole number from 1 to 3, the "):
            lyapunov(model, x, exponents=count)
    maps = keras.Sequential([keras.Input((T, 4, D)), ConvLSTM1D(2, 3)])
    with pytest.raises(ValueError, match="is a ConvLSTM, and the state of its maps has too many"):
        lyapunov(maps, np.zeros([1, T, 4, D]))
