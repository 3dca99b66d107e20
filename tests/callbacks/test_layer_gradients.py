"""LayerGradients records the gradients that a tape computes, of every layer and training step."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks import ErrorFlow, LayerGradients
from errorflow.callbacks.drawing.figures import shortened
from errorflow.layers import SimpleRNN

B, T, WORDS = 4, 5, 11


def data(count, seed=0):
    random = np.random.default_rng(seed)
    x = random.integers(0, 4, (count * B, T))  # few words: their gradients meet
    return tf.data.Dataset.from_tensor_slices(
        (x.astype("int32"), random.normal(size=(count * B, 1)).astype("float32"))
    ).batch(B, drop_remainder=True)


def make(seed=1, optimizer=None, recurrent=False, **options):
    """Sparse gradients, a nested model, layers without weights, a frozen one; wrapped layers."""
    keras.utils.set_random_seed(seed)
    inner = keras.Sequential(
        [keras.Input([6]), keras.layers.Dense(3, name="first"), keras.layers.ReLU()], name="inner"
    )
    x = keras.Input([T], dtype="int32")
    h = keras.layers.Embedding(WORDS, 6, name="words")(x)
    if recurrent:
        h = keras.layers.Bidirectional(SimpleRNN(3, name="rnn"), name="both")(h)
    else:
        h = keras.layers.GlobalAveragePooling1D()(h)
    h = keras.layers.Dense(4, trainable=False)(inner(h))
    model = keras.Model(x, keras.layers.Dense(1, name="top", dtype="float32")(h))
    model.compile(optimizer or keras.optimizers.SGD(0.1), "mse", jit_compile=False, **options)
    return model


PLAIN = ["words", "inner/first", "top"]
RECURRENT = ["words", "both/forward_rnn", "both/backward_rnn", "inner/first", "top"]


def fit(model, data, callback, **options):
    model.fit(data, callbacks=[callback], verbose=0, **options)
    return callback.history


def expected(model, data):
    """[N, L] of ‖dE/dW‖ and of ‖W‖, by a tape of its own before each training step."""
    layers = [model.get_layer("words"), model.get_layer("inner"), model.get_layer("top")]
    if len(model.layers) > 5 and isinstance(model.layers[2], keras.layers.Bidirectional):
        layers[1:1] = model.layers[2].forward_layer, model.layers[2].backward_layer
    norms, weights = [], []
    for x, y in data:
        with tf.GradientTape() as tape:
            e = tf.reduce_mean((model(x, training=True) - y) ** 2)
        gradients = tape.gradient(e, [layer.trainable_weights for layer in layers])
        norms.append([_norm([tf.convert_to_tensor(g) for g in of]) for of in gradients])
        weights.append([_norm(layer.trainable_weights) for layer in layers])
        model.train_on_batch(x, y)
    return np.array(norms), np.array(weights)


def _norm(tensors):
    return np.sqrt(sum(np.sum(np.asarray(t, np.float64) ** 2) for t in tensors))


@pytest.mark.parametrize(("recurrent", "layers"), [(False, PLAIN), (True, RECURRENT)])
def test_history_is_the_gradient_of_every_layer(recurrent, layers):
    history = fit(make(recurrent=recurrent), data(5), LayerGradients())
    norms, weights = expected(make(recurrent=recurrent), data(5))
    assert history["layers"] == layers
    np.testing.assert_array_equal(history["step"], np.arange(1, 6))
    np.testing.assert_allclose(history["norm"], norms, rtol=1e-4)
    np.testing.assert_allclose(history["ratio"], norms / weights, rtol=1e-4)


OPTIMIZERS = {
    "clipped": lambda: keras.optimizers.SGD(0.1, global_clipnorm=1e-3),
    "accumulating": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "dynamically scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_gradients_are_recorded_before_the_optimizer_changes_them(kind):
    optimizer = OPTIMIZERS[kind]()
    history = fit(make(optimizer=optimizer), data(4), LayerGradients())
    norms, _ = expected(make(optimizer=OPTIMIZERS[kind]()), data(4))
    np.testing.assert_allclose(history["norm"], norms, rtol=1e-4)
    assert "apply" not in vars(optimizer)


def test_a_training_step_that_overflows_is_recorded():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), 3e38)
    large = data(3).map(lambda x, y: (x, 100.0 * y))
    history = fit(make(optimizer=optimizer), large, LayerGradients())
    np.testing.assert_array_equal(history["step"], [1, 2, 3])
    assert not np.isfinite(history["norm"][0]).any()


@pytest.mark.parametrize(
    ("pace", "count", "every", "jit_compile"),
    [(3, 10, 1, False), (3, 10, 2, True), (80, 100, 1, False), (1, 140, 70, False)],
)
def test_one_row_for_each_step_with_steps_per_execution(pace, count, every, jit_compile):
    alone = fit(make(), data(count), LayerGradients())
    model = make(steps_per_execution=pace)
    model.jit_compile = jit_compile
    together = fit(model, data(count), LayerGradients(every=every))
    np.testing.assert_array_equal(together["step"], np.arange(every, count + 1, every))
    np.testing.assert_allclose(together["norm"], alone["norm"][every - 1 :: every], rtol=1e-4)


def test_copies_evaluation_and_repeated_fit(tmp_path):
    model, gradients = make(recurrent=True), copy.deepcopy(LayerGradients(tmp_path))
    model.fit(data(2), verbose=0)  # traced without
    model.evaluate(data(2), verbose=0)
    flow = ErrorFlow()
    model.fit(data(3), callbacks=[gradients, flow], validation_data=data(1), verbose=0)
    traced = model.train_function
    model.fit(data(2, seed=3), callbacks=[gradients, flow], verbose=0)
    assert model.train_function is traced
    np.testing.assert_array_equal(gradients.history["step"], [3, 4, 5, 6, 7])
    np.testing.assert_array_equal(flow.history["both/forward_rnn"]["step"], [3, 4, 5, 6, 7])

    twin = make(recurrent=True)
    expected(twin, data(2))
    norms = np.concatenate([expected(twin, data(3))[0], expected(twin, data(2, seed=3))[0]])
    np.testing.assert_allclose(gradients.history["norm"], norms, rtol=1e-4)


def test_a_layer_that_is_frozen_for_a_while():
    model, gradients = make(), LayerGradients()
    words = model.get_layer("words")
    words.trainable = False
    model.compile("sgd", "mse", jit_compile=False)
    assert fit(model, data(2), gradients)["layers"] == PLAIN[1:]
    words.trainable = True
    model.compile("sgd", "mse", jit_compile=False)
    history = fit(model, data(3), gradients)
    assert history["layers"] == PLAIN
    np.testing.assert_array_equal(np.isnan(history["norm"][:, 0]), [1, 1, 0, 0, 0])
    assert np.isfinite(history["norm"][:, 1:]).all()


def test_several_callbacks_at_once_with_a_scaled_loss():
    """Each takes part in the training step, in any order."""
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    model = make(optimizer=optimizer, recurrent=True)
    every_step, every_second, flow = LayerGradients(), LayerGradients(every=2), ErrorFlow()
    model.fit(data(4), callbacks=[every_step, flow, every_second], verbose=0)
    np.testing.assert_array_equal(every_step.history["norm"][1::2], every_second.history["norm"])
    assert flow.history["both/forward_rnn"]["hidden"].max() < 100


def test_two_replicas_record_the_same_as_one(two_replicas):
    alone = fit(make(), data(4), LayerGradients())
    with two_replicas.scope():
        model = make()
    together = fit(model, data(4), LayerGradients())
    np.testing.assert_allclose(together["norm"], alone["norm"], rtol=1e-4)
    np.testing.assert_allclose(together["ratio"], alone["ratio"], rtol=1e-4)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_subclassed_convolutional_model_built_by_its_first_batch(run_eagerly):
    class Lazy(keras.Model):
        def __init__(self):
            super().__init__()
            self.convolution = keras.layers.Conv2D(2, 3, name="convolution")
            self.top = keras.layers.Dense(1, name="top")

        def call(self, x):
            return self.top(keras.ops.mean(self.convolution(x), axis=(1, 2)))

    model = Lazy()
    options = {"run_eagerly": run_eagerly, "jit_compile": False}
    model.compile("sgd", "mse", steps_per_execution=2, **options)
    gradients, random = LayerGradients(), np.random.default_rng(0)
    x, y = random.normal(size=(10, 6, 6, 1)), random.normal(size=(10, 1))
    model.fit(x, y, batch_size=2, callbacks=[gradients], verbose=0)
    assert gradients.history["layers"] == ["convolution", "top"]
    np.testing.assert_array_equal(gradients.history["step"], np.arange(1, 6))
    assert (gradients.history["norm"] > 0).all()
    assert gradients.plot("ratio").axes[0].get_title(loc="left") == "gradients"


@pytest.mark.parametrize("scale", [None, 1024.0])
def test_very_small_gradients_are_not_zero(scale):
    x = keras.Input([1])
    model = keras.Model(x, keras.layers.Dense(1, use_bias=False, name="far")(x) * 1e-25)
    optimizer = keras.optimizers.SGD(loss_scale_factor=scale)
    model.compile(optimizer, loss=lambda y, p: p, jit_compile=False)
    gradients = LayerGradients()
    model.fit(np.ones([2, 1]), np.ones([2, 1]), callbacks=[gradients], verbose=0)
    np.testing.assert_allclose(gradients.history["norm"], [[1e-25]], rtol=1e-5)


def test_layer_names_are_shortened_as_far_as_they_stay_distinct():
    paths = ["cnn/conv1/convolution", "cnn/conv2/convolution", "encoder/rnn_1", "decoder/rnn_1"]
    expected = ["conv1/convolution", "conv2/convolution", "encoder/rnn_1", "decoder/rnn_1"]
    assert shortened([*paths, "words"]) == [*expected, "words"]
    assert shortened(["a/b", "b"]) == ["a/b", "b"]


def test_a_kernel_that_is_also_an_embedding():
    """Tied weights: the gradient is sparse."""

    class Tied(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(5, use_bias=False)
            self.dense.build((None, WORDS))

        def call(self, words):
            return tf.reduce_mean(tf.gather(self.dense.kernel.value, words), axis=1)

    model = Tied()
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    words, y = np.tile(np.arange(T), [B, 1]), np.ones([B, 5])
    history = LayerGradients()
    norm = fit(model, tf.data.Dataset.from_tensors((words, y)), history)["norm"]
    assert norm.shape == (1, 1)
    assert norm[0, 0] > 0
