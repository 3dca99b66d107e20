"""Correlations of gradients against a plain tape, finite differences and closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.layers import LSTM, ResidualBlock, gradient_correlation

N = 12


def path_between(a, b, count=N):
    return a + np.linspace(0, 1, count).reshape(-1, *np.ones(np.ndim(a), int)) * (b - a)


def pairwise(gradients, lag):
    """R and A at one lag from the definition, one pair of inputs after the other."""
    g = np.reshape(gradients, [len(gradients), -1])
    pairs = [(g[i], g[i + lag]) for i in range(len(g) - lag)]
    norms = np.sqrt(sum(a @ a for a, _ in pairs) * sum(b @ b for _, b in pairs))
    mean = g.mean(axis=0)
    centred = sum((a - mean) @ (b - mean) for a, b in pairs)
    return sum(a @ b for a, b in pairs) / norms, centred / sum((a - mean) @ (a - mean) for a in g)


def test_the_correlations_are_those_of_the_gradients_of_a_plain_tape():
    keras.utils.set_random_seed(1)
    images = keras.Input((6, 6, 2), dtype="float64", name="images")
    block = ResidualBlock(4, name="block", dtype="float64")(images)
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float64")(block)
    hidden = keras.layers.Dense(5, "tanh", name="hidden", dtype="float64")(pooled)
    outputs = keras.layers.Dense(3, "tanh", name="outputs", dtype="float64")(hidden)
    model = keras.Model(images, [outputs, block, hidden])
    x = path_between(*np.random.default_rng(0).normal(size=(2, 6, 6, 2)))
    weights = np.random.default_rng(1).normal(size=3)

    result = gradient_correlation(
        model, x, target=lambda y: tf.linalg.matvec(y[0], weights), lags=5
    )

    with tf.GradientTape() as tape:
        watched = tf.constant(x)
        tape.watch(watched)
        y, b, h = model(watched, training=False)
        total = tf.reduce_sum(y @ weights[:, None])
    by_layer = tape.gradient(total, [watched, b, h])
    assert result.layers == ("input", "block", "hidden", "outputs")
    for row, gradient in enumerate(by_layer):
        expected = np.transpose([pairwise(gradient.numpy(), lag) for lag in range(6)])
        np.testing.assert_allclose(result.correlation[row], expected[0], atol=1e-6)
        np.testing.assert_allclose(result.autocorrelation[row], expected[1], atol=1e-6)
    np.testing.assert_allclose(result.correlation[3], np.ones(6), rtol=1e-6)
    np.testing.assert_allclose(
        result.distance, np.arange(6) * np.linalg.norm(x[1] - x[0]), rtol=1e-6
    )


def test_the_gradients_are_those_of_finite_differences():
    keras.utils.set_random_seed(2)
    layers = [keras.layers.Dense(7, "tanh", dtype="float64") for _ in range(3)]
    model = keras.Sequential([keras.Input((2,), dtype="float64"), *layers])
    x = path_between(np.array([-2.0, 1.0]), np.array([2.0, 0.0]))
    result = gradient_correlation(model, x, lags=3)
    step = 1e-6 * np.eye(2)
    gradients = np.transpose(
        [(model(x + s).numpy() - model(x - s).numpy()).sum(axis=1) / 2e-6 for s in step]
    )
    expected = np.transpose([pairwise(gradients, lag) for lag in range(4)])
    np.testing.assert_allclose(result.correlation[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(result.autocorrelation[0], expected[1], atol=1e-6)


def with_gradient(gradient):
    """A model and a target whose gradient at the inputs is a given array [N, D]."""
    size = gradient.shape[1]
    model = keras.Sequential([keras.Input((size,)), keras.layers.Identity()])
    x = np.zeros(gradient.shape, "float32")
    return model, x, lambda y: tf.reduce_sum(y * gradient.astype("float32"), axis=1)


def test_white_noise_is_not_correlated_and_brown_noise_is():
    white = np.random.default_rng(0).normal(size=(256, 40))
    for noise, low, high in ((white, -0.02, 0.02), (np.cumsum(white, axis=0), 0.95, 1)):
        model, x, target = with_gradient(noise)
        values = gradient_correlation(model, x, target=target, lags=1).autocorrelation[0]
        assert values[0] == 1 and low < values[1] < high


def test_a_linear_network_has_the_same_gradient_everywhere():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(16) for _ in range(4)]
    model = keras.Sequential([keras.Input((8,)), *layers], name="linear")
    result = gradient_correlation(model, np.random.default_rng(0).normal(size=(20, 8)))
    np.testing.assert_allclose(result.correlation, np.ones([5, 16]), rtol=1e-6)
    assert np.isnan(result.autocorrelation).all()
    assert result.sentence.endswith("; at the input the gradient is the same for all x")


WIDTH, DEPTH = 1024, 6


def rectifiers(kind):
    """L layers with weights of variance 2/N, x → relu(W x), or x → x + W relu(x)."""
    x = inputs = keras.Input((WIDTH,))
    for number in range(1, DEPTH + 1):
        dense = keras.layers.Dense(
            WIDTH, use_bias=False, kernel_initializer="he_normal", name=f"dense_{number}"
        )
        if kind == "residual":
            x = x + dense(keras.layers.ReLU()(x))
            continue
        x = dense(x)
        if kind == "normalised":
            x = keras.layers.BatchNormalization(momentum=0, scale=False, center=False)(x)
        x = keras.layers.ReLU()(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="output")(x))


def after_a_rectifier(cosine):
    """E[relu(a) relu(b)] / E[relu(a)²] of Gaussians with this correlation; Cho and Saul 2009."""
    angle = np.arccos(cosine)
    return (np.sin(angle) + (np.pi - angle) * cosine) / np.pi


def factors(kind):
    """The factor of each layer for orthogonal inputs and infinite width."""
    cosine, result = 0.0, []
    for _ in range(DEPTH):
        both_active = 1 - np.arccos(cosine) / np.pi
        result.append((1 + both_active) / 2 if kind == "residual" else both_active)
        after = after_a_rectifier(cosine)
        cosine = {"plain": after, "residual": (cosine + after) / 2, "normalised": 0.0}[kind]
    return result


@pytest.mark.parametrize("kind", ["plain", "residual", "normalised"])
def test_the_correlation_of_wide_rectifier_networks_is_that_of_the_theory(kind):
    """Where normalisation keeps inputs orthogonal, it is the 2^-L of Balduzzi et al."""
    keras.utils.set_random_seed(0)
    model, directions = rectifiers(kind), np.random.default_rng(0).normal(size=(WIDTH, 64))
    x = np.sqrt(WIDTH) * np.linalg.qr(directions)[0].T.astype("float32")
    model(x, training=True)  # sets the moving statistics
    layers = [f"dense_{number}" for number in range(1, DEPTH + 1)]
    result = gradient_correlation(model, x, layers, lags=3)
    expected = [np.prod(factors(kind)[place:]) for place in range(DEPTH)]
    np.testing.assert_allclose(
        result.correlation[0, 1:], np.full(3, expected[0]), rtol=0.2, atol=0.01
    )
    if kind == "residual":  # a sum passes its gradient on to both terms
        np.testing.assert_allclose(result.correlation[:, 1], [*expected, 1], rtol=0.2)


def test_a_recurrent_network_is_analysed_and_left_as_it_is():
    keras.utils.set_random_seed(0)
    x = path_between(*np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32"))
    inputs = keras.Input(batch_shape=(N, 7, 3))
    ours = LSTM(5, return_sequences=True, return_state=True, stateful=True, name="ours")
    hidden, *_ = ours(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    stock = keras.layers.LSTM(5, return_sequences=True)
    stock.build((N, 7, 3))
    stock.set_weights(ours.get_weights())
    with tf.GradientTape() as tape:
        h = model(x)
        loss = tf.reduce_mean(h)
    tape.gradient(loss, model.trainable_variables)
    ours.reset_states()
    error, states = ours.error.hidden.copy(), [s.numpy() for s in ours.states]

    result = gradient_correlation(model, x, ["ours"])

    np.testing.assert_array_equal(ours.error.hidden, error)
    np.testing.assert_array_equal([s.numpy() for s in ours.states], states)
    with tf.GradientTape() as tape:
        watched = tf.constant(x)
        tape.watch(watched)
        total = tf.reduce_sum(model.layers[-1](stock(watched)))
    gradient = tape.gradient(total, watched).numpy()
    expected = [pairwise(gradient, lag)[0] for lag in range(N)]
    np.testing.assert_allclose(result.correlation[0], expected, atol=1e-5)
    np.testing.assert_allclose(result.correlation[1], np.ones(N), atol=1e-6)


def test_symbols_have_no_gradient_but_their_embedding_has():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(9, 4, name="symbols"), keras.layers.GlobalMaxPooling1D()]
    outputs = keras.layers.Dense(3, "softmax", name="classes")
    model = keras.Sequential([keras.Input((6,), dtype="int32"), *layers, outputs])
    ids = np.random.default_rng(0).integers(0, 9, size=(N, 6))
    result = gradient_correlation(model, ids, target=1)
    assert result.layers == ("symbols",) and np.isnan(result.distance).all()
    assert 0 < result.correlation[0, 1] < 1


def test_wrong_arguments_are_refused():
    shared = keras.layers.Dense(4, name="shared")
    inputs = keras.Input((4,))
    aside = keras.layers.Dense(2, name="aside")(inputs)
    probabilities = keras.layers.Lambda(tf.nn.softmax)  # not Keras' softmax
    model = keras.Model(inputs, [probabilities(shared(shared(inputs))), aside], name="net")
    x = np.random.default_rng(0).normal(size=(3, 4))
    refused = {
        "at least two inputs, not of 1": {"x": x[:1]},
        "lags must be from 1 to 2, got 3": {"lags": 3},
        "no layer 'none'; choose from: shared": {"layers": ["none"]},
        "layer 'shared' is called 2 times, not once": {"layers": ["shared"]},
        "does not depend on the output of layer 'aside'": {
            "layers": ["aside"],
            "target": lambda y: y[0][:, 0],
        },
        r"one score for each of 3 examples, not shape \[3, 4\]": {"target": lambda y: y[0]},
    }
    for message, arguments in refused.items():
        with pytest.raises(ValueError, match=message):
            gradient_correlation(model, **{"x": x, **arguments})
    softmax = keras.Model(inputs, model.outputs[0], name="softmax")
    with pytest.raises(ValueError, match="outputs of model 'softmax' sum to 1 at every input"):
        gradient_correlation(softmax, x)
