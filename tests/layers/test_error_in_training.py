"""The errors recorded in training are those of its steps, however the model is trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import GRU, LSTM, MASKS, B, D, H, T, assert_same_figures, problem
from reference import errors, figures

BATCHES = 3


def model_around(layer, steps=None):
    """layer → Dense; the recurrent layer must return sequences."""
    x = keras.Input([steps, D])
    h = layer(x)
    return keras.Model(x, keras.layers.Dense(2, bias_initializer="ones", name="head")(h))


def mean_square(model, y, share=1.0):
    """E as a function of the recurrent layer's outputs."""
    kernel, bias = model.get_layer("head").get_weights()
    return lambda outputs, _: tf.reduce_mean(share * (outputs @ kernel + bias - y) ** 2)


def batches(case, sizes=(B,) * BATCHES, steps=(T,) * BATCHES):
    random = np.random.default_rng(5)
    for i, (size, length) in enumerate(zip(sizes, steps, strict=True)):
        x = problem(case, shape=(size, length, D), seed=10 + i).x
        yield x, random.normal(size=[size, length, 2]).astype("float32")


def expected_figures(case, model, layer, x, y, share=1.0):
    states = [np.zeros([len(x), H], "float32")] * case.states
    expected_errors = errors(
        mean_square(model, y, share), case.step, x, states, layer.get_weights()
    )
    return figures(expected_errors)


def fit(**options):
    def train(model, data):
        model.compile(keras.optimizers.SGD(0.0), "mse", **options)
        x, y = (np.concatenate(part) for part in zip(*data, strict=True))
        model.fit(x, y, batch_size=B, shuffle=False, verbose=0)

    return train


def train_on_batch(model, data):
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    for x, y in data:
        model.train_on_batch(x, y)


def own_loop(wrap):
    def train(model, data):
        @wrap
        def step(x, y):
            with tf.GradientTape() as tape:
                e = tf.reduce_mean((model(x, training=True) - y) ** 2)
            return tape.gradient(e, model.trainable_weights)

        for x, y in data:
            step(tf.constant(x), tf.constant(y))

    return train


WAYS = {
    "fit": fit(),  # Keras lets XLA compile it
    "fit_no_jit": fit(jit_compile=False),
    "fit_no_jit_3_steps_at_once": fit(jit_compile=False, steps_per_execution=BATCHES),
    "fit_jit_3_steps_at_once": fit(jit_compile=True, steps_per_execution=BATCHES),
    "fit_eagerly": fit(run_eagerly=True),
    "train_on_batch": train_on_batch,
    "own_loop_eager": own_loop(lambda step: step),
    "own_loop_graph": own_loop(tf.function),
    "own_loop_jit": own_loop(tf.function(jit_compile=True)),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_train_shows_the_error_of_each_step(way):
    layer = LSTM.make(return_sequences=True)
    model = model_around(layer, T)
    data = list(batches(LSTM))
    WAYS[way](model, data)
    assert layer.error.count == BATCHES
    for row, (x, y) in zip(layer.error.latest(BATCHES), data, strict=True):
        assert_same_figures(row, expected_figures(LSTM, model, layer, x, y))


@pytest.mark.parametrize("jit", [pytest.param(False, marks=pytest.mark.slow), True])
def test_batch_and_length_unknown_until_the_step_runs(jit):
    """An odd batch, a batch of one and two lengths in one run, all unknown at tracing."""
    layer = GRU.make(return_sequences=True)
    model = model_around(layer)
    data = list(batches(GRU, sizes=(3, 1), steps=(T, T + 2)))
    signature = tf.TensorSpec([None, None, D]), tf.TensorSpec([None, None, 2])
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=jit)
    model.fit(tf.data.Dataset.from_generator(lambda: data, output_signature=signature), verbose=0)
    assert layer.error.count == 2  # nothing is counted for the step that finds no more data
    for row, (x, y) in zip(layer.error.latest(2), data, strict=True):
        assert_same_figures(row, expected_figures(GRU, model, layer, x, y))


@pytest.mark.parametrize(
    ("policy", "jit"),
    [
        ("mixed_float16", True),
        pytest.param("mixed_float16", False, marks=pytest.mark.slow),
        pytest.param("mixed_bfloat16", False, marks=pytest.mark.slow),
    ],
)
def test_mixed_precision_shows_the_error_of_the_unscaled_loss(policy, jit):
    layer = LSTM.make(return_sequences=True, dtype=policy)
    keras.config.set_dtype_policy(policy)
    model = model_around(layer, T)
    [(x, y)] = batches(LSTM, (B,), (T,))
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=jit)
    layer.error.loss_scale = lambda: model.optimizer.scale_loss(1.0)
    model.train_on_batch(x, y)
    expected = expected_figures(LSTM, model, layer, x, y)
    assert_same_figures(layer.error.latest()[0], expected, rtol=0.05)


