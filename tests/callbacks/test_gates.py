"""Gates records the gates of the equations, and does not affect the training."""

import copy
import json

import cases
import event_files
import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from cases import B, D, H, T
from errorflow.callbacks import Gates
from errorflow.callbacks.drawing.gate_maps import gate_maps
from errorflow.callbacks.drawing.heat_maps import NO_VALUE
from errorflow.callbacks.gates import panels
from errorflow.callbacks.recording.blocks import unpack
from errorflow.callbacks.recording.gate_activations import (
    Gate,
    GateActivations,
    gate_activations,
)
from errorflow.layers import GRU, LSTM, SimpleRNN

GATED = (cases.LSTM, cases.LSTM_1997, cases.GRU, cases.GRU_2014)
NAMES = {
    "LSTM": {"input": 0, "forget": 1, "output": 3},
    "LSTM_1997": {"input": 0, "output": 2},
    "GRU": {"update": 0, "reset": 1},
    "GRU_2014": {"update": 0, "reset": 1},
}
VALID = cases.MASKS["holes"] & (np.arange(T) != 2)  # no example has the third step


def problem(case):
    """Inputs that are zero at masked steps, and weights large enough to saturate gates."""
    p = cases.problem(case)
    return np.where(VALID[:, :, None], p.x, 0.0).astype("float32"), [3.0 * w for w in p.weights]


