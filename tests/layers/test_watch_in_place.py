"""`watch` of what it cannot rebuild: it becomes visible in place, as the same object."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks import ErrorFlow
from errorflow.callbacks.recording.gate_activations import gate_activations
from errorflow.layers import error_matrix, horizon, per_step_gradients, register_cell, watch
from errorflow.layers.rnn.equations import HiddenState, Weights
from errorflow.layers.rnn.simple_rnn import SimpleRNNEquations
from errorflow.layers.text.each_step import EachStep

BATCH, STEPS, WIDTH = 3, 5, 2
X = np.random.default_rng(0).normal(size=[BATCH, STEPS, WIDTH])
X[1, 3:] = 0.0
VALID = X.any(axis=-1)  # after keras.layers.Masking


@pytest.fixture
def float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def sequential(*layers):
    return keras.Sequential([keras.Input((STEPS, WIDTH)), *layers])


def copy_of(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def loss(model, x=X, training=False):
    outputs = model(x, training=training)
    return outputs, tf.reduce_mean(tf.square(outputs - tf.cast(0.3, outputs.dtype)))


def outputs_and_gradients(model, x=X, training=False):
    with tf.GradientTape() as tape:
        outputs, e = loss(model, x, training)
    return [outputs, *tape.gradient(e, model.trainable_weights)]


def assert_all_close(ours, theirs, tolerance=1e-9):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def probed(call, tape, probes):
    """The `call` of a cell with zeros added to h_t; the gradient of each is the error there."""

    def wrapped(inputs, states, **options):
        output, new = call(inputs, states, **options)
        probes.append(tf.zeros_like(output))
        tape.watch(probes[-1])
        return output + probes[-1], [new[0] + probes[-1], *new[1:]]

    return wrapped


def assert_errors(layers, stock, cells, valid, backwards=False, x=X):
    """The errors that `layers` recorded are those that autodiff finds in the cells of `stock`."""
    with tf.GradientTape(persistent=True) as tape:
        probes = [[] for _ in cells]
        for cell, found in zip(cells, probes, strict=True):
            cell.call = probed(cell.call, tape, found)
        e = loss(stock, x)[1]
    for layer, found in zip(layers, probes, strict=True):
        gradients = [tape.gradient(e, probe) for probe in found]
        errors = len(x) * np.stack([g for g in gradients if g is not None])  # [T, B, H]
        errors, counted = (errors[::-1] if backwards else errors), valid.T
        squares = np.where(counted, np.square(errors).sum(-1), 0.0).sum(1)
        np.testing.assert_allclose(layer.error.hidden, np.sqrt(squares / counted.sum(1)), rtol=1e-5)


def stack(cells=None, **options):
    cells = cells or [keras.layers.LSTMCell(3), keras.layers.SimpleRNNCell(2)]
    return keras.layers.RNN(cells, name="stack", **options)


@pytest.mark.parametrize(
    ("masked", "options"),
    [
        (False, {"return_sequences": True}),
        (True, {"return_sequences": True, "go_backwards": True, "zero_output_for_mask": True}),
    ],
)
def test_each_cell_of_a_stack_shows_its_error(float64, masked, options):
    model = sequential(*[keras.layers.Masking()] * masked, stack(**options))
    stock = copy_of(model)
    assert watch(model) is model
    assert_all_close(outputs_and_gradients(model), outputs_and_gradients(stock))
    cells, stock_cells = (m.get_layer("stack").cell.cells for m in (model, stock))
    valid = VALID if masked else np.ones_like(VALID)
    assert_errors(cells, stock, stock_cells, valid, options.get("go_backwards", False))


class Network(keras.Model):
    """Layers in an attribute, a list, a dict and a model; XLA compiles one program for all."""

    def __init__(self):
        super().__init__()
        cell, layer = keras.layers.SimpleRNNCell, keras.layers.SimpleRNN
        both_ways = layer(2, return_sequences=True, return_state=True)
        self.gated = keras.layers.LSTM(2, return_sequences=True, name="gated")
        self.several = [keras.layers.Bidirectional(both_ways, merge_mode="sum")]
        self.named = {"stack": stack([cell(2), cell(2)], return_sequences=True, return_state=True)}
        self.head = keras.Sequential([layer(2, name="last"), keras.layers.Dense(1)], name="head")

    def call(self, x, training=False):
        h, *states = self.several[0](self.gated(x))
        h, *states = self.named["stack"](h, initial_state=[[s] for s in states])
        return self.head(h) + sum(tf.reduce_sum(s, 1, True) for s in tf.nest.flatten(states))


def test_a_subclassed_model_becomes_visible_in_place(float64, tmp_path):
    model = Network()
    model.compile(keras.optimizers.Adam(), "mse", jit_compile=False)
    y = np.ones([BATCH, 1])
    model.fit(X, y, verbose=0)  # traces the stock loops
    before, variables = outputs_and_gradients(model), [*model.variables, *model.optimizer.variables]
    model.save_weights(tmp_path / "stock.weights.h5")

    assert watch(model) is model
    assert watch(model) is model
    assert_all_close(outputs_and_gradients(model), before)
    after = [*model.variables, *model.optimizer.variables]
    assert [*map(id, after)] == [*map(id, variables)]
    model.fit(X, y, verbose=0, callbacks=[flow := ErrorFlow()])
    assert len(flow.history) == 1 + 2 + 2 + 1
    assert [*gate_activations(model, X)] == ["gated"]

    model.load_weights(tmp_path / "stock.weights.h5")
    model.save_weights(tmp_path / "visible.weights.h5")
    fresh = watch(Network())  # not built yet
    fresh(X)
    fresh.load_weights(tmp_path / "visible.weights.h5")
    assert_all_close(outputs_and_gradients(fresh), before)


def test_attributes_that_a_training_step_uses_are_kept():
    class Weighted(keras.Model):
        def train_step(self, data):
            self.steps.append(data)
            return super().train_step(data)

    inputs = keras.Input((STEPS, WIDTH))
    inner = Weighted(inputs, keras.layers.LSTM(2, name="inner")(inputs))
    inner.steps = []
    inner.compile("sgd", "mse", run_eagerly=True)
    below = keras.layers.LSTM(WIDTH, return_sequences=True)
    outer = keras.Model(inputs, keras.layers.Dense(1)(inner(below(inputs))))
    assert inner in watch(outer).layers
    inner.train_on_batch(X, np.ones([BATCH, 2]))
    assert len(inner.steps) == 1
    assert inner.get_layer("inner").error.count == 1

    plain = sequential(keras.layers.LSTM(2))
    plain.factor = 0.5
    assert watch(plain).factor == 0.5


class Doubled(keras.layers.Wrapper):
    def call(self, x):
        return self.layer(2 * x)

    def compute_output_shape(self, shape):
        return self.layer.compute_output_shape(shape)


def test_layers_in_wrappers_become_visible(float64):
    inside = [keras.layers.LSTM(2, return_sequences=True) for _ in range(3)]
    x = np.random.default_rng(1).normal(size=[BATCH, 2, STEPS, WIDTH])
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.TimeDistributed(inside[0]),
            EachStep(inside[1]),
            EachStep(Doubled(inside[2])),
            keras.layers.Dense(1),
        ]
    )
    before = outputs_and_gradients(model, x)
    assert watch(model) is model
    assert_all_close(outputs_and_gradients(model, x), before)
    assert [layer.error.count for layer in inside] == [2, 1, 1]


@keras.saving.register_keras_serializable("tests")
class LeakyCell(keras.layers.Layer):
    """A cell of one's own: h_t = (h_{t-1} + tanh(x_t W + h_{t-1} R)) / 2, R = exp of a variable."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = self.state_size = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units))
        self.logarithm = self.add_weight(shape=(self.units, self.units))

    def call(self, inputs, states):
        recurrent = keras.ops.matmul(states[0], keras.ops.exp(self.logarithm))
        h = (states[0] + keras.ops.tanh(keras.ops.matmul(inputs, self.kernel) + recurrent)) / 2
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Candidate(NamedTuple):
    candidate: Any


