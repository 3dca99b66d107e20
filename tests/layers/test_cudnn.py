"""cuDNN's loop as far as a machine without a GPU can show it: choices, graphs, weights.

Here TensorFlow says that there is a GPU. Graphs with cuDNN's operation can then be traced, but not
run, unless a simulation of the operation takes its place.
"""

from collections import Counter
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import MASKS, B, D, H, T
from errorflow import layers
from errorflow.layers import watch
from errorflow.layers.rnn import cudnn
from errorflow.layers.rnn.fused_errors import why_unsupported
from errorflow.layers.rnn.lstm import LSTMEquations
from errorflow.layers.rnn.watch import made_visible
from stock_models import assert_same, model_of, results_of

CELLS = {
    "SimpleRNN": ("SimpleRNN", {}),
    "SimpleRNN with relu": ("SimpleRNN", {"activation": "relu"}),
    "LSTM": ("LSTM", {}),
    "GRU": ("GRU", {}),
    "GRU without biases": ("GRU", {"use_bias": False}),
}


pytestmark = pytest.mark.usefixtures("seeming_gpu")


@pytest.fixture
def simulation(monkeypatch):
    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", simulated)
    monkeypatch.setattr(cudnn, "why_not_here", lambda: None)


def simulated(input, input_h, input_c, params, sequence_lengths, rnn_mode, time_major, is_training):
    """The operation after cuDNN's documentation: one layer, one direction."""
    assert is_training
    x = input if time_major else tf.transpose(input, [1, 0, 2])
    axis = 0 if time_major else 1
    h = tf.squeeze(input_h, axis)
    c = tf.squeeze(input_c, axis) if rnn_mode == "lstm" else tf.zeros_like(h)
    gates = {"lstm": 4, "gru": 3}.get(rnn_mode, 1)
    inputs, units = x.shape[-1], h.shape[-1]
    sizes = [inputs * units] * gates + [units * units] * gates + [units] * 2 * gates
    parts = tf.split(params, sizes)
    w = [tf.reshape(part, [units, inputs]) for part in parts[:gates]]
    r = [tf.reshape(part, [units, units]) for part in parts[gates : 2 * gates]]
    b_w, b_r = parts[2 * gates : 3 * gates], parts[3 * gates :]
    outputs = []
    steps: Any = x.shape[0]
    for t in range(steps):
        from_x = [tf.matmul(x[t], w[n], transpose_b=True) + b_w[n] for n in range(gates)]
        from_h = [tf.matmul(h, r[n], transpose_b=True) + b_r[n] for n in range(gates)]
        after, cell = _step(rnn_mode, from_x, from_h, h, c)
        valid = (t < sequence_lengths)[:, None]
        h, c = tf.where(valid, after, h), tf.where(valid, cell, c)
        outputs.append(tf.where(valid, after, tf.zeros_like(after)))
    outputs = tf.stack(outputs, axis)
    return outputs, tf.expand_dims(h, axis), tf.expand_dims(c, axis), None, None


def _step(mode, from_x, from_h, h, c):
    z = [a + b for a, b in zip(from_x, from_h, strict=True)]
    if mode == "lstm":
        i, f, o = tf.sigmoid(z[0]), tf.sigmoid(z[1]), tf.sigmoid(z[3])
        cell = f * c + i * tf.tanh(z[2])
        return o * tf.tanh(cell), cell
    if mode == "gru":
        r, i = tf.sigmoid(z[0]), tf.sigmoid(z[1])
        new = tf.tanh(from_x[2] + r * from_h[2])
        return (1.0 - i) * new + i * h, c
    return {"rnn_tanh": tf.tanh, "rnn_relu": tf.nn.relu}[mode](z[0]), c


@pytest.mark.usefixtures("simulation")
@pytest.mark.parametrize("cell", CELLS)
def test_cudnn_gets_the_weights_and_lengths_in_its_own_order(cell):
    name, options = CELLS[cell]
    model, inputs = model_of(name, "holes", return_sequences=True, **options)
    fused, ours = watch(model), watch(model, fused=False)
    results = results_of(fused, inputs, training=True)
    assert fused.get_layer("recurrent").loop.latest.name == "cudnn"
    assert_same(results, results_of(ours, inputs))


@pytest.mark.usefixtures("simulation")
@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_the_simulation_computes_what_keras_asks_of_cudnn(name):
    layer = getattr(keras.layers, name)(H, return_sequences=True)
    x = np.random.randn(B, T, D).astype("float32")
    mask = MASKS["right"]
    plain = getattr(keras.layers, name)(H, return_sequences=True, use_cudnn=False)
    plain.build(x.shape)
    layer.build(x.shape)
    plain.set_weights([w + 0.1 * np.random.randn(*w.shape) for w in plain.get_weights()])
    layer.set_weights(plain.get_weights())
    outputs = tf.where(mask[:, :, None], layer(x, mask=mask), 0.0)
    expected = tf.where(mask[:, :, None], plain(x, mask=mask), 0.0)
    assert layer.supports_jit is False  # Keras took cuDNN's way
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def traced(layer, steps=T, **call):
    """The graph of a call of a layer."""
    spec = tf.TensorSpec([None, steps, D])
    return tf.function(lambda x: layer(x, **call)).get_concrete_function(spec).graph


def training_step(layer, steps):
    """The graph of a layer's outputs and gradients."""
    layer.build((None, steps, D))

    def step(x):
        with tf.GradientTape() as tape:
            e = tf.reduce_mean(layer(x, training=True) ** 2)
        return tape.gradient(e, [w.value for w in layer.trainable_weights])

    spec = tf.TensorSpec([None, steps, D])
    return tf.function(step, autograph=False).get_concrete_function(spec).graph


