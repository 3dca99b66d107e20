"""`watch(model, fused=True)`: the errors of a stock loop are those of errorflow's own loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import MASKS, B, D, H, T
from errorflow.layers import error_matrix, per_step_gradients, watch
from errorflow.layers.rnn.fused import FusedLoop

NAMES = ("SimpleRNN", "LSTM", "GRU")


def model_of(name, mask=None, **options):
    """A stock layer with all outputs and states, above a layer that needs dE/dx."""
    x = keras.Input((T, D))
    y = keras.layers.Dense(D, name="below")(x)
    recurrent = getattr(keras.layers, name)(H, return_state=True, name="recurrent", **options)
    states = [keras.Input((H,)) for _ in range(2 if name == "LSTM" else 1)]
    mask_input = keras.Input((T,), dtype="bool")
    outputs = recurrent(y, mask=mask_input if mask else None, initial_state=states)
    model = keras.Model([x, mask_input, *states], [1.0 * o for o in outputs])
    model.set_weights([w + 0.2 * np.random.randn(*w.shape) for w in model.get_weights()])
    valid = np.ones([B, T], bool) if mask is None else MASKS[mask]
    arrays = [np.random.randn(B, *s.shape[1:]).astype("float32") for s in [x, *states]]
    return model, [arrays[0], valid, *arrays[1:]]


def results_of(model, inputs, training=False):
    """Outputs, gradients and the latest row of the record."""
    inputs = [tf.constant(v) for v in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = model(inputs, training=training)
        e = (
            tf.add_n(
                [
                    tf.reduce_sum(tf.sin(tf.cast(o, tf.float32) * (n + 1.0)))
                    for n, o in enumerate(outputs)
                ]
            )
            / B
        )
    sources = [inputs[0], *inputs[2:], *[w.value for w in model.trainable_weights]]
    gradients = tape.gradient(e, sources)
    (record,) = model.get_layer("recurrent").error.latest()
    return outputs, gradients, record


def assert_same(fused, ours, tolerance=2e-6):
    for a, b in zip(fused[0] + fused[1], ours[0] + ours[1], strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * max(1.0, np.abs(b).max()))
    assert fused[2].keys() == ours[2].keys()
    for name, figure in ours[2].items():
        np.testing.assert_allclose(fused[2][name], figure, rtol=1e-4, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("mask", [None, "right"])
@pytest.mark.parametrize("sequences", [True, False])
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


@pytest.mark.parametrize("name", NAMES)
def test_both_ways_in_a_training_step(name):
    recurrent = getattr(keras.layers, name)(H, return_sequences=True)
    both = keras.layers.Bidirectional(recurrent, name="both")
    model = keras.Sequential([keras.Input((T, D)), keras.layers.Masking(), both])
    x, y = np.random.randn(B, T, D).astype("float32"), np.ones([B, T, 2 * H], "float32")
    x[1, 3:] = 0.0
    weights, histories = model.get_weights(), []
    for fused in (True, False):
        model.set_weights(weights)
        model.compile(keras.optimizers.SGD(1.0), "mse")
        watched = watch(model, fused=fused)
        watched.fit(x, y, batch_size=B, verbose=0)
        parts = watched.get_layer("both").forward_layer, watched.get_layer("both").backward_layer
        assert all(isinstance(part.loop, FusedLoop) == fused for part in parts)
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
    assert isinstance(watched.get_layer("layer").loop, FusedLoop)
    watched.save(tmp_path / "watched.keras")
    loaded = keras.models.load_model(tmp_path / "watched.keras")
    np.testing.assert_allclose(loaded(data[0]), model(data[0]), atol=1e-6)


def test_a_mask_with_holes_is_refused_when_the_model_runs():
    model, inputs = model_of("GRU", "holes")
    with pytest.raises(tf.errors.InvalidArgumentError, match="one block of steps"):
        watch(model, fused=True)(inputs)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("LSTM", {"activation": "relu"}, "activation 'relu', not tanh"),
        ("GRU", {"recurrent_activation": "hard_sigmoid"}, "recurrent_activation that is not sigm"),
        ("LSTM", {"use_bias": False}, "use_bias=False"),
        ("GRU", {"reset_after": False}, "reset_after=False"),
        ("SimpleRNN", {"recurrent_dropout": 0.1}, "recurrent_dropout"),
    ],
)
def test_options_without_a_fused_kernel_are_refused(name, options, message):
    model, _ = model_of(name, **options)
    with pytest.raises(ValueError, match=f"'recurrent' has.*{message}"):
        watch(model, fused=True)
