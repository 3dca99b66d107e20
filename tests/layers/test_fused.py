"""The fused loop has the outputs, gradients and errors of errorflow's own loop.

Without a GPU, `fused=True` runs a plain loop in place of cuDNN's; `test_cudnn.py` has the rest.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import B, D, H, T
from errorflow.layers import error_matrix, per_step_gradients, watch
from errorflow.layers.rnn.linear_recurrence import linear_recurrence
from stock_models import assert_same, model_of, results_of

NAMES = ("SimpleRNN", "LSTM", "GRU")
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in NAMES if name != "LSTM"]


@pytest.mark.parametrize(
    ("sequences", "mask"),
    [
        (True, None),
        (False, None),
        (True, "right"),
        (True, "left"),
        (True, "holes"),
        (False, "holes"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_outputs_gradients_and_errors_are_those_of_our_own_loop(name, sequences, mask):
    model, inputs = model_of(name, mask, return_sequences=sequences)
    results = [results_of(watch(model, fused=f), inputs) for f in (True, False)]
    assert_same(*results)
    stock = model([tf.constant(v) for v in inputs])
    for a, b in zip(results[0][0], stock, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_backwards_right_padding_is_read_last_step_first(name):
    model, inputs = model_of(name, "right", return_sequences=True, go_backwards=True)
    assert_same(*[results_of(watch(model, fused=f), inputs) for f in (True, False)])


@pytest.mark.parametrize("name", ["LSTM", *OTHERS])
def test_both_ways_in_a_training_step(name):
    recurrent = getattr(keras.layers, name)(H, return_sequences=True)
    both = keras.layers.Bidirectional(recurrent, name="both")
    model = keras.Sequential([keras.Input((T, D)), keras.layers.Masking(), both])
    x, y = np.random.randn(B, T, D).astype("float32"), np.ones([B, T, 2 * H], "float32")
    x[1, 3:] = 0.0
    weights, histories = model.get_weights(), []
    for fused in (True, False):
        model.set_weights(weights)
        model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
        watched = watch(model, fused=fused)
        watched.fit(x, y, batch_size=B, verbose=0)
        parts = watched.get_layer("both").forward_layer, watched.get_layer("both").backward_layer
        assert all((part.loop.latest.name == "plain") == fused for part in parts)
        histories.append([*model.get_weights(), *[part.error.hidden for part in parts]])
    for a, b in zip(*histories, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_input_dropout_draws_the_mask_of_the_stock_layer():
    model, inputs = model_of("LSTM", return_sequences=True, dropout=0.4)
    seed = model.get_layer("recurrent").cell.seed_generator.state
    before, results = seed.numpy(), []
    for fused in (True, False):
        seed.assign(before)
        results.append(results_of(watch(model, fused=fused), inputs, training=True))
    assert_same(*results)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_keeps_types_and_sizes(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model, inputs = model_of(name, "right", return_sequences=True)
    fused, ours = (results_of(watch(model, fused=f), inputs) for f in (True, False))
    assert fused[0][0].dtype == tf.bfloat16
    np.testing.assert_allclose(fused[2]["hidden"], ours[2]["hidden"], rtol=0.1)


def test_a_model_with_a_fused_loop_can_be_analysed_and_saved(tmp_path):
    x = keras.Input((T, D))
    model = keras.Model(x, keras.layers.LSTM(H, return_sequences=True, name="layer")(x))
    model.compile("sgd", "mse")
    watched = watch(model, fused=True)
    assert watch(watched) is watched
    data = np.random.randn(B, T, D), np.ones([B, T, H])
    np.testing.assert_array_equal(error_matrix(watched, *data), error_matrix(model, *data))
    ours = per_step_gradients(watched, *data)["layer"]["kernel"]
    np.testing.assert_array_equal(ours, per_step_gradients(model, *data)["layer"]["kernel"])
    watched(data[0])
    assert watched.get_layer("layer").loop.latest.name == "plain"
    watched.save(tmp_path / "watched.keras")
    loaded = keras.models.load_model(tmp_path / "watched.keras")
    assert loaded.get_layer("layer").fused is True
    np.testing.assert_allclose(loaded(data[0]), model(data[0]), atol=1e-6)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])  # the cells that need the parallel scan
def test_a_thousand_steps(name):
    """Errors that vanish are as exact as those at the last step."""
    model, inputs = model_of(name, steps=1000)
    fused = results_of(watch(model, fused=True), inputs, traced=True)
    ours = results_of(watch(model, fused=False), inputs)
    assert_same(fused, ours)
    assert ours[2]["carried"][0] < 1e-20 < ours[2]["carried"][-2]
    for figure, values in ours[2].items():
        np.testing.assert_allclose(fused[2][figure], values, rtol=1e-3, atol=1e-36, err_msg=figure)


@pytest.mark.parametrize("steps", [1, 37, 64])
def test_the_parallel_scan_is_the_recurrence(steps):
    f, u = np.random.rand(steps, 2, 3), np.random.randn(steps, 2, 3)
    states, state = [], np.ones([2, 3])
    for t in range(steps):
        state = f[t] * state + u[t]
        states.append(state)
    np.testing.assert_allclose(linear_recurrence(f, u, np.ones([2, 3])), states, rtol=1e-12)


def test_the_parallel_scan_of_a_sequence_whose_length_is_not_known_when_it_is_traced():
    shapes = [None, 1, 1], [None, 1, 1], [1, 1]
    specs = [tf.TensorSpec(shape, tf.float64) for shape in shapes]
    scan = tf.function(linear_recurrence, input_signature=specs)
    for steps in (1, 2, 31, 33, 1500):
        ones = np.ones([steps, 1, 1])
        np.testing.assert_array_equal(scan(ones, ones, [[0.0]])[:, 0, 0], np.arange(steps) + 1)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("LSTM", {"activation": "relu"}, "activation 'relu', not tanh"),
        (
            "GRU",
            {"recurrent_activation": "hard_sigmoid"},
            "recurrent_activation 'hard_sigmoid', not sigm",
        ),
        ("SimpleRNN", {"activation": "linear"}, "activation 'linear', not tanh or relu"),
        ("GRU", {"reset_after": False}, "reset_after=False"),
        ("SimpleRNN", {"recurrent_dropout": 0.1}, "recurrent_dropout"),
    ],
)
def test_options_without_a_fused_kernel_are_refused(name, options, message):
    model, _ = model_of(name, **options)
    with pytest.raises(ValueError, match=f"'recurrent' has.*{message}"):
        watch(model, fused=True)
