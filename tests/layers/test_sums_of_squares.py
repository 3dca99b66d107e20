"""Sums of squares in float32 have the range of float64 and an error below 1e-6."""

import numpy as np
import pytest
import tensorflow as tf
from errorflow.layers.rnn.sums_of_squares import (
    scaled_sum_of_squares,
    sum_of_squares,
    total_square,
)

ROWS, WIDTH = 3, 1000
MAGNITUDES = 1e-35, 1e-25, 1.0, 1e25, 1e37  # of the squares, float32 holds only that of 1


def vectors():
    """A vector of each magnitude, one of all magnitudes, and zeros: [7, WIDTH]."""
    random = np.random.default_rng(0)
    rows = [m * random.normal(size=WIDTH) for m in MAGNITUDES]
    mixed = random.normal(size=WIDTH) * random.choice(MAGNITUDES, WIDTH)
    return np.stack([*rows, mixed, np.zeros(WIDTH)]).astype(np.float32)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: ["GPU:0"])


@pytest.mark.parametrize("compiled", [False, True])
def test_float32_loses_neither_small_nor_large_numbers(compiled):
    x = vectors()
    total = tf.function(lambda x: scaled_sum_of_squares(x, axis=1), jit_compile=compiled)
    np.testing.assert_allclose(total(x), np.sum(x.astype(float) ** 2, axis=1), rtol=1e-6)


def test_infinite_and_undefined_numbers_remain_visible():
    x = tf.constant([[1.0, np.inf], [np.nan, 1.0], [np.inf, np.nan]])
    np.testing.assert_array_equal(scaled_sum_of_squares(x, axis=1), [np.inf, np.nan, np.nan])


def double_elements(function):
    """The size of the largest float64 array in the graph of a function of [ROWS, WIDTH]."""
    spec = tf.TensorSpec([ROWS, WIDTH])
    graph = tf.function(function).get_concrete_function(spec).graph
    outputs = [tensor for operation in graph.get_operations() for tensor in operation.outputs]
    return max(t.shape.num_elements() or 0 for t in outputs if t.dtype == tf.float64)


def test_only_a_cpu_squares_in_float64(request):
    def squares(x):
        return sum_of_squares(x, axis=1)

    assert double_elements(squares) == ROWS * WIDTH
    request.getfixturevalue("gpu")
    assert double_elements(squares) == ROWS


def test_numbers_of_float64_keep_their_precision(gpu):
    x = tf.constant([[1.0, 1e-5]], tf.float64)
    assert float(sum_of_squares(x, axis=1)[0]) == 1.0 + 1e-10


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 4)])
def test_the_total_is_over_all_axes(shape, gpu):
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    np.testing.assert_allclose(total_square(x), np.sum(x.astype(float) ** 2), rtol=1e-6)
