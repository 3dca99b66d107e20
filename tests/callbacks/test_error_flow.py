"""ErrorFlow records the errors of every training step, each once, whatever runs the steps.

The reference trains a stock Keras model on the same batches, and before each step takes the errors
of its recurrent layer by automatic differentiation of a Python loop.
"""

import copy

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from errorflow.callbacks import ErrorFlow
from errorflow.callbacks.recording.training_steps import RING
from errorflow.layers import GRU, LSTM, SimpleRNN, watch

B, T, D, H = 4, 6, 3, 5
STEP = {
    "SimpleRNN": reference.simple_rnn,
    "LSTM": reference.lstm,
    "GRU": reference.gru_reset_after,
}


def batches(count, lengths=(T,), seed=0):
    random = np.random.default_rng(seed)
    for i in range(count):
        steps = lengths[i % len(lengths)]
        x = random.normal(size=(B, steps, D)).astype("float32")
        x[0, : steps // 2] = 0.0  # masked where a model masks
        yield x, random.normal(size=(B, 1)).astype("float32")


def dataset(count, lengths=(T,), seed=0):
    shapes = tf.TensorSpec([B, None if len(lengths) > 1 else T, D]), tf.TensorSpec([B, 1])
    data = tf.data.Dataset.from_generator(
        lambda: batches(count, lengths, seed), output_signature=shapes
    )
    return data.apply(tf.data.experimental.assert_cardinality(count))


def make(layer=LSTM, steps=T, mask=False, seed=1, **compile_options):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input([steps, D], batch_size=B),
            *([keras.layers.Masking()] if mask else []),
            layer(H, name="rnn", bias_initializer="random_normal"),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )
    options = {"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", "jit_compile": False}
    model.compile(**{**options, **compile_options})
    return model


def fit(model, data, flow, **options):
    model.fit(data, callbacks=[flow], verbose=0, **options)
    return flow.history


def expected(kind, data, mask):
    """The tables of `history`, one row for each batch."""
    model = make(getattr(keras.layers, kind), None, mask)
    rows = []
    for x, y in data:
        valid = (x != 0).any(-1) if mask else None
        *weights, kernel, bias = model.get_weights()
        states = [np.zeros([B, H], "float32")] * (2 if kind == "LSTM" else 1)

        def loss(_, last, kernel=kernel, bias=bias, y=y):
            return tf.reduce_mean((last[0] @ kernel + bias - y) ** 2)

        errors = reference.errors(loss, STEP[kind], x, states, weights, valid)
        rows.append(reference.figures(errors, valid))
        model.train_on_batch(x, y)
    return rows


def assert_tables(history, rows):
    lengths = [len(row["hidden"]) for row in rows]
    np.testing.assert_array_equal(history["length"], lengths)
    np.testing.assert_array_equal(history["step"], np.arange(1, len(rows) + 1))
    assert {*history} == {"step", "length", "skipped", *rows[0]}
    for name, table in ((n, t) for n, t in history.items() if t.ndim == 2):
        assert table.shape == (len(rows), max(lengths))
        for row, length, got in zip(rows, lengths, table, strict=True):
            here = slice(-length, None) if name.endswith("_from_end") else slice(length)
            np.testing.assert_allclose(got[here], row[name], rtol=2e-4, atol=1e-7, err_msg=name)
            assert np.isnan(np.delete(got, np.arange(len(got))[here])).all()


@pytest.mark.parametrize(("layer", "mask"), [(SimpleRNN, False), (LSTM, True)])
def test_history_is_the_error_of_every_training_step(layer, mask):
    flow = ErrorFlow()
    history = fit(make(layer, mask=mask), dataset(5), flow)
    assert [*history] == ["rnn"]
    assert_tables(history["rnn"], expected(layer.__name__, batches(5), mask))


def test_rows_of_shorter_batches_are_padded():
    lengths = (4, 6, 5)
    history = fit(make(GRU, steps=None, mask=True), dataset(6, lengths), ErrorFlow())
    assert_tables(history["rnn"], expected("GRU", batches(6, lengths), True))


