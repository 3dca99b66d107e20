"""A recorded row belongs to the training step and the call that the graph itself says."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks import ErrorFlow, Gates, LayerGradients
from errorflow.callbacks.recording.memory import Memory
from errorflow.callbacks.recording.training_steps import TrainingSteps, training_steps
from errorflow.layers import GRU, SimpleRNN
from errorflow.layers.text.each_step import EachStep

B, T, D, H = 4, 5, 3, 3
ALL = np.random.default_rng(0).normal(size=(8 * B, T, D)).astype("float32")
TARGETS = np.random.default_rng(1).normal(size=(8 * B, 1)).astype("float32")


def make(model_class=keras.Model, optimizer=None, loss="mse", **options):
    keras.utils.set_random_seed(0)
    x = keras.Input([T, D])
    y = keras.layers.Dense(1, name="top")(SimpleRNN(H, name="rnn")(x))
    model = model_class(x, y)
    options = {"jit_compile": False, **options}
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss, **options)
    return model


def fit(model, *callbacks, count=8, **options):
    model.fit(
        ALL[: count * B],
        TARGETS[: count * B],
        batch_size=B,
        shuffle=False,
        verbose=0,
        callbacks=[*callbacks],
        **options,
    )


def record(model, *callbacks, **options):
    flow = ErrorFlow()
    fit(model, flow, *callbacks, **options)
    return flow.history


class Saliency(keras.callbacks.Callback):
    """Goes backward through the model after each batch, outside the training step."""

    def on_train_batch_end(self, batch, logs=None):
        x = tf.constant(ALL[:2])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = self.model(x, training=False)
        tape.gradient(y, x)


@pytest.mark.parametrize("pace", [1, 3])
def test_a_backward_pass_outside_the_training_step_is_no_row(pace):
    plain = record(make(), epochs=2)["rnn"]
    model = make(steps_per_execution=pace)
    watched = record(model, Saliency(), epochs=2)["rnn"]
    np.testing.assert_array_equal(watched["step"], np.arange(1, 17))
    np.testing.assert_allclose(watched["hidden"], plain["hidden"], rtol=1e-4)


class TwoTapes(keras.Model):
    def train_step(self, data):
        x, y = data
        for shift in (0.0, 1.0):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x + shift, training=True) - y) ** 2)
            tape.gradient(loss, self.trainable_variables)
        return {"loss": loss}


class SecondCallInEvenSteps(keras.Model):
    def __init__(self, *args):
        super().__init__(*args)
        self.number = tf.Variable(0, trainable=False)

    def train_step(self, data):
        x, y = data

        def update(calls):
            with tf.GradientTape() as tape:
                losses = [tf.reduce_mean((self(x + n) - y) ** 2) for n in range(calls)]
                loss = tf.add_n(losses)
            tape.gradient(loss, self.trainable_variables)
            return loss

        self.number.assign_add(1)
        even = self.number % 2 == 0
        return {"loss": tf.cond(even, lambda: update(2), lambda: update(1))}


def figures_of_passes(shifts):
    """The errors that a layer of the same weights shows in a loop of one's own."""
    model, x, y = make(), tf.constant(ALL[:B]), tf.constant(TARGETS[:B])
    for shift in shifts:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x + shift, training=True) - y) ** 2)
        tape.gradient(loss, model.trainable_variables)
        yield model.get_layer("rnn").error.hidden


def test_two_tapes_in_one_training_step():
    history = record(make(TwoTapes), count=1)
    rows = [history[name]["hidden"][0] for name in ("rnn", "rnn:1")]
    np.testing.assert_allclose(rows, [*figures_of_passes((0.0, 1.0))], rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}, {"run_eagerly": True}], ids=str)
def test_a_call_that_not_every_step_makes_has_the_numbers_of_its_steps(options):
    if options.get("jit_compile"):
        options = {**options, "steps_per_execution": 3}
    history = record(make(SecondCallInEvenSteps, **options), count=6)
    assert history["rnn"]["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert history["rnn:1"]["step"].tolist() == [2, 4, 6]
    second = history["rnn:1"]["hidden"][0]
    np.testing.assert_allclose(second, [*figures_of_batch_two()][1], rtol=1e-4)


def figures_of_batch_two():
    model, x, y = make(), tf.constant(ALL[B : 2 * B]), tf.constant(TARGETS[B : 2 * B])
    for shift in (0.0, 1.0):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x + shift, training=True) - y) ** 2)
        tape.gradient(loss, model.trainable_variables)
        yield model.get_layer("rnn").error.hidden