def test_each_layer_of_a_masked_stack_shows_its_own_error():
    """Embedding(mask_zero=True) → LSTM → GRU → Dense, with right-padded sequences."""
    tokens = np.where(MASKS["right"], np.arange(1, B * T + 1).reshape(B, T), 0)
    y = np.random.default_rng(0).normal(size=[B, 2]).astype("float32")
    embed, lstm, gru, head = (
        keras.layers.Embedding(B * T + 1, D, mask_zero=True),
        LSTM.make(return_sequences=True),
        GRU.make(),
        keras.layers.Dense(2),
    )
    model = keras.Sequential([embed, lstm, gru, head])
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    model.fit(tokens, y, batch_size=B, verbose=0)

    valid, zero = MASKS["right"], np.zeros([B, H], "float32")
    above_gru = lambda h, _: tf.reduce_mean((head(h[:, -1]) - y) ** 2)  # noqa: E731
    above_lstm = lambda h, _: tf.reduce_mean((head(gru(h, mask=valid)) - y) ** 2)  # noqa: E731
    x = embed(tokens).numpy()
    shown = lstm.error.latest()[0], gru.error.latest()[0]
    of_lstm = errors(above_lstm, LSTM.step, x, [zero, zero], lstm.get_weights(), valid)
    of_gru = errors(
        above_gru, GRU.step, lstm(x, mask=valid).numpy(), [zero], gru.get_weights(), valid
    )
    assert_same_figures(shown[0], figures(of_lstm, valid))
    assert_same_figures(shown[1], figures(of_gru, valid))


def test_both_directions_of_a_bidirectional_layer_show_their_error():
    both = keras.layers.Bidirectional(LSTM.make(return_sequences=True))
    model = model_around(both)
    [(x, y)] = batches(LSTM, (B,), (T,))
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    model.fit(x, y, batch_size=B, verbose=0)

    kernel, bias = model.get_layer("head").get_weights()
    states = [np.zeros([B, H], "float32")] * 2
    halves = both(x).numpy()[..., :H], both(x).numpy()[..., H:]

    def square(forward, backward):
        return tf.reduce_mean((tf.concat([forward, backward], -1) @ kernel + bias - y) ** 2)

    there, back = both.forward_layer, both.backward_layer
    in_forward = errors(
        lambda h, _: square(h, halves[1]), LSTM.step, x, states, there.get_weights()
    )
    assert_same_figures(there.error.latest()[0], figures(in_forward))
    in_backward = errors(
        lambda h, _: square(halves[0], h[:, ::-1]),
        LSTM.step,
        x[:, ::-1],
        states,
        back.get_weights(),
    )
    expected = figures(in_backward)
    expected |= {n: v[::-1] for n, v in expected.items() if not n.endswith("_from_end")}
    assert_same_figures(back.error.latest()[0], expected)


def test_replicas_show_the_error_of_the_whole_batch(two_replicas):
    """Each replica gets 4 of 8 examples; of a last batch of 3, one gets 2 and the other 1."""
    layer = LSTM.make(return_sequences=True)
    with two_replicas.scope():
        model = model_around(layer, T)
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    data = list(batches(LSTM, (8, 3), (T, T)))
    x, y = (np.concatenate(part) for part in zip(*data, strict=True))
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)

    # Keras' E is the mean of the replicas' means: the one example counts as much as the two.
    shares = np.full([8, 1, 1], 1.0), np.array([3 / 4, 3 / 4, 3 / 2]).reshape(3, 1, 1)
    assert layer.error.count == 2
    for row, (x, y), share in zip(layer.error.latest(2), data, shares, strict=True):
        assert_same_figures(row, expected_figures(LSTM, model, layer, x, y, share))


def test_recording_changes_no_weight_and_evaluation_adds_no_rows():
    [(x, y), (x_test, y_test), _] = batches(LSTM)
    weights = []
    for make in (LSTM.make, LSTM.stock):
        keras.utils.set_random_seed(1)
        model = model_around(make(return_sequences=True), T)
        model.compile("adam", "mse", jit_compile=False)
        model.fit(x, y, epochs=3, batch_size=B, validation_data=(x_test, y_test), verbose=0)
        model.evaluate(x, y, verbose=0)
        model.predict(x, verbose=0)
        weights.append(model.get_weights())
        if make == LSTM.make:
            assert model.layers[1].error.count == 3
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_sample_and_class_weights_weigh_the_errors():
    layer = LSTM.make()
    model = keras.Sequential([keras.Input([T, D]), layer, keras.layers.Dense(3, "softmax")])
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(0.0), loss, jit_compile=False)
    x, labels = problem(LSTM).x, np.array([0, 1, 2, 1])
    class_weight, sample_weight = {0: 1.0, 1: 0.0, 2: 5.0}, np.array([2.0, 3.0, 0.5, 0.0])
    model.fit(x, labels, batch_size=B, class_weight=class_weight, verbose=0)
    by_class = layer.error.hidden_max
    model.fit(x, labels, batch_size=B, sample_weight=sample_weight, verbose=0)
    by_sample = layer.error.hidden_max

    def expected(weights):
        head = model.layers[-1]

        def e(h, _):
            probabilities = tf.gather(head(h[:, -1]), labels, batch_dims=1)
            return tf.reduce_mean(-tf.math.log(probabilities) * weights)

        states = [np.zeros([B, H], "float32")] * 2
        return figures(errors(e, LSTM.step, x, states, layer.get_weights()))["hidden_max"]

    np.testing.assert_allclose(by_class, expected(np.float32([1, 0, 5, 0])), rtol=1e-5)
    np.testing.assert_allclose(by_sample, expected(np.float32([2, 3, 0.5, 0])), rtol=1e-5)
