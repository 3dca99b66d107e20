"""`layer.error` is the error of the real backward pass and agrees with automatic differentiation.

The reference is a Python loop over the steps with a zero added to every h_t and c_t; the derivative
with respect to those zeros is the error that arrives there.
"""

import numpy as np
import pytest
import tensorflow as tf
from cases import (
    GRU,
    LSTM,
    MASKS,
    RECURRENT,
    SIMPLE_RNN,
    B,
    H,
    T,
    assert_same_figures,
    built,
    each,
    objective,
    problem,
)
from errorflow.layers.rnn.error_record import ErrorRecord
from reference import errors, figures


def back_propagate(layer, p, mask=None, training=True):
    with tf.GradientTape() as tape:
        results = layer(p.x, initial_state=p.states, mask=mask, training=training)
        outputs, *last = results if layer.return_state else [results]
        e = objective(outputs, last)
    tape.gradient(e, layer.trainable_weights)


ONE_PASS = [
    *((case, "float32", mask) for case in RECURRENT for mask in ("unmasked", "holes")),
    *((LSTM, dtype, "left") for dtype in ("float32", "float64")),
    *((GRU, dtype, "right") for dtype in ("float32", "float64")),
]


@pytest.mark.parametrize(("case", "dtype", "mask"), ONE_PASS, ids=str)
def test_every_figure_of_one_backward_pass(case, dtype, mask):
    """With an error at every step, at both last states, and from non-zero initial states."""
    p, valid = problem(case, dtype), MASKS[mask]
    layer = built(case, p, return_sequences=True, return_state=True, dtype=dtype)
    expected = figures(errors(objective, case.step, *p, valid), valid)
    for training in (False, True):
        back_propagate(layer, p, valid, training)
        assert layer.error.count == 1 + training
        assert_same_figures(layer.error.latest()[0], expected)


@pytest.mark.parametrize("mask", ["unmasked", "holes"])
def test_a_loss_on_the_last_output_only(mask):
    """The error of a masked last step belongs to the last valid one, and is not carried there."""
    p, valid = problem(LSTM), MASKS[mask]
    layer = built(LSTM, p)
    back_propagate(layer, p, valid)
    expected_errors = errors(lambda y, _: objective(y[:, -1]), LSTM.step, *p, valid)
    assert_same_figures(layer.error.latest()[0], figures(expected_errors, valid))
    assert layer.error.latest()[0]["carried_from_end"][-1] == 0.0


@each([LSTM, GRU])
def test_a_backwards_layer_has_the_time_steps_of_the_input(case):
    p, valid = problem(case), MASKS["holes"]
    layer = built(case, p, go_backwards=True, return_sequences=True)
    back_propagate(layer, p, valid)
    turned, as_read = valid[:, ::-1], p._replace(x=p.x[:, ::-1])
    expected_errors = errors(lambda y, _: objective(y), case.step, *as_read, turned)
    expected = figures(expected_errors, turned)
    expected |= {n: v[::-1] for n, v in expected.items() if not n.endswith("_from_end")}
    assert_same_figures(layer.error.latest()[0], expected)


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_a_layer_called_twice_has_a_row_for_each_call(graph):
    """The last call comes first, as the backward pass meets it first."""
    p = problem(SIMPLE_RNN, shape=(B, T, H))  # inputs as wide as outputs: one call feeds the next
    layer = SIMPLE_RNN.make(return_sequences=True)

    def step(x):
        with tf.GradientTape() as tape:
            e = objective(layer(layer(x, training=True)[:, :3], training=True))
        return tape.gradient(e, layer.trainable_weights)

    (tf.function(step) if graph else step)(tf.constant(p.x))
    rows = layer.error.latest(2)
    np.testing.assert_array_equal(layer.error.hidden, rows[-1]["hidden"])

    weights, states = layer.get_weights(), [np.zeros([B, H], "float32")]
    between = layer(p.x)[:, :3].numpy()
    last = errors(lambda y, _: objective(y), SIMPLE_RNN.step, between, states, weights)
    first = errors(lambda y, _: objective(layer(y[:, :3])), SIMPLE_RNN.step, p.x, states, weights)
    for row, expected_errors in zip(rows, (last, first), strict=True):
        assert_same_figures(row, figures(expected_errors))


def test_the_figures_do_not_depend_on_the_size_of_the_batch():
    """Every example twice: the mean over the batch, its errors and their maxima are the same."""
    p = problem(LSTM)
    double = p._replace(x=np.repeat(p.x, 2, 0), states=[np.repeat(s, 2, 0) for s in p.states])
    rows = []
    for q in (p, double):
        layer = built(LSTM, q)
        with tf.GradientTape() as tape:
            e = tf.reduce_mean(layer(q.x, initial_state=q.states, training=True) ** 2)
        tape.gradient(e, layer.trainable_weights)
        rows += layer.error.latest()
    rows[1] |= {name: rows[1][name] / 2 for name in ("valid", "valid_from_end")}
    assert_same_figures(rows[0], rows[1])


def test_the_newest_rows_are_kept():
    layer, hidden = SIMPLE_RNN.make(), []
    for seed in range(layer_rows := ErrorRecord.ROWS + 3):
        p = problem(SIMPLE_RNN, seed=seed)
        back_propagate(layer, p)
        hidden.append(layer.error.hidden)
    assert layer.error.count == layer_rows
    rows = layer.error.latest(99)
    np.testing.assert_array_equal([row["hidden"] for row in rows], hidden[-ErrorRecord.ROWS :])


def test_missing_figures_raise_an_error():
    assert SIMPLE_RNN.make().error is None
    layer = built(SIMPLE_RNN, problem(SIMPLE_RNN))
    with pytest.raises(ValueError, match="no backward pass has run through this layer"):
        layer.error.hidden  # noqa: B018
    back_propagate(layer, problem(SIMPLE_RNN))
    with pytest.raises(ValueError, match="only an LSTM has one"):
        layer.error.cell  # noqa: B018
    assert layer.error.hidden.shape == layer.error.hidden_max.shape == layer.error.carried.shape
    assert layer.error.hidden.shape == (T,)


def test_a_fully_masked_step_has_no_figure():
    """The figure is NaN; zero would look like an error that vanished."""
    p, valid = problem(GRU), np.array(MASKS["right"])
    valid[:, 3:] = False
    layer = built(GRU, p, return_sequences=True)
    back_propagate(layer, p, valid)
    assert np.isnan(layer.error.hidden[3:]).all()
    assert np.isnan(layer.error.hidden_max[3:]).all()
    assert (layer.error.hidden[:3] > 0).all()
