"""ConvLSTMs: the layers of Keras, with the error of every step over the whole map."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from cases import CONV_LSTMS, MASKS, B, D, H, T, assert_same_figures, objective
from errorflow import layers
from errorflow.callbacks import ErrorFlow, Gates
from errorflow.layers import error_matrix, horizon, per_step_gradients, watch

MAP = (4, 3)
CONV_LSTM_2D = CONV_LSTMS[1]


def arrays(*shapes, seed=0, scale=0.6):
    random = np.random.default_rng(seed)
    return [scale * random.normal(size=shape) for shape in shapes]


def with_weights(make, shape, **options):
    """A layer with weights and biases that are not zero."""
    layer = make(**options)
    layer.build(shape)
    layer.set_weights(arrays(*(w.shape for w in layer.weights), seed=1))
    return layer


def gradients(layer, x, states=None, mask=None, training=True):
    """The outputs, and the gradients of x, the initial states and the weights."""
    x, states = tf.constant(x), states and [tf.constant(s) for s in states]
    with tf.GradientTape() as tape:
        tape.watch([x, states or []])
        results = tf.nest.flatten(layer(x, initial_state=states, mask=mask, training=training))
        e = objective(results[0], results[1:])
    return results, tape.gradient(e, [x, *(states or ()), *(w.value for w in layer.weights)])


def assert_close(ours, theirs, tolerance):
    assert len(ours) == len(theirs)
    for a, b in zip(map(np.array, ours), map(np.array, theirs), strict=True):
        assert a.shape == b.shape
        assert np.max(np.abs(a - b)) <= tolerance * np.max(np.abs(b))


@pytest.mark.parametrize(
    ("case", "training"), [(CONV_LSTM_2D, False), *((case, True) for case in CONV_LSTMS)], ids=str
)
def test_outputs_gradients_and_errors_are_those_of_the_unrolled_equations(case, training):
    """In float64, from initial states, with a mask and an error at every step and last state."""
    valid, options = MASKS["holes"], {"dtype": "float64", "return_sequences": True}
    layer = with_weights(case.make, case.input_shape, return_state=True, **options)
    x, *states = arrays(case.input_shape, *[layer.compute_output_shape(case.input_shape)[1]] * 2)
    ours = gradients(layer, x, states, valid, training)

    sources = [tf.constant(v) for v in (x, *states, *layer.get_weights())]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs, last = reference.unrolled(
            tf, case.step, sources[0], sources[1:3], sources[3:], valid
        )
        e = objective(outputs, last)
    assert_close(ours[0], [outputs, *last], 1e-12)
    assert_close(ours[1], tape.gradient(e, sources), 1e-10)
    errors = reference.errors(objective, case.step, x, states, layer.get_weights(), valid)
    assert_same_figures(layer.error.latest()[0], reference.figures(errors, valid))


OPTIONS = {
    "same_even": {"kernel_size": (2, 4), "padding": "same", "use_bias": False},
    "strides": {"kernel_size": 3, "padding": "same", "strides": (2, 1)},
    "dilation_backwards": {"kernel_size": 2, "dilation_rate": 2, "go_backwards": True},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_kind_of_convolution_is_as_in_keras(options):
    [x], options = arrays((B, T, *MAP, D)), {"filters": H, "return_sequences": True, **options}
    ours, theirs = (
        gradients(
            with_weights(library.ConvLSTM2D, x.shape, **options), np.float32(x), training=False
        )
        for library in (layers, keras.layers)
    )
    assert_close(ours[0], theirs[0], 1e-5)
    assert_close(ours[1], theirs[1], 1e-5)


def test_channels_may_come_first():
    [x] = arrays((B, T, *MAP, D))
    options = {"filters": H, "kernel_size": (3, 2), "return_state": True}
    last = with_weights(layers.ConvLSTM2D, x.shape, **options)(np.float32(x))
    x = np.moveaxis(x, -1, 2)
    layer = with_weights(layers.ConvLSTM2D, x.shape, data_format="channels_first", **options)
    outputs = layer(np.float32(x))
    assert [tuple(o.shape) for o in outputs] == [*layer.compute_output_shape(x.shape)]
    assert_close([np.moveaxis(o, 1, -1) for o in outputs], last, 1e-5)


def test_dropout_draws_one_mask_of_the_map_for_all_steps_and_gates():
    rates = {"dropout": 0.4, "recurrent_dropout": 0.4, "seed": 11, "dtype": "float64"}
    shape, step = CONV_LSTM_2D.input_shape, CONV_LSTM_2D.step
    layer = with_weights(CONV_LSTM_2D.make, shape, **rates)
    cell = with_weights(CONV_LSTM_2D.make, shape, **rates).cell
    x, *states = arrays(shape, *[layer.compute_output_shape(shape)] * 2)
    ours = gradients(layer, x, states)

    mask_x = cell.get_dropout_mask(tf.ones([B, *shape[2:]], tf.float64))
    mask_h = cell.get_recurrent_dropout_mask(tf.ones(states[0].shape, tf.float64))

    def dropped(xp, x, states, weights, nudges):
        return step(xp, x * mask_x, (states[0] * mask_h, states[1]), weights, nudges)

    sources = [tf.constant(v) for v in (x, *states, *layer.get_weights())]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs, _ = reference.unrolled(tf, dropped, sources[0], sources[1:3], sources[3:])
        e = objective(outputs[:, -1])
    assert_close(ours[1], tape.gradient(e, sources), 1e-10)


def stock_model():
    convolution = keras.layers.ConvLSTM2D(H, 3, padding="same", return_sequences=True, name="conv")
    both = keras.layers.Bidirectional(convolution, name="both")
    model = keras.Sequential([keras.Input((T, *MAP, D)), both, keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    return model


def test_watch_shows_the_errors_of_a_stock_model_and_trains_its_variables(tmp_path):
    stock, copy = stock_model(), stock_model()
    copy.set_weights(stock.get_weights())
    model, flow = watch(stock), ErrorFlow()
    x, y = arrays((B, T, *MAP, D), (B, T, *MAP, 1))
    model.fit(x, y, batch_size=B, verbose=0, callbacks=[flow])
    copy.train_on_batch(x, y)
    for ours, theirs in zip(stock.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert {*flow.history} == {"both/forward_conv", "both/backward_conv"}
    assert all((h["cell"] > 0).all() for h in flow.history.values())

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(x), stock(x), rtol=1e-4, atol=1e-7)


def test_the_analyses_of_a_model_that_predicts_images():
    """Each loss alone in one backward pass is the reference of the error matrix."""
    layer = layers.ConvLSTM2D(H, 2, return_sequences=True, name="layer")
    model = keras.Sequential([keras.Input((T, *MAP, D)), layer, keras.layers.Dense(1)])
    model.compile(loss="mse")
    x, y = arrays((B, T, *MAP, D), (B, *model.output_shape[1:]))
    rows = []
    for i in range(T):
        with tf.GradientTape() as tape:
            e = tf.reduce_mean((model(x) - y)[:, i] ** 2)
        tape.gradient(e, layer.trainable_weights)
        rows.append(layer.error.hidden)
    np.testing.assert_allclose(error_matrix(model, x, y), rows, rtol=1e-4, atol=1e-9)

    with tf.GradientTape() as tape:
        e = model.compute_loss(x, y, model(x))
    for each_step, whole in zip(
        per_step_gradients(model, x, y)["layer"].values(),
        tape.gradient(e, [w.value for w in layer.weights]),
        strict=True,
    ):
        np.testing.assert_allclose(each_step.sum(0), whole, rtol=1e-4, atol=1e-6)

    with pytest.raises(ValueError, match="'layer' is a ConvLSTM"):
        horizon(model, x)


def test_gates_are_means_over_the_places_of_the_map():
    layer = layers.ConvLSTM2D(H, 2, kernel_initializer="zeros", recurrent_initializer="zeros")
    model = keras.Sequential([keras.Input((T, *MAP, D)), layer, keras.layers.Flatten()])
    model.compile("sgd", "mse", jit_compile=False)
    x, y = arrays((B, T, *MAP, D), (B, *model.output_shape[1:]))
    gates = Gates(x)
    model.fit(x, y, verbose=0, callbacks=[gates])
    [history] = gates.history.values()
    np.testing.assert_allclose(history["input"][0], np.full(T, 0.5))
    np.testing.assert_allclose(history["forget"][0], np.full(T, 1 / (1 + np.exp(-1))), rtol=1e-6)
