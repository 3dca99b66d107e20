"""Inception, residual and LeNet blocks against NumPy and single Keras operations."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.layers import (
    AuxiliaryClassifier,
    BottleneckBlock,
    InceptionBlock,
    PartialConvolution,
    RadialBasis,
    ResidualBlock,
    Subsampling,
)

X = np.random.default_rng(5).normal(size=(3, 6, 6, 4)).astype("float32")


def weights_of(layer):
    """{path below the layer: value}"""
    return {w.path.removeprefix(f"{layer.name}/"): w.numpy() for w in layer.weights}


def conv(x, weights, name, strides=1):
    """The convolution of a unit, strided with zeros on both sides."""
    kernel = weights[f"{name}/convolution/kernel"]
    if strides > 1:
        side = kernel.shape[0] // 2
        x = np.pad(x, [(0, 0), (side, side), (side, side), (0, 0)])
    padding = "valid" if strides > 1 else "same"
    y = keras.ops.conv(x, kernel, strides=strides, padding=padding).numpy()
    return y + weights.get(f"{name}/convolution/bias", 0)


def norm(x, weights, name):
    gamma, beta, mean, variance = (
        weights[f"{name}/normalization/{moment}"]
        for moment in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta


def relu(x):
    return np.maximum(x, 0)


def settled(layer):
    """The built layer, with weights and statistics that are not the initial ones."""
    layer(X)
    random = np.random.default_rng(6)
    layer.set_weights([w + random.uniform(0, 0.5, w.shape) for w in layer.get_weights()])
    return layer, weights_of(layer)


def test_inception_is_four_branches_side_by_side():
    layer, w = settled(InceptionBlock((2, 3, 4, 1, 2, 5)))
    five = relu(conv(relu(conv(X, w, "5x5_reduce")), w, "5x5"))
    three = relu(conv(relu(conv(X, w, "3x3_reduce")), w, "3x3"))
    pooled = keras.ops.max_pool(X, 3, 1, "same").numpy()
    views = [relu(conv(X, w, "1x1")), three, five, relu(conv(pooled, w, "pool_projection"))]
    np.testing.assert_allclose(layer(X), np.concatenate(views, -1), rtol=1e-5, atol=1e-5)


def test_the_auxiliary_classifier_pools_projects_and_classifies():
    layer, w = settled(AuxiliaryClassifier(3, filters=5, units=7, activation=None))
    pooled = X[:, :5, :5].mean((1, 2), keepdims=True)
    hidden = relu(conv(pooled, w, "projection")).reshape(3, 5) @ w["hidden/kernel"]
    logits = relu(hidden + w["hidden/bias"]) @ w["classes/kernel"] + w["classes/bias"]
    np.testing.assert_allclose(layer(X), logits, rtol=1e-5)
    assert (layer(X, training=True).numpy() != layer(X).numpy()).any()  # dropout


@pytest.mark.parametrize("filters", [4, 5], ids=["identity", "zeros"])
def test_a_residual_block_adds_its_input(filters):
    strides = 1 if filters == 4 else 2
    layer, w = settled(ResidualBlock(filters, strides, shortcut="zero_padding"))
    f = relu(norm(conv(X, w, "conv1", strides), w, "conv1"))
    f = norm(conv(f, w, "conv2"), w, "conv2")
    short = np.pad(X[:, ::strides, ::strides], [(0, 0)] * 3 + [(0, filters - 4)])
    np.testing.assert_allclose(layer(X), relu(f + short), rtol=1e-4, atol=1e-5)


def test_a_bottleneck_projects_where_shapes_differ():
    layer, w = settled(BottleneckBlock(2, strides=2))
    f = relu(norm(conv(X, w, "conv1", 2), w, "conv1"))
    f = relu(norm(conv(f, w, "conv2"), w, "conv2"))
    f = norm(conv(f, w, "conv3"), w, "conv3")
    short = norm(conv(X, w, "projection", 2), w, "projection")
    np.testing.assert_allclose(layer(X), relu(f + short), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("filters", [4, 5], ids=["identity", "projection"])
def test_preactivation_leaves_the_sum_alone(filters):
    """All nonlinearities are inside F, so that a chain of blocks is a sum."""
    layer, w = settled(ResidualBlock(filters, preactivation=True))
    active = relu(norm(X, w, "conv1"))
    f = conv(active, w, "conv1")
    f = conv(relu(norm(f, w, "conv2")), w, "conv2")
    short = X if filters == 4 else conv(active, w, "projection")
    np.testing.assert_allclose(layer(X), f + short, rtol=1e-4, atol=1e-5)


def test_where_f_is_zero_the_error_passes_a_residual_block_whole():
    """dE/dx = dE/dy · (1 + dF/dx); without the skip nothing is left."""
    for skip, expected in ((True, 1.0), (False, 0.0)):
        layer = ResidualBlock(4, preactivation=True, skip=skip)
        layer(X)
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
        with tf.GradientTape() as tape:
            tape.watch(x := tf.constant(X))
            e = tf.reduce_sum(layer(x))
        np.testing.assert_array_equal(tape.gradient(e, x), np.full(X.shape, expected))


def test_the_plain_counterpart_has_equal_parameters():
    for arguments in ({"filters": 4}, {"filters": 5, "strides": 2, "shortcut": "zero_padding"}):
        counts = []
        for skip in (True, False):
            layer = ResidualBlock(**arguments, skip=skip)
            layer.build(X.shape)
            counts.append(layer.count_params())
        assert counts[0] == counts[1]


def test_subsampling_weighs_the_sum_of_four_pixels():
    layer, w = settled(Subsampling("tanh"))
    sums = X[:, ::2, ::2] + X[:, 1::2, ::2] + X[:, ::2, 1::2] + X[:, 1::2, 1::2]
    expected = np.tanh(w["coefficient"] * sums + w["bias"])
    np.testing.assert_allclose(layer(X), expected, rtol=1e-5)


def test_a_partial_convolution_sees_only_its_channels():
    connections = ((0, 2), (1,), (3, 0, 1))
    layer, w = settled(PartialConvolution(connections, 3))
    assert w["kernel"].shape == (3, 3, 6)
    dense, numbers = np.zeros([3, 3, 4, 3], "float32"), iter(range(6))
    for f, channels in enumerate(connections):
        for c in channels:
            dense[:, :, c, f] = w["kernel"][..., next(numbers)]
    expected = np.tanh(keras.ops.conv(X, dense).numpy() + w["bias"])
    np.testing.assert_allclose(layer(X), expected, rtol=1e-5, atol=1e-6)


def test_radial_basis_is_the_distance_to_fixed_codes():
    codes = np.array([[1.0, -1.0], [0.5, 2.0], [0.0, 0.0]])
    layer = RadialBasis(codes)
    x = np.array([[1.0, -1.0], [3.0, 4.0]], "float32")
    expected = -((x[:, None] - codes) ** 2).sum(-1)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6)
    assert not layer.weights


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: InceptionBlock((1, 2, 3)), "filters must be six"),
        (lambda: ResidualBlock(4, shortcut="identity"), "projection or zero_padding"),
    ],
)
def test_wrong_arguments_are_named(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