@dataclass(frozen=True)
class LeakyEquations(SimpleRNNEquations):
    residuals: ClassVar[type] = Candidate
    sent_back: float = 0.5  # the share of δ_t that goes back to h_{t-1} directly

    def forward(self, z, before, weights, ops):
        z = z + ops.recurrent_product(before.hidden, weights.recurrent_kernel)
        candidate = self.activation(z)
        return HiddenState((before.hidden + candidate) / 2), Candidate(candidate)

    def backward(self, errors, before, after, residuals, transposed_kernel, ops):
        dz = errors.hidden / 2 * (1 - residuals.candidate**2)
        direct = errors.hidden * self.sent_back
        return (dz,), HiddenState(direct + ops.recurrent_errors(dz, transposed_kernel))


def leaky_weights(cell):
    recurrent_kernel = tf.exp(tf.convert_to_tensor(cell.logarithm))
    return Weights(tf.convert_to_tensor(cell.kernel), recurrent_kernel, None)


def test_a_cell_that_its_author_registers(float64):
    model = sequential(keras.layers.Masking(), stack([LeakyCell(3), keras.layers.GRUCell(2)]))
    with pytest.raises(ValueError, match=r"'stack'.*LeakyCell has no equations.*register_cell"):
        watch(model)
    wrong = LeakyEquations(keras.activations.tanh, sent_back=0.4)
    register_cell(LeakyCell, lambda _: wrong, leaky_weights)
    with pytest.raises(ValueError, match=r"equations registered for LeakyCell disagree.*gradient"):
        watch(model)
    register_cell(LeakyCell, lambda _: LeakyEquations(keras.activations.tanh), leaky_weights)
    stock = copy_of(model)
    watch(model)
    assert_all_close(outputs_and_gradients(model), outputs_and_gradients(stock))
    cells, stock_cells = (m.get_layer("stack").cell.cells for m in (model, stock))
    assert_errors(cells, stock, stock_cells, VALID)