def expected(case, x, weights, valid):
    """{gate: [T, B, H]}, each from x_t and the h_{t-1} of the reference."""
    states = [np.zeros([B, H], "float32")] * case.states
    outputs, _ = reference.unrolled(np, case.step, x, states, weights, valid)
    before = np.concatenate([np.zeros([B, 1, H]), outputs[:, :-1]], axis=1)
    kernel, recurrent, bias = weights
    bias = bias.reshape(-1, bias.shape[-1]).sum(axis=0)  # the two of a GRU are added
    parts = reference.gates(kernel.shape[1] // H, kernel, recurrent, bias)
    z = [x @ w + before @ u + b for w, u, b in parts]
    return {
        name: reference.sigmoid(np, z[place]).swapaxes(0, 1)
        for name, place in NAMES[case.name].items()
    }


def assert_gates(recorded, gates, valid):
    assert [*recorded.gates] == [*gates]
    for name, values in gates.items():
        gate, counted = recorded.gates[name], values[valid.T]
        units = [
            v[is_valid].mean(axis=0) if is_valid.any() else np.full(H, np.nan)
            for v, is_valid in zip(values, valid.T, strict=True)
        ]
        np.testing.assert_allclose(gate.units, units, rtol=1e-5, atol=1e-6, err_msg=name)
        shares = [counted.mean(), (counted < 0.1).mean(), (counted > 0.9).mean()]
        np.testing.assert_allclose([*gate.totals.values()], shares, rtol=1e-5)
        assert gate.totals["closed"] > 0
        assert gate.totals["open"] > 0
        for share, matches in ((gate.closed, values < 0.1), (gate.open, values > 0.9)):
            steps = [
                column[is_valid].mean() if is_valid.any() else np.nan
                for column, is_valid in zip(matches, valid.T, strict=True)
            ]
            np.testing.assert_allclose(share, steps, rtol=1e-5, atol=1e-6)


def model_of(*layers, shape=(T, D), **options):
    model = keras.Sequential([keras.Input(shape, **options), *layers])
    model.compile("sgd", "mse", jit_compile=False)
    return model


@cases.each(GATED)
def test_gates_are_those_of_the_equations(case):
    x, weights = problem(case)
    model = model_of(keras.layers.Masking(), case.make(name="rnn"))
    model.set_weights(weights)
    activations = gate_activations(model, x)
    assert_gates(activations["rnn"], expected(case, x, weights, VALID), VALID)


@cases.each([cases.LSTM, cases.GRU])
def test_a_backwards_layer_has_the_time_steps_of_the_input(case):
    x, weights = problem(case)
    model = model_of(
        keras.layers.Masking(), keras.layers.Bidirectional(case.make(name="rnn"), name="both")
    )
    model.set_weights([*weights, *weights])
    activations = gate_activations(model, x)
    assert [*activations] == ["both/forward_rnn", "both/backward_rnn"]
    assert_gates(activations["both/forward_rnn"], expected(case, x, weights, VALID), VALID)
    mirrored = expected(case, x[:, ::-1], weights, VALID[:, ::-1])
    assert_gates(activations["both/backward_rnn"], {n: v[::-1] for n, v in mirrored.items()}, VALID)
    assert activations["both/backward_rnn"].backwards


def test_time_distributed_and_calls():
    """A layer wrapped, and one called twice, the second call on the first; no SimpleRNN."""
    wrapped, twice = LSTM(H, name="inside"), GRU(D, return_sequences=True, name="twice")
    x = keras.Input([2, T, D], name="x")
    every = keras.layers.TimeDistributed(wrapped, name="each")(x)
    again = twice(twice(SimpleRNN(D, return_sequences=True)(x[:, 0])))
    model = keras.Model({"x": x}, [every, again])
    batch = np.random.default_rng(0).normal(size=(B, 2, T, D)).astype("float32")
    activations = gate_activations(model, {"x": batch})
    assert {*activations} == {"each/inside", "twice", "twice:1"}
    alone = gate_activations(model_of(wrapped), batch.reshape(2 * B, T, D))["inside"]
    for name, gate in alone.gates.items():
        np.testing.assert_allclose(
            activations["each/inside"].gates[name].units, gate.units, rtol=1e-5
        )
    first, second = activations["twice"].gates["update"], activations["twice:1"].gates["update"]
    assert not np.allclose(first.units, second.units)


def test_training_is_bitwise_the_same_as_without_the_callback():
    """Weights, random seeds, the states of layers of ours and of Keras, and the recorded errors."""
    x = np.random.default_rng(0).normal(size=(5 * B, T, D)).astype("float32")

    def train(*callbacks):
        keras.utils.set_random_seed(1)
        dropout = {"dropout": 0.3, "recurrent_dropout": 0.3}
        at_inference = keras.layers.Lambda(lambda h: keras.random.dropout(h, 0.3, seed=seeds))
        at_inference.seeds = seeds = keras.random.SeedGenerator(2)
        rnn = LSTM(H, name="rnn", return_sequences=True, stateful=True, **dropout)
        stock = keras.layers.GRU(H, stateful=True)
        model = model_of(rnn, at_inference, stock, keras.layers.Dense(1), batch_size=B)
        model.fit(x, x[:, 0, :1], B, epochs=2, verbose=0, shuffle=False, callbacks=callbacks)
        state = [*model.variables, *rnn.states, *stock.states]
        return [v.numpy() for v in state], rnn.error.count

    plain, rows = train()
    gates = Gates(x[:B])
    looked_at, same_rows = train(gates)
    assert rows == same_rows == 10
    for a, b in zip(plain, looked_at, strict=True):
        np.testing.assert_array_equal(a, b)
    curves = gates.history["rnn"]["forget"]
    assert not np.array_equal(curves[0], curves[1])  # it did record, and the model did learn


def test_history_events_and_plot_of_repeated_training(tmp_path):
    """keras-tuner copies callbacks before training."""
    model = model_of(
        LSTM(H, name="lower", return_sequences=True), GRU(2, name="upper"), keras.layers.Dense(1)
    )
    x, y = np.random.default_rng(0).normal(size=(B, T, D)).astype("float32"), np.ones([B, 1])
    gates = copy.deepcopy(Gates(x, tmp_path, layers=["lower"]))
    with pytest.raises(ValueError, match="train with the callback first"):
        gates.plot()
    for epochs in (2, 1):
        model.fit(x, y, epochs=epochs, verbose=0, callbacks=[gates])
    assert [*gates.history] == ["lower"]
    history = gates.history["lower"]
    np.testing.assert_array_equal(history["step"], [0, 1, 2, 3])
    assert history["forget"].shape == (4, T)
    assert history["forget"].dtype == np.float32
    values, metadata = event_files.read(tmp_path / "train")
    assert [*values] == [0, 1, 2, 3]
    for step, at in values.items():
        named = {f"gates/lower/{g}_{f}" for g in NAMES["LSTM"] for f in ("mean", "closed", "open")}
        assert {*at} == named | {"gates/lower", "gates/rows/lower"}
        content = json.loads(metadata["gates/rows/lower"].plugin_data.content)
        row = unpack(at["gates/rows/lower"], content["statistics"])
        np.testing.assert_array_equal(row.steps, [step])
        for statistic, table in zip(content["statistics"], row.values, strict=True):
            np.testing.assert_array_equal(table[0], history[statistic][step])
        mean = float(at["gates/lower/forget_mean"])
        np.testing.assert_allclose(mean, history["forget"][step].mean(), rtol=1e-5)
        width, height, png = at["gates/lower"]
        assert tf.io.decode_png(png).shape == (int(height), int(width), 3)
    assert metadata["gates/lower"].plugin_data.plugin_name == "images"
    titles = [axes.get_title(loc="left") for axes in gates.plot("lower").axes]
    assert titles == ["lower\ninput gate", "forget gate", "output gate", ""]  # a colour bar
    with pytest.raises(ValueError, match="no gates of 'upper' were recorded, only of lower"):
        gates.plot("upper")


def test_a_model_built_by_the_first_snapshot():
    class Lazy(keras.Model):
        def __init__(self):
            super().__init__()
            self.rnn = LSTM(H, name="rnn", stateful=True)

        def call(self, x):
            return self.rnn(x)

    model, x = Lazy(), np.ones([B, T, D], "float32")
    assert gate_activations(model, x)["rnn"].gates["input"].units.shape == (T, H)
    for state in model.rnn.states:
        np.testing.assert_array_equal(state, 0)


def test_a_resumed_training_counts_epochs_like_keras():
    model, x = model_of(GRU(1, name="rnn")), np.zeros([B, T, D], "float32")
    gates = Gates(x)
    model.fit(x, x[:, 0, :1], epochs=4, initial_epoch=3, verbose=0, callbacks=[gates])
    np.testing.assert_array_equal(gates.history["rnn"]["step"], [3, 4])


def test_many_units_are_sorted_by_their_means():
    """64 of 101: the most open on top, the least below; grey where no example has the step."""
    share = np.random.default_rng(0).permutation(101) / 100
    units = np.stack([share, np.full(101, np.nan), share]).astype("float32")
    totals = {"mean": 0.5, "closed": 0.1, "open": 0.2}
    gate = Gate(units, np.zeros(3), np.zeros(3), totals)
    (panel,) = panels(GateActivations({"update": gate}, backwards=False))
    assert panel.table.shape == (64, 3)
    np.testing.assert_allclose(panel.table[[0, -1]], [[1, np.nan, 1], [0, np.nan, 0]])
    assert (np.diff(panel.table[:, 0]) < 0).all()
    assert panel.note == "mean 0.50  ·  10% closed  ·  20% open"
    picture = gate_maps([panel, panel], "time step")
    colours = {tuple(c) for c in picture[26 : 26 + 128, 64 : 64 + 480].reshape(-1, 3)}
    assert len(colours) == 65
    grey = int(NO_VALUE[1:3], 16)
    assert (picture[26:154, 64 + 160 : 64 + 320] == grey).all()
    yellow, violet = [253, 231, 36], [68, 1, 84]
    assert picture[26, 64].tolist() == yellow
    assert picture[26 + 127, 64 + 479].tolist() == violet


def test_models_without_gates_raise_an_error():
    x = np.zeros([B, T, D], "float32")
    for layer in (SimpleRNN(1), keras.layers.LSTM(1)):
        with pytest.raises(ValueError, match=r"no LSTM or GRU of errorflow; build it with"):
            model_of(layer).fit(x, x[:, 0, :1], verbose=0, callbacks=[Gates(x)])
    with pytest.raises(ValueError, match="no LSTM or GRU at b, c, only at a"):
        gates = Gates(x, layers=["a", "b", "c"])
        model_of(LSTM(1, name="a")).fit(x, x[:, 0, :1], verbose=0, callbacks=[gates])
