"""cuDNN's loop as far as a machine without a GPU can show it: choices, graphs, weights.

Here TensorFlow says that there is a GPU. Graphs with cuDNN's operation can then be traced, but not
run, unless a simulation of the operation takes its place.
"""

import pytest
import tensorflow as tf
from errorflow.layers import watch
from stock_models import assert_same, model_of, outputs_and_gradients

CELLS = {
    "SimpleRNN": ("SimpleRNN", {}),
    "SimpleRNN with relu": ("SimpleRNN", {"activation": "relu"}),
    "LSTM": ("LSTM", {}),
    "GRU": ("GRU", {}),
}


@pytest.fixture(autouse=True)
def _gpu(monkeypatch):
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind=None: [] if kind == "CPU" else ["GPU:0"]
    )
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: {"is_cuda_build": True})


@pytest.fixture
def simulation(monkeypatch):
    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", simulated)


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
    for t in range(x.shape[0]):
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
    results = []
    for fused in ("auto", False):
        watched = watch(model, fused=fused)
        outputs, gradients = tf.function(outputs_and_gradients)(watched, inputs, training=True)
        loop = watched.get_layer("recurrent").loop
        assert loop.latest.name == ("cudnn" if fused else "errorflow")
        (record,) = watched.get_layer("recurrent").error.latest()
        results.append((outputs, gradients, record))
    assert_same(*results)