def test_a_stack_is_saved_as_the_stock_layer_that_it_is(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = watch(sequential(stack()))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("stack")) is keras.layers.RNN
    assert_all_close([watch(loaded)(X)], [model(X)], 1e-2)


def test_what_stays_hidden_is_named_and_left_as_it_is():
    class Decoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = keras.layers.LSTM(3, return_state=True)
            self.gelu = keras.layers.GRU(3, activation="gelu", name="gelu")
            self.cell = keras.layers.LSTMCell(3, name="stepwise")

        def call(self, x):
            _, *state = self.encoder(x)
            return self.cell(x[:, 0], state)[0] + self.gelu(x)

    model = Decoder()
    with pytest.warns(
        UserWarning, match=r"'gelu', GRU around.*cell 'stepwise'.*by the model's own"
    ):
        watch(model)
    outputs_and_gradients(model)
    assert model.encoder.error.count == 1
    assert not hasattr(model.gelu, "error")


def test_functions_that_analyse_leave_a_stock_model_as_it_was(float64):
    model = Network()
    model.compile("sgd", "mse")
    model(X)
    y = np.zeros([BATCH, 1])
    results = [horizon(model, X, "last").hidden, error_matrix(model, X, y, "last")]
    gradients = per_step_gradients(model, X, y)["head/last"]
    assert not hasattr(model.gated, "error")
    assert model.gated.inner_loop.__func__ is keras.layers.LSTM.inner_loop
    watch(model)
    with tf.GradientTape() as tape:
        e = model.compute_loss(X, y, model(X))
    layer = model.head.get_layer("last")
    kernel = tape.gradient(e, layer.cell.kernel.value)
    np.testing.assert_allclose(gradients["kernel"].sum(0), kernel)
    np.testing.assert_allclose(results[1][0], layer.error.hidden, rtol=1e-5)
    assert_all_close([horizon(model, X, "last").hidden], results[:1])


def test_dropout_of_a_stack_draws_the_masks_of_keras(float64):
    def network():
        cell = keras.layers.SimpleRNNCell
        cells = [cell(2, dropout=0.4, seed=1), cell(2, dropout=0.4, recurrent_dropout=0.4, seed=2)]
        return sequential(stack(cells))

    model, stock = network(), network()
    stock.set_weights(model.get_weights())
    watch(model)
    for _ in "ab":
        ours, theirs = (outputs_and_gradients(m, training=True) for m in (model, stock))
        assert_all_close(ours, theirs)


def test_two_replicas_see_the_whole_batch(two_replicas):
    with two_replicas.scope():
        model = sequential(stack([keras.layers.SimpleRNNCell(2)]))
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    stock = copy_of(model)
    watch(model).fit(X[::2], np.full([2, 2], 0.3), verbose=0)
    cells, stock_cells = (m.get_layer("stack").cell.cells for m in (model, stock))
    assert_errors(cells, stock, stock_cells, np.ones_like(VALID[::2]), x=X[::2])