def operations(graph):
    """How often each operation is in a graph and its functions."""
    definition = graph.as_graph_def()
    functions = [function.node_def for function in definition.library.function]
    return Counter(node.op for nodes in (definition.node, *functions) for node in nodes)


def input_width(graph):
    (cudnns,) = [op for op in graph.get_operations() if op.type == "CudnnRNNV3"]
    return cudnns.inputs[0].shape[-1]


def assert_no_loop_but_cudnns(count):
    loops = "While", "StatelessWhile", "Enter", "TensorListReserve"
    assert not [op for op in loops if count[op]]
    assert count["CudnnRNNV3"] == count["CudnnRNNBackpropV3"] == 1


def test_a_training_step_has_no_loop_and_its_size_grows_with_the_logarithm_of_t():
    sizes = []
    for steps in (16, 64, 256):
        count = operations(training_step(layers.LSTM(H, return_sequences=True), steps))
        assert_no_loop_but_cudnns(count)
        sizes.append(count.total())
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0] < 200


@pytest.mark.parametrize("layer", [layers.SimpleRNN, layers.GRU])
def test_the_other_cells_have_no_loop_for_any_number_of_steps(layer):
    assert_no_loop_but_cudnns(operations(training_step(layer(H), None)))


def test_only_training_gives_cudnn_columns_of_zeros_beside_the_input():
    layer = layers.LSTM(H)
    assert input_width(traced(layer, training=False)) == D
    assert input_width(traced(layer, training=True)) == D + H


@pytest.mark.parametrize(
    ("layer", "options", "reason"),
    [
        (layers.LSTM, {"fused": False}, "fused=False"),
        (layers.LSTM, {"activation": "relu"}, "activation 'relu', not tanh"),
        (layers.LSTM, {"forget_gate": False}, "forget_gate=False"),
        (layers.GRU, {"reset_after": False}, "reset_after=False"),
        (layers.GRU, {"recurrent_dropout": 0.1}, "recurrent_dropout"),
        (layers.SimpleRNN, {"activation": "softsign"}, "'softsign', not tanh or relu"),
    ],
)
def test_what_cudnn_does_not_do_runs_in_our_loop(layer, options, reason):
    layer = layer(H, **options)
    traced(layer, training=True)
    assert layer.loop.latest.name == "errorflow"
    assert reason in layer.loop.latest.reason
    assert layer.supports_jit


def test_equations_that_inherit_from_those_of_cudnns_cells_are_not_fused():
    class Other(LSTMEquations):
        """They may compute anything."""

    assert "Other" in (
        why_unsupported(Other(keras.activations.tanh, keras.activations.sigmoid)) or ""
    )


def test_the_choice_is_made_for_each_call():
    layer, x = layers.GRU(H), tf.ones([B, T, D])
    layer(x)
    assert "on a CPU" in layer.loop.latest.reason
    traced(layer, training=False)
    assert layer.loop.latest.name == "cudnn"
    with tf.device("CPU"):
        traced(layer, training=False)
    assert "on a CPU" in layer.loop.latest.reason
    tf.function(layer, jit_compile=True)(x, training=False)
    assert "errorflow: XLA" in repr(layer.loop)


def test_each_cell_of_a_stack_runs_its_own_loop():
    cells = [keras.layers.LSTMCell(H), keras.layers.GRUCell(H, reset_after=False)]
    model = watch(keras.Sequential([keras.Input((T, D)), keras.layers.RNN(cells)]))
    traced(model, training=True)
    lstm, gru = (cell.loop.latest for cell in model.layers[0].cell.cells)
    assert (lstm.name, gru.name) == ("cudnn", "errorflow")
    assert not model.layers[0].supports_jit


def test_keras_leaves_xla_out_as_for_its_own_layers():
    model = keras.Sequential([keras.Input((T, D)), layers.GRU(H)])
    with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
        model.compile("sgd", "mse", jit_compile=True)
    assert not model.jit_compile


def test_a_layer_that_was_made_visible_in_place_gets_its_options_back():
    layer = keras.layers.GRU(H, activation="relu")
    model = Owner(layer)
    model(np.ones([B, T, D]))
    with made_visible(model):
        assert layer.supports_jit and not layer.use_cudnn
    assert layer.use_cudnn == "auto"


class Owner(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return self.layer(x)


def test_a_graph_for_export_needs_no_gpu():
    model = keras.Sequential([keras.Input((T, D)), layers.GRU(H)])
    archive = keras.export.ExportArchive()
    serve = archive.track_and_add_endpoint(
        "serve", model, [keras.InputSpec("float32", (None, T, D))]
    )
    x = np.random.randn(B, T, D).astype("float32")
    expected = model(x)
    np.testing.assert_allclose(serve(x), expected, atol=1e-6)
    assert "export" in model.layers[0].loop.latest.reason


def test_a_graph_for_export_needs_no_gpu_after_a_layer_with_its_own_default_of_training(tmp_path):
    """Keras hands on the default `training=False` of Dropout to the layers after it."""
    model = keras.Sequential([keras.Input((T, D)), keras.layers.Dropout(0.1), layers.LSTM(H)])
    model.export(tmp_path / "model", verbose=False)
    assert b"CudnnRNN" not in (tmp_path / "model" / "saved_model.pb").read_bytes()
    traced(model, training=False)
    assert model.layers[-1].loop.latest.name == "cudnn"