@pytest.mark.parametrize(
    ("pace", "count", "jit_compile"),
    [
        (3, 10, True),
        pytest.param(RING + 6, RING + 20, True, marks=pytest.mark.slow),
        pytest.param(1, RING + 9, False, marks=pytest.mark.slow),
        pytest.param(50, 7, False, marks=pytest.mark.slow),
    ],
)
def test_one_row_for_each_step_with_steps_per_execution(pace, count, jit_compile):
    """Also when the data end in the middle of one, or before the first is over."""
    alone = fit(make(), dataset(count), ErrorFlow(), epochs=2)["rnn"]
    model = make(steps_per_execution=pace, jit_compile=jit_compile)
    together = fit(model, dataset(count), ErrorFlow(), epochs=2)["rnn"]
    np.testing.assert_array_equal(together["step"], np.arange(1, 2 * count + 1))
    for name in alone:
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("pace", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_every_kth_step(pace):
    whole = fit(make(), dataset(RING * 3), ErrorFlow())["rnn"]
    some = fit(make(steps_per_execution=pace), dataset(RING * 3), ErrorFlow(every=70))["rnn"]
    np.testing.assert_array_equal(some["step"], np.arange(70, 3 * RING + 1, 70))
    np.testing.assert_allclose(
        some["hidden"], whole["hidden"][some["step"].astype(int) - 1], rtol=1e-5
    )


def test_copies_evaluation_and_repeated_fit(tmp_path):
    """keras-tuner copies callbacks before training."""
    model, flow = make(), copy.deepcopy(ErrorFlow(tmp_path))
    model.evaluate(dataset(2), verbose=0)
    fit(model, dataset(3), flow, validation_data=dataset(2))
    model.evaluate(dataset(2), verbose=0)
    again = fit(model, dataset(4, seed=5), flow)["rnn"]
    np.testing.assert_array_equal(again["step"], np.arange(1, 8))

    twin = make()
    first = fit(twin, dataset(3), ErrorFlow())["rnn"]
    second = fit(twin, dataset(4, seed=5), ErrorFlow())["rnn"]
    np.testing.assert_array_equal(second["step"], [4, 5, 6, 7])  # as its optimizer counted
    both = np.concatenate([first["hidden"], second["hidden"]])
    np.testing.assert_array_equal(again["hidden"], both)


class Stop(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.step:
            raise KeyboardInterrupt


def test_an_interrupted_training_loses_no_row(tmp_path):
    model, flow = make(), ErrorFlow(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        model.fit(dataset(9), callbacks=[flow, Stop(4)], verbose=0)
    np.testing.assert_array_equal(flow.history["rnn"]["step"], [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(fit(model, dataset(2), flow)["rnn"]["step"], np.arange(1, 8))


def test_paths_and_calls():
    """A nested model, both directions, and a layer called twice, the second call on the first."""
    x = keras.Input([T, H])
    both = keras.layers.Bidirectional(LSTM(2, return_sequences=True, name="lstm"), name="both")
    encoder = keras.Model(x, both(x), name="encoder")
    twice = GRU(H, return_sequences=True, name="twice")
    y = twice(twice(x) + 1.0)
    model = keras.Model(x, keras.layers.Dense(1)(keras.layers.concatenate([encoder(x), y])))
    model.compile("sgd", "mse", jit_compile=False)
    flow = ErrorFlow()
    random = np.random.default_rng(0)
    data = random.normal(size=(8, T, H)), random.normal(size=(8, T, 1))
    model.fit(*data, batch_size=4, callbacks=[flow], verbose=0)
    names = {"encoder/both/forward_lstm", "encoder/both/backward_lstm", "twice", "twice:1"}
    assert {*flow.history} == names
    last_call, first_call = twice.error.latest(2)
    np.testing.assert_array_equal(flow.history["twice"]["hidden"][-1], first_call["hidden"])
    np.testing.assert_array_equal(flow.history["twice:1"]["hidden"][-1], last_call["hidden"])


def test_a_model_built_by_its_first_batch_loses_no_row():
    class Lazy(keras.Model):
        def __init__(self):
            super().__init__()
            self.rnn, self.top = LSTM(H, name="rnn"), keras.layers.Dense(1)

        def call(self, x):
            return self.top(self.rnn(x))

    model = Lazy()
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    model.compile(optimizer, "mse", steps_per_execution=20, jit_compile=False)
    history = fit(model, dataset(25), ErrorFlow())["rnn"]
    np.testing.assert_array_equal(history["step"], np.arange(1, 26))
    assert history["hidden"].max() < 100  # the loss was multiplied by 32,768


def scaled(factor):
    return keras.optimizers.SGD(0.1, loss_scale_factor=factor)


def test_loss_scale_is_divided_out_even_if_training_began_without():
    plain = fit(make(), dataset(4), ErrorFlow())["rnn"]
    model = make(optimizer=scaled(128.0))
    start = model.get_weights()
    model.fit(dataset(4), verbose=0)
    model.set_weights(start)
    recorded = fit(model, dataset(4), ErrorFlow())["rnn"]
    np.testing.assert_allclose(recorded["hidden"], plain["hidden"], rtol=1e-5)


def test_mixed_float16():
    plain = fit(make(), dataset(6), ErrorFlow())["rnn"]
    keras.config.set_dtype_policy("mixed_float16")
    model = make(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), 2.0**12))
    half = fit(model, dataset(6), ErrorFlow())["rnn"]
    for name in ("hidden", "carried", "cell", "hidden_max"):
        np.testing.assert_allclose(half[name], plain[name], rtol=0.05, atol=2e-3)


def test_two_replicas_record_the_same_as_one(two_replicas):
    alone = fit(make(), dataset(5), ErrorFlow())["rnn"]
    with two_replicas.scope():
        model = make()
    together = fit(model, dataset(5), ErrorFlow())["rnn"]
    for name in alone:
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-4, atol=1e-7)


def test_a_watched_model():
    stock = make(keras.layers.LSTM)
    history = fit(watch(stock), dataset(3), ErrorFlow())["rnn"]
    assert_tables(history, expected("LSTM", batches(3), False))


def test_models_without_a_visible_recurrent_layer_raise_an_error():
    stock = make(keras.layers.GRU)
    with pytest.raises(ValueError, match=r"\(rnn\) do not show .* errorflow.layers.watch\(model\)"):
        fit(stock, dataset(1), ErrorFlow())
    flat = keras.Sequential([keras.Input([3]), keras.layers.Dense(1)])
    flat.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"no recurrent layer.*LayerGradients"):
        flat.fit(np.ones([2, 3]), np.ones([2, 1]), callbacks=[ErrorFlow()], verbose=0)
    with pytest.raises(ValueError, match="`every` must be a whole number"):
        ErrorFlow(every=0)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # that is what it is about
def test_a_layer_that_no_error_reaches_is_named_in_the_verdict():
    x = keras.Input([T, D])
    rnn = SimpleRNN(H, name="rnn")(x)
    model = keras.Model(x, keras.layers.Dense(1)(keras.ops.stop_gradient(rnn)))
    model.compile("sgd", "mse", jit_compile=False)
    flow = ErrorFlow()
    assert fit(model, dataset(3), flow) == {}
    (sentence,) = flow.verdict()
    assert sentence.startswith("rnn: no error reached this layer in 3 training steps. ")


def test_plot():
    flow = ErrorFlow()
    with pytest.raises(ValueError, match="train with the callback first"):
        flow.plot()
    fit(make(), dataset(3), flow)
    figure = flow.plot(statistic="cell", align="start")
    assert figure.axes[0].get_title(loc="left") == "rnn"
    with pytest.raises(ValueError, match="'gates' cannot be drawn or was not recorded"):
        flow.plot("gates")
