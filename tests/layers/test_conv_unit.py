"""Convolutional units against the definition of convolution, written as loops."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.layers import ConvUnit1D, ConvUnit2D, LocalResponseNormalization


def zeros_around(size, kernel, stride, padding):
    """Zeros before and after an axis."""
    if padding == "same":  # as many as yield ⌈size / stride⌉ outputs; the odd one is last
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2
    each = {"valid": 0, "full": kernel - 1}.get(padding, padding)
    return each, each


def cross_correlation(x, kernel, stride, padding, groups=1):
    """y[b, i…, f] = Σ_{u…, c} x[b, i·s + u…, c] K[u…, c, f], one product at a time.

    x [B, size…, C], kernel [k…, C / groups, F]
    """
    *extents, inputs, filters = kernel.shape
    sizes = x.shape[1:-1]
    around = [zeros_around(n, k, stride, padding) for n, k in zip(sizes, extents, strict=True)]
    padded = np.pad(x, [(0, 0), *around, (0, 0)])
    outputs = [(n - k) // stride + 1 for n, k in zip(padded.shape[1:-1], extents, strict=True)]
    y = np.zeros([len(x), *outputs, filters])
    for b, f, c in itertools.product(range(len(x)), range(filters), range(inputs)):
        channel = c + inputs * (f // (filters // groups))  # of the filter's own group
        for place in itertools.product(*map(range, outputs)):
            for u in itertools.product(*map(range, extents)):
                at = tuple(i * stride + v for i, v in zip(place, u, strict=True))
                y[(b, *place, f)] += padded[(b, *at, channel)] * kernel[(*u, c, f)]
    return y


def arrays(*shapes):
    random = np.random.default_rng(4)
    return [random.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize("padding", ["same", "valid", "full", 1])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("unit", "shape", "kernel"),
    [(ConvUnit1D, (2, 7, 2), (4,)), (ConvUnit2D, (2, 5, 4, 2), (3, 2))],
    ids=["1-D", "2-D"],
)
def test_convolution_is_the_sum_over_the_window(unit, shape, kernel, stride, padding):
    layer = unit(3, kernel, stride, padding, activation=None, dtype="float64")
    x, weights, bias = arrays(shape, (*kernel, 2, 3), (3,))
    layer.build(shape)
    layer.set_weights([weights, bias])
    expected = cross_correlation(x, weights, stride, padding) + bias
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12, atol=1e-12)
    assert layer.compute_output_shape(shape) == expected.shape


@pytest.mark.parametrize("jit", [False, True])
def test_groups_see_their_own_channels_and_train(jit):
    """TensorFlow's own grouped convolution has no gradient on CPUs."""
    layer = ConvUnit2D(6, 3, groups=2, activation=None, dtype="float64")
    x, weights, bias, error = arrays((2, 5, 4, 4), (3, 3, 2, 6), (6,), (2, 5, 4, 6))
    layer.build(x.shape)
    layer.set_weights([weights, bias])

    @tf.function(jit_compile=jit)
    def step(x):
        with tf.GradientTape() as tape:
            y = layer(x)
            e = tf.reduce_sum(y * error)
        return y, tape.gradient(e, layer.trainable_weights[0].value)

    y, gradient = step(tf.constant(x))
    expected = cross_correlation(x, weights, 1, "same", groups=2) + bias
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    # y is linear in the kernel: dE/dK is E with a single kernel entry set to 1
    for place in [(0, 0, 0, 0), (1, 2, 1, 2), (2, 1, 0, 5)]:
        unit = np.zeros_like(weights)
        unit[place] = 1
        alone = (cross_correlation(x, unit, 1, "same", groups=2) * error).sum()
        np.testing.assert_allclose(gradient[place], alone, rtol=1e-10)


def test_a_unit_normalises_before_the_activation_or_before_the_convolution():
    x, kernel = arrays((3, 4, 4, 2), (3, 3, 2, 2))
    for preactivation in (False, True):
        unit = ConvUnit2D(2, 3, normalization="batch", preactivation=preactivation, dtype="float64")
        unit.build(x.shape)
        unit.convolution.set_weights([kernel])

        def normalise(z):
            return (z - z.mean((0, 1, 2))) / np.sqrt(z.var((0, 1, 2)) + 1e-5)

        if preactivation:
            expected = cross_correlation(np.maximum(normalise(x), 0), kernel, 1, "same")
        else:
            expected = np.maximum(normalise(cross_correlation(x, kernel, 1, "same")), 0)
        np.testing.assert_allclose(unit(x, training=True), expected, rtol=1e-6, atol=1e-8)
        assert not unit.convolution.use_bias


def test_any_layer_may_normalise_and_every_unit_has_its_own(tmp_path):
    norm = keras.layers.GroupNormalization(2)
    units = [ConvUnit2D(4, 3, normalization=norm, name=f"unit{i}") for i in range(2)]
    model = keras.Sequential([keras.Input((5, 5, 2)), *units])
    assert units[0].normalization is not units[1].normalization
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.ones([1, 5, 5, 2], "float32")
    np.testing.assert_array_equal(again(x), model(x))


def test_local_response_normalization_divides_by_the_neighbours():
    (x,) = arrays((2, 3, 2, 9))
    x *= 100  # else the constants' k hides the sum
    expected = np.empty_like(x)
    for c in range(9):
        near = x[..., max(0, c - 2) : c + 3]
        expected[..., c] = x[..., c] / (2 + 1e-4 * (near**2).sum(-1)) ** 0.75
    np.testing.assert_allclose(LocalResponseNormalization()(x.astype("f")), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"padding": "half"}, 'must be "same", "valid", "full" or a number of zeros'),
        ({"padding": -1}, "got -1"),
        ({"normalization": "layer"}, 'must be None, "batch" or a layer'),
        ({"groups": 4}, "evenly divisible"),
    ],
)
def test_wrong_arguments_are_named(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        ConvUnit2D(6, 3, **arguments)