@pytest.mark.parametrize("eager", [False, True])
def test_calls_side_by_side_have_the_order_of_the_code(eager):
    """Keras runs parallel branches in another order; the lengths tell the calls apart."""
    rnn, inner, x = GRU(2, name="rnn"), GRU(2, name="inner"), keras.Input([None, 1])
    encoder = keras.Model(x, inner(x), name="encoder")
    short, middle, long = inputs = [keras.Input([steps, 1]) for steps in (3, 4, 5)]
    calls = [rnn(middle), rnn(long), rnn(short), encoder(long), encoder(short)]
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.add(calls)))
    model.compile("sgd", "mse", run_eagerly=eager, jit_compile=False)
    x = [np.ones([2, steps, 1], "float32") for steps in (3, 4, 5)]
    flow, gates = ErrorFlow(), Gates(x)
    model.fit(x, np.ones([2, 1]), callbacks=[flow, gates], verbose=0)
    written = {"rnn": 4, "rnn:1": 5, "rnn:2": 3, "encoder/inner": 5, "encoder/inner:1": 3}
    assert {name: int(tables["length"][0]) for name, tables in flow.history.items()} == written
    assert {name: g["update"].shape[1] for name, g in gates.history.items()} == written


def test_accumulated_gradients_in_one_execution_of_several_steps():
    def optimizer():
        return keras.optimizers.SGD(0.1, gradient_accumulation_steps=4)

    plain = record(make(optimizer=optimizer()))
    model, gradients = make(optimizer=optimizer(), steps_per_execution=8), LayerGradients()
    packed = record(model, gradients, epochs=2)
    assert [*packed] == ["rnn"]
    np.testing.assert_array_equal(packed["rnn"]["step"], np.arange(1, 17))
    np.testing.assert_array_equal(gradients.history["step"], np.arange(1, 17))
    np.testing.assert_allclose(packed["rnn"]["hidden"][:8], plain["rnn"]["hidden"], rtol=1e-4)
    assert record(model, count=1)["rnn"]["step"].tolist() == [17]


@pytest.mark.parametrize("compiled_anew", [False, True])
def test_steps_without_the_callback_are_counted_and_not_recorded(compiled_anew):
    model, flow, gradients = make(), ErrorFlow(), LayerGradients()
    fit(model, flow, gradients, count=2)
    if compiled_anew:
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    fit(model, count=3)
    fit(model, flow, gradients, count=2)
    assert flow.history["rnn"]["step"].tolist() == [1, 2, 6, 7]
    assert gradients.history["step"].tolist() == [1, 2, 6, 7]


class Restore(keras.callbacks.Callback):
    """Restores the optimizer's count when training begins, as BackupAndRestore does."""

    def on_train_begin(self, logs=None):
        self.model.optimizer.build(self.model.trainable_variables)
        self.model.optimizer.iterations.assign(3)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_training_that_goes_on_from_a_backup_goes_on_counting(is_first):
    flow, gradients = ErrorFlow(), LayerGradients()
    callbacks = [Restore(), flow, gradients] if is_first else [flow, gradients, Restore()]
    model = make()
    fit(model, *callbacks, count=5)
    assert flow.history["rnn"]["step"].tolist() == [4, 5, 6, 7, 8]
    assert gradients.history["step"].tolist() == [4, 5, 6, 7, 8]
    fit(model, *callbacks, count=1)  # restored from before: the later rows are no longer true
    assert flow.history["rnn"]["step"].tolist() == [4]


def test_steps_that_the_loss_scale_skips_are_marked():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), 2.0**127)
    flow, gradients = ErrorFlow(), LayerGradients()
    model = make(optimizer=optimizer)
    fit(model, flow, gradients)
    overflowed = ~np.isfinite(gradients.history["norm"]).all(axis=1)
    assert 0 < overflowed.sum() == 8 - int(optimizer.iterations.numpy())
    for history in (flow.history["rnn"], gradients.history):
        assert history["step"].tolist() == [*range(1, 9)]
        np.testing.assert_array_equal(history["skipped"], overflowed)


@pytest.mark.parametrize("factor", [None, 1024.0])
def test_the_loss_scale_of_a_training_does_not_reach_a_loop_of_ones_own(factor):
    optimizer = keras.optimizers.SGD(0.0, loss_scale_factor=factor)
    model = make(optimizer=optimizer)
    history = record(model, count=1)["rnn"]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(ALL[:B], training=True) - TARGETS[:B]) ** 2)
    tape.gradient(loss, model.trainable_variables)
    error = model.get_layer("rnn").error.hidden
    np.testing.assert_allclose(error, history["hidden"][0], rtol=1e-5)


