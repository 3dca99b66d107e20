"""Truncated back-propagation through time: the error is cut every k steps from the end.

The reference is the unrolled loop with `tf.stop_gradient` on h and c at the cuts.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import (
    CONV_LSTMS,
    GRU,
    LSTM,
    RECURRENT,
    SIMPLE_RNN,
    B,
    D,
    H,
    T,
    assert_same_figures,
    built,
    objective,
    problem,
)
from errorflow import layers
from errorflow.layers import intervene, per_step_gradients
from reference import errors, figures, unrolled

LONG = 11  # steps: chunks of 4 are 3, 4 and 4
VALID = {
    "unmasked": None,
    "holes": np.random.default_rng(2).random([B, LONG]) < 0.7,
    "padded": np.arange(LONG) < np.array([[11], [9], [2], [0]]),
}


def cuts(k, valid):
    """[B, T]: 0 where the error is cut, k, 2k, … steps before the last valid step, otherwise 1."""
    factors = np.ones(valid.shape)
    for b, row in enumerate(valid):
        last = max(np.flatnonzero(row), default=-1)
        factors[b, [last - n for n in range(k, last + 1, k)]] = 0
    return factors


def of_sequences(outputs, states):
    return objective(outputs, states)


def of_last_states(outputs, states):
    return objective(outputs[:, -1], states)


def reference_gradients(loss, case, p, valid, factors):
    sources = [tf.constant(v) for v in (p.x, *p.states, *p.weights)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        x, states, weights = sources[0], sources[1:-3], sources[-3:]
        e = loss(*unrolled(tf, case.step, x, states, weights, valid, factors=factors))
    return [np.array(g) for g in tape.gradient(e, sources, unconnected_gradients="zero")]


def gradients(layer, p, valid, training=True):
    x, *states = sources = [tf.constant(p.x), *map(tf.constant, p.states)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs, *last = layer(x, initial_state=states, mask=valid, training=training)
        e = objective(outputs, last)
    return [np.array(g) for g in tape.gradient(e, [*sources, *(w.value for w in layer.weights)])]


def assert_close(ours, theirs, tolerance=1e-10):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


ROWS = [
    (SIMPLE_RNN, "unmasked", 4, of_sequences),
    (LSTM, "holes", 3, of_sequences),
    (LSTM, "unmasked", 4, of_last_states),
    (GRU, "padded", 4, of_last_states),
]
MORE_ROWS = [
    *((case, mask, 3, of_sequences) for case in RECURRENT for mask in VALID),
    *((case, mask, 4, of_last_states) for case in RECURRENT for mask in VALID),
    *((LSTM, mask, LONG - 1, of_last_states) for mask in VALID),
    *((GRU, mask, 1, of_sequences) for mask in VALID),
]


@pytest.mark.parametrize(
    ("case", "mask", "k", "loss"),
    [*ROWS, *(pytest.param(*row, marks=pytest.mark.slow) for row in MORE_ROWS)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_gradients_and_recorded_errors_are_those_of_the_unrolled_loop_with_cuts(
    case, mask, k, loss
):
    """In training, chunk by chunk; without `training`, in one loop with all residuals."""
    valid = VALID[mask]
    p = problem(case, "float64", (B, LONG, D))
    options = {"return_sequences": loss is of_sequences, "return_state": True, "truncate": k}
    layer = built(case, p, dtype="float64", **options)
    factors = cuts(k, np.ones([B, LONG], bool) if valid is None else valid)
    expected = reference_gradients(loss, case, p, valid, factors)
    expected_figures = figures(errors(loss, case.step, *p, valid, factors), valid)
    for training in (True, False):
        assert_close(gradients(layer, p, valid, training), expected)
        assert_same_figures(layer.error.latest()[0], expected_figures)


def test_a_truncation_beyond_the_sequence_changes_nothing():
    """Not even a bit, where the length is known; and the error reaches the initial state."""
    p = problem(LSTM)
    full, truncated = (
        gradients(built(LSTM, p, return_state=True, **options), p, None)
        for options in ({}, {"truncate": T})
    )
    for a, b in zip(full, truncated, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(full[1]).max() > 0


@pytest.mark.parametrize("sequences", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_length_that_is_known_only_when_it_runs(sequences):
    layer = built(GRU, problem(GRU), return_sequences=sequences, return_state=True, truncate=4)
    full = built(GRU, problem(GRU), return_sequences=sequences, return_state=True)

    @tf.function(input_signature=[tf.TensorSpec([None, None, D])])
    def gradient(x):
        with tf.GradientTape() as tape:
            outputs, state = layer(x, training=True)
            e = objective(outputs, [state])
        return tape.gradient(e, [w.value for w in layer.weights])

    for steps in (LONG, 3):
        p = problem(GRU, shape=(B, steps, D))
        zeros = [np.zeros([B, H], "float32")]
        loss = of_sequences if sequences else of_last_states
        p = p._replace(states=zeros, weights=full.get_weights())
        expected = reference_gradients(
            loss, GRU, p, None, cuts(4, np.ones([B, steps], bool)).astype("float32")
        )
        assert_close([np.array(g) for g in gradient(p.x)], expected[2:], 1e-5)


def test_the_direction_of_a_bidirectional_layer_is_cut_from_its_own_end():
    p = problem(LSTM, "float64", (B, LONG, D))
    forward = layers.LSTM(H, return_sequences=True, truncate=4, dtype="float64")
    both = keras.layers.Bidirectional(forward, dtype="float64")
    both(p.x)
    assert both.backward_layer.truncate == 4
    with tf.GradientTape() as tape:
        outputs = both.backward_layer(p.x, training=True)
        e = objective(outputs)
    ours = tape.gradient(e, [w.value for w in both.backward_layer.weights])
    p = p._replace(
        x=p.x[:, ::-1],
        states=[np.zeros([B, H])] * 2,
        weights=both.backward_layer.get_weights(),
    )
    expected = reference_gradients(
        lambda y, _: objective(y), LSTM, p, None, cuts(4, np.ones([B, LONG], bool))
    )
    assert_close([np.array(g) for g in ours], expected[3:])
    carried = both.backward_layer.error.carried
    np.testing.assert_array_equal(np.flatnonzero(carried == 0), [0, 4, 8])


@pytest.mark.slow
def test_a_convolutional_layer_is_cut_too():
    case = CONV_LSTMS[0]
    p = problem(case, "float64")
    layer = case.make(return_sequences=True, return_state=True, truncate=2, dtype="float64")
    layer.build((None, None, *case.input_shape[2:]))
    layer.set_weights(p.weights)
    maps = [np.zeros([B, case.input_shape[2] - 2, H])] * 2
    p = p._replace(states=maps)
    expected = reference_gradients(of_sequences, case, p, None, cuts(2, np.ones([B, T], bool)))
    assert_close(gradients(layer, p, None), expected)


@pytest.mark.parametrize("jit", [False, True])
def test_fit_with_recurrent_dropout_in_half_precision_records_the_cuts(jit):
    """A stateful layer: the state goes on to the next batch, its error does not come back."""
    keras.utils.set_random_seed(0)
    recurrent = layers.GRU(
        8, truncate=4, stateful=True, recurrent_dropout=0.3, dropout=0.3, dtype="mixed_float16"
    )
    model = keras.Sequential(
        [keras.Input(batch_shape=(B, LONG, D)), recurrent, keras.layers.Dense(1)]
    )
    model.compile("adam", "mse", jit_compile=jit)
    x = np.random.randn(4 * B, LONG, D).astype("float32")
    history = model.fit(x, x[:, -1, :1], batch_size=B, epochs=8, shuffle=False, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    error = recurrent.error
    np.testing.assert_array_equal(error.hidden[: LONG - 4], 0)
    assert (error.hidden[LONG - 4 :] > 0).all()
    assert np.abs(recurrent.states[0]).max() > 0


def test_an_intervention_acts_inside_a_chunk():
    p = problem(LSTM, "float64", (B, LONG, D))
    layer = built(LSTM, p, return_sequences=True, return_state=True, truncate=4, dtype="float64")
    with intervene(layer, step=9, scale=0.5):
        ours = gradients(layer, p, None)
    factors = cuts(4, np.ones([B, LONG], bool))
    factors[:, 8] = 0.5
    assert_close(ours, reference_gradients(of_sequences, LSTM, p, None, factors))


def test_contributions_of_the_steps_add_up_to_the_truncated_gradient():
    layer = layers.GRU(H, truncate=2, name="layer")
    model = keras.Sequential([keras.Input((T, D)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.random.randn(B, T, D).astype("float32"), np.ones([B, 1], "float32")
    terms = per_step_gradients(model, x, y)["layer"]
    with tf.GradientTape() as tape:
        e = tf.reduce_mean((model(x, training=True) - y) ** 2)
    expected = tape.gradient(e, [w.value for w in layer.weights])
    for ours, theirs in zip(terms.values(), expected, strict=True):
        assert not ours[: T - 2].any()
        np.testing.assert_allclose(ours.sum(0), theirs, atol=1e-6)


def test_files_keep_it_and_files_without_it_are_as_before(tmp_path):
    model = keras.Sequential([keras.Input((T, D)), layers.LSTM(3, truncate=2)])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].truncate == 2
    x = np.random.randn(B, T, D)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    served = exported.serve(tf.constant(x, tf.float32))
    np.testing.assert_allclose(served, model.predict(x, verbose=0), atol=1e-6)
    config = layers.LSTM(3).get_config()
    assert "truncate" not in config
    assert layers.LSTM.from_config(config).truncate is None


@pytest.mark.parametrize("k", [0, -3, 2.5, True])
def test_a_wrong_number_of_steps_is_refused(k):
    with pytest.raises(ValueError, match="truncate: expected a number of steps from 1 on"):
        layers.LSTM(3, truncate=k)


def test_cudnn_has_no_truncation():
    with pytest.raises(ValueError, match="has truncate=2, which cuDNN does not support"):
        layers.LSTM(3, truncate=2, fused=True)
    layer = layers.LSTM(3, truncate=2)
    layer(np.zeros([B, T, D]), training=True)
    assert layer.loop.latest.name == "errorflow"
    assert "truncate=2 cuts" in layer.loop.latest.reason
