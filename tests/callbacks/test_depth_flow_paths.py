"""DepthFlow records the error by path: the parts add up, as vectors, to the error of the whole."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from depth_models import (
    CHANNELS,
    INCEPTION,
    assert_figures,
    compiled,
    data,
    errors,
    nested,
    of_block,
    recorded,
    with_auxiliary,
)
from errorflow.layers import BottleneckBlock, InceptionBlock, ResidualBlock


def by_path(block, x):
    """The output of a block whose paths read copies of x; the copies by path."""
    if isinstance(block, InceptionBlock):
        copies = {name: tf.identity(x) for name in ("1x1", "3x3", "5x5", "pool")}
        parts = []
        for copy, layers in zip(copies.values(), block.branches, strict=True):
            h = copy
            for layer in layers:
                h = layer(h)
            parts.append(h)
        return tf.concat(parts, axis=-1), copies
    copies = {"branch": tf.identity(x), "shortcut": tf.identity(x)}
    h, shortcut = copies["branch"], copies["shortcut"]
    units = [*block.units]
    if block.preactivation and block.projection is not None:  # x is activated already
        h = units.pop(0).convolution(h)
    for unit in units:
        h = unit(h, training=True)
    if block.projection is not None:
        shortcut = block.projection(shortcut, training=True)
    elif block.strides > 1:
        more = h.shape[-1] - x.shape[-1]
        shortcut = tf.pad(shortcut[:, ::2, ::2], [(0, 0), (0, 0), (0, 0), (0, more)])
    return h + shortcut if block.preactivation else tf.nn.relu(h + shortcut), copies


BLOCKS = {
    "identity": lambda: ResidualBlock(CHANNELS, name="block"),
    "projection": lambda: ResidualBlock(6, 2, name="block"),
    "zero padding": lambda: ResidualBlock(6, 2, "zero_padding", name="block"),
    "preactivation": lambda: ResidualBlock(CHANNELS, preactivation=True, name="block"),
    "preactivation, projection": lambda: BottleneckBlock(2, 2, preactivation=True, name="block"),
    "bottleneck": lambda: BottleneckBlock(1, name="block"),
    "inception": lambda: InceptionBlock(INCEPTION, name="block"),
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_the_errors_by_path_of_a_block_add_up_to_the_error_at_its_input(kind):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    batches = data(1)
    history = recorded(compiled(lambda: of_block(BLOCKS[kind]())), batches)
    model = compiled(lambda: of_block(BLOCKS[kind]()))
    block = model.get_layer("block")
    outputs = [model.get_layer("stem").output, block.output]
    ((values, (at_input, at_output)),) = errors(model, outputs, batches)
    x, whole = values[0], "stem"
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        if kind == "preactivation, projection":
            whole = "block (input)"
            x = block.units[0].activate(x, training=True)
        y, copies = by_path(block, x)
    vectors = tape.gradient(y, copies, output_gradients=at_output)
    if whole != "stem":
        at_input = tape.gradient(y, x, output_gradients=at_output)
        assert_figures(*_path(history, whole), at_input, 1e-6)
    np.testing.assert_allclose(sum(vectors.values()), at_input, rtol=0, atol=1e-12)
    for label, vector in vectors.items():
        assert_figures(*_path(history, f"block ({label})"), vector, 1e-6)
        assert history["adds_to"][history["paths"].index(f"block ({label})")] == whole


def _path(history, name):
    column = history["paths"].index(name)
    return history["path_rms"][0, column], history["path_max"][0, column]


def test_the_readers_of_an_output_share_its_error():
    """An Add that reads it directly; an auxiliary classifier beside an inception block."""
    history = recorded(compiled(nested), data(1))
    names = ["inner/active (branch)", "inner/active (sum)"]
    assert history["paths"] == names
    assert history["adds_to"] == ["inner/active"] * 2
    of_sum = history["rms"][0, history["layers"].index("inner/sum")]
    np.testing.assert_allclose(_path(history, "inner/active (sum)")[0], of_sum, rtol=1e-6)

    history = recorded(compiled(with_auxiliary), data(1, 2))
    wholes = dict(zip(history["paths"], history["adds_to"], strict=True))
    assert wholes["second (5x5)"] == "first (second)"
    assert wholes["first (second)"] == "first"
    (other,) = {name for name, whole in wholes.items() if whole == "first"} - {"first (second)"}
    assert other.startswith("first (global_average_pooling2d")
    model = compiled(with_auxiliary)
    alone = keras.Model(model.input, model.outputs[0])  # the auxiliary classifier only
    ((_, (error,)),) = errors(
        alone, [model.get_layer("first").output], (data(1, 2)[0], data(1, 2)[1][0])
    )
    assert_figures(*_path(history, other), error, 1e-4)