def test_a_step_that_does_not_scale_its_loss_is_not_unscaled():
    class Own(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
            tape.gradient(loss, self.trainable_variables)
            return {"loss": loss}

    scaled = make(Own, keras.optimizers.SGD(0.1, loss_scale_factor=64.0))
    hidden = record(scaled, count=1)["rnn"]["hidden"]
    np.testing.assert_allclose(hidden, record(make(), count=1)["rnn"]["hidden"], rtol=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_a_loss_that_is_a_sum_over_the_examples_has_the_errors_of_their_mean(reduction):
    model = make(loss=keras.losses.MeanSquaredError(reduction=reduction))
    hidden = record(model, count=1)["rnn"]["hidden"]
    np.testing.assert_allclose(hidden, record(make(), count=1)["rnn"]["hidden"], rtol=1e-5)


def test_steps_that_a_model_folds_into_the_batch_do_not_scale_the_errors():
    """Three ways to run one GRU on each of two parts of an example."""

    def history(wrap):
        keras.utils.set_random_seed(0)
        x = keras.Input([2, T, D])
        model = keras.Model(x, keras.layers.Dense(1)(wrap(GRU(H, name="rnn"))(x)))
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
        flow = ErrorFlow()
        model.fit(ALL.reshape(-1, 2, T, D)[:B], np.ones([B, 2, 1]), callbacks=[flow], verbose=0)
        squares = [tables["hidden"][0].astype(float) ** 2 for tables in flow.history.values()]
        return np.sqrt(np.mean(squares, axis=0))

    def reshape(layer):
        folded = keras.layers.Lambda(lambda x: tf.reshape(x, [-1, T, D]), output_shape=(T, D))
        unfolded = keras.layers.Lambda(lambda h: tf.reshape(h, [-1, 2, H]), output_shape=(2, H))
        return lambda x: unfolded(layer(folded(x)))

    expected = history(keras.layers.TimeDistributed)
    for wrap in (EachStep, reshape):
        np.testing.assert_allclose(history(wrap), expected, rtol=1e-5)


@pytest.mark.slow
def test_long_sequences_stay_within_the_limits_of_memory():
    """14,000 steps, three directions: rows that find no room are left out, and training goes on."""
    steps = 14_000
    x = keras.Input([steps, 1])
    both = keras.layers.Bidirectional(SimpleRNN(1, return_sequences=True))
    model = keras.Sequential([x, both, SimpleRNN(1, name="top"), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    flow = ErrorFlow()
    model.fit(np.zeros([3, steps, 1]), np.zeros([3, 1]), batch_size=1, callbacks=[flow], verbose=0)
    rings = [
        layer.error.training for layer in (both.forward_layer, both.backward_layer, model.layers[1])
    ]
    held = sum(variable.numpy().nbytes for ring in rings for variable in ring.variables)
    assert held < TrainingSteps.LIMIT * 1.01
    assert len(flow.history) == 3
    for tables in flow.history.values():
        assert tables["step"].tolist() == [1, 2, 3]
        assert tables["length"].tolist() == [steps] * 3
    assert Memory.LIMIT + TrainingSteps.LIMIT < 64 * 2**20


def test_what_finds_no_room_is_left_out_and_said(monkeypatch):
    """Sequences that are longer than all the room, and more rows than it holds between readings."""
    monkeypatch.setattr(TrainingSteps, "LIMIT", 8 * T * 8 * 6)  # a quarter holds two rows
    model = make()
    flow = ErrorFlow()
    fit(model, flow)
    assert flow.history["rnn"]["step"].tolist() == [*range(1, 9)]
    assert not any("left out" in sentence for sentence in flow.verdict())
    model = make(steps_per_execution=8)
    fit(model, flow)
    assert flow.history["rnn"]["step"].tolist() == [7, 8]
    assert flow.verdict()[-1].startswith("rnn: left out: 6 backward passes, overwritten by")
    monkeypatch.setattr(TrainingSteps, "LIMIT", 3 * 8 * 6)
    fit(make(), flow)
    assert flow.history == {}
    assert "left out: 8 backward passes over up to 5 time steps" in flow.verdict()[-1]


def test_a_row_that_a_step_without_one_has_overwritten_is_left_out(monkeypatch):
    """Steps 2, 4 and 6 fill the room; step 7, which is not recorded, is written over step 2."""
    whole = record(make())["rnn"]["hidden"]
    monkeypatch.setattr(TrainingSteps, "LIMIT", 12 * T * 8 * 6)  # a quarter holds three rows
    flow = ErrorFlow(every=2)
    fit(make(steps_per_execution=7), flow, count=7)
    assert flow.history["rnn"]["step"].tolist() == [4, 6]
    np.testing.assert_allclose(flow.history["rnn"]["hidden"], whole[[3, 5]], rtol=1e-4)
    assert "left out: 1 backward pass, overwritten" in flow.verdict()[-1]


def test_two_callbacks_read_the_same_rows_each_at_its_own_pace():
    model, every, third = make(), ErrorFlow(), ErrorFlow(every=3)
    fit(model, every, third)
    assert third.history["rnn"]["step"].tolist() == [3, 6]
    np.testing.assert_array_equal(
        third.history["rnn"]["hidden"], every.history["rnn"]["hidden"][[2, 5]]
    )
    assert training_steps(model).count == 8
