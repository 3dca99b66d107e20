"""`watch`: the same outputs and Variables, with layers that show their errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow import layers
from errorflow.layers import watch

BATCH, STEPS, WIDTH, UNITS = 4, 5, 3, 6
CELLS = {"SimpleRNN": layers.SimpleRNN, "LSTM": layers.LSTM, "GRU": layers.GRU}


def plain(name, **options):
    return [getattr(keras.layers, name)(UNITS, name="recurrent", **options), keras.layers.Dense(2)]


def stacked(name, **options):
    """Masked, bidirectional, and a layer that runs backwards on top."""
    first = getattr(keras.layers, name)(4, return_sequences=True, **options)
    both_ways = keras.layers.Bidirectional(first, name="both_ways")
    return [keras.layers.Masking(0.0), both_ways, *plain(name, go_backwards=True)]


def around_a_cell(name):
    cell = getattr(keras.layers, f"{name}Cell")(UNITS)
    return [keras.layers.RNN(cell, unroll=True, name="recurrent"), keras.layers.Dense(2)]


def sequential(stack):
    return keras.Sequential([keras.Input((STEPS, WIDTH)), *stack])


def sequences(model, right_padding=True):
    x = np.random.randn(BATCH, *model.input_shape[1:]).astype("float32")
    if right_padding:
        x[1, 3:] = 0.0
    return x, np.random.randn(BATCH, model.output_shape[-1]).astype("float32")


def spread(model):
    """Add noise to all weights, so that a swapped or dropped bias is noticed."""
    model.set_weights([w + 0.1 * np.random.randn(*w.shape) for w in model.get_weights()])


def copy_of(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def outputs_and_gradients(model, x, y, training=False):
    with tf.GradientTape() as tape:
        outputs = model(x, training=training)
        loss = tf.reduce_mean((outputs - y) ** 2)
    return [outputs, *tape.gradient(loss, model.trainable_weights)]


def assert_all_close(ours, theirs, atol=1e-6):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=atol)


@pytest.mark.parametrize("stack", [stacked, around_a_cell])
@pytest.mark.parametrize("name", CELLS)
def test_outputs_gradients_and_three_updates_are_those_of_the_stock_model(name, stack):
    model = sequential(stack(name))
    spread(model)
    untouched = copy_of(model)
    for m in (model, untouched):
        m.compile(keras.optimizers.SGD(0.5), "mse")
    watched = watch(model)
    x, y = sequences(model)
    for _ in range(3):
        results = [outputs_and_gradients(m, x, y) for m in (watched, untouched)]
        assert_all_close(*results)
        for m, (_, *gradients) in zip((watched, untouched), results, strict=True):
            m.optimizer.apply(gradients, m.trainable_weights)
    assert_all_close(model.get_weights(), untouched.get_weights())


@pytest.mark.parametrize("name", CELLS)
def test_variables_layers_and_compilation_are_the_same_objects(name):
    stack = stacked(name, dropout=0.5, kernel_regularizer="l2", recurrent_constraint="unit_norm")
    model = sequential(stack)
    mae = keras.metrics.MeanAbsoluteError()
    options = {"loss_weights": [2.0], "steps_per_execution": 2, "jit_compile": False}
    model.compile(keras.optimizers.Adam(), "mse", metrics=[mae], **options)
    watched = watch(model)

    assert [id(v) for v in watched.variables] == [id(v) for v in model.variables]
    assert watched.optimizer is model.optimizer
    assert watched.steps_per_execution == 2
    for ours, theirs in zip(watched.layers, model.layers, strict=True):
        assert ours.name == theirs.name
        assert (ours is theirs) == (ours.name not in ("both_ways", "recurrent"))
    assert isinstance(watched.get_layer("recurrent"), CELLS[name])
    x, y = sequences(model)
    losses = [m.evaluate(x, y, verbose=0, return_dict=True) for m in (watched, model)]
    assert list(losses[0]) == ["loss", "mean_absolute_error"]
    np.testing.assert_allclose(*[list(metrics.values()) for metrics in losses], rtol=1e-5)


def test_optimizer_state_is_shared_by_both_models():
    model = sequential(plain("SimpleRNN"))
    model.compile(keras.optimizers.Adam(0.1), "mse", jit_compile=False)
    x, y = sequences(model)
    model.train_on_batch(x, y)
    untouched = copy_of(model)
    untouched.compile(keras.optimizers.Adam(0.1), "mse", jit_compile=False)
    untouched.optimizer.build(untouched.trainable_variables)
    for ours, theirs in zip(untouched.optimizer.variables, model.optimizer.variables, strict=True):
        ours.assign(theirs)

    watch(model).train_on_batch(x, y)
    untouched.train_on_batch(x, y)
    assert int(model.optimizer.iterations) == 2
    assert_all_close(model.get_weights(), untouched.get_weights(), atol=1e-5)


def test_dropout_draws_the_masks_that_the_stock_layer_would_have_drawn():
    model = sequential(plain("SimpleRNN", dropout=0.4, recurrent_dropout=0.4))
    seed = model.get_layer("recurrent").cell.seed_generator.state
    x, y = sequences(model)
    before = seed.numpy()
    theirs = outputs_and_gradients(model, x, y, training=True)
    seed.assign(before)
    assert_all_close(outputs_and_gradients(watch(model), x, y, training=True), theirs)


def encoder_decoder():
    source, target = keras.Input((None, WIDTH)), keras.Input((STEPS, 2))
    _, *state = keras.layers.LSTM(UNITS, return_state=True, name="encoder")(
        keras.layers.Masking()(source)
    )
    decoded = keras.layers.LSTM(UNITS, return_sequences=True, name="decoder")(
        target, initial_state=state
    )
    return keras.Model([source, target], keras.ops.sum(decoded * 2.0, axis=1))


def test_states_handed_from_encoder_to_decoder():
    model = encoder_decoder()
    spread(model)
    x = [np.random.randn(BATCH, STEPS + 1, WIDTH), np.random.randn(BATCH, STEPS, 2)]
    x[0][2, 4:] = 0.0
    x, y = [tf.constant(a, "float32") for a in x], np.ones([BATCH, UNITS], "float32")
    watched = watch(model)
    assert_all_close(outputs_and_gradients(watched, x, y), outputs_and_gradients(model, x, y))
    assert watched.get_layer("encoder").error.hidden.shape == (STEPS + 1,)
    assert watched.get_layer("decoder").error.hidden.shape == (STEPS,)


def test_nested_models_and_a_layer_called_twice():
    shared = keras.Sequential([keras.Input((STEPS, WIDTH)), *plain("GRU")], name="inner")
    left, right = (keras.Input((STEPS, WIDTH), name=side) for side in "lr")
    model = keras.Model({"l": left, "r": right}, shared(left) - shared(right))
    watched = watch(model)
    x = {key: np.random.randn(BATCH, STEPS, WIDTH).astype("float32") for key in "lr"}
    assert_all_close(outputs_and_gradients(watched, x, 1.0), outputs_and_gradients(model, x, 1.0))
    inner = watched.get_layer("inner").get_layer("recurrent")
    assert isinstance(inner, layers.GRU)
    assert inner.error.count == 2


def test_a_stateful_layer_keeps_and_shares_its_state():
    inputs = keras.Input(batch_shape=(BATCH, STEPS, WIDTH))
    model = keras.Sequential([inputs, *plain("LSTM", stateful=True)])
    x, _ = sequences(model)
    model.predict(x, verbose=0)
    watched = watch(model)
    state = model.get_layer("recurrent").states[0]
    assert watched.get_layer("recurrent").states[0] is state
    assert np.abs(state.numpy()).max() > 0
    untouched = copy_of(model)
    untouched.predict(x, verbose=0)
    np.testing.assert_allclose(
        watched.predict(x, verbose=0), untouched.predict(x, verbose=0), atol=1e-6
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_precision_is_that_of_the_stock_model(policy):
    keras.config.set_dtype_policy(policy)
    model = sequential(stacked("LSTM"))
    model.compile("adam", "mse")
    watched = watch(model)
    assert watched.optimizer is model.optimizer
    x, y = sequences(model)
    assert_all_close(watched(x), model(x), atol=1e-2)
    outputs, *gradients = outputs_and_gradients(watched, x, y.astype(model.compute_dtype))
    assert outputs.dtype == model.compute_dtype
    assert {g.dtype.name for g in gradients} == {model.variable_dtype}


def test_frozen_layers_stay_frozen_and_can_be_thawed():
    model = sequential(stacked("GRU"))
    model.get_layer("recurrent").trainable = False
    watched = watch(model)
    names = [v.path for v in watched.trainable_weights]
    assert names == [v.path for v in model.trainable_weights]
    watched.get_layer("recurrent").trainable = True
    assert len(watched.trainable_weights) == len(names) + 3


def test_a_subclass_with_its_own_training_step_keeps_it():
    class Counting(keras.Model):
        steps = 0

        def train_step(self, data):
            self.steps += 1
            return super().train_step(data)

    inputs = keras.Input((STEPS, WIDTH))
    model = Counting(inputs, keras.layers.LSTM(2)(inputs))
    model.compile("sgd", "mse", run_eagerly=True)
    watched = watch(model)
    watched.train_on_batch(*sequences(model))
    assert (type(watched), watched.steps) == (Counting, 1)


def test_two_replicas_share_the_variables_and_see_the_whole_batch(two_replicas):
    with two_replicas.scope():
        model = sequential(plain("SimpleRNN"))
        model.compile(keras.optimizers.SGD(0.1), "mse")
        spread(model)
    single = copy_of(model)
    single.compile(keras.optimizers.SGD(0.1), "mse")
    watched, alone = watch(model), watch(single)
    x, y = sequences(model)
    for m in (watched, alone):
        m.fit(x, y, batch_size=BATCH, verbose=0)
    assert all(a is b for a, b in zip(watched.weights, model.weights, strict=True))
    assert_all_close(watched.get_weights(), alone.get_weights())
    ours, theirs = (m.get_layer("recurrent").error.hidden for m in (watched, alone))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_watching_twice_gives_the_same_model():
    watched = watch(sequential(plain("LSTM")))
    assert watch(watched) is watched


def test_a_watched_model_is_saved_and_loaded(tmp_path):
    model = sequential(stacked("GRU"))
    x, _ = sequences(model)
    watch(model).save(tmp_path / "watched.keras")
    loaded = keras.models.load_model(tmp_path / "watched.keras")
    np.testing.assert_allclose(loaded(x), model(x), atol=1e-6)
    assert isinstance(loaded.get_layer("recurrent"), layers.GRU)


class OwnLoop(keras.layers.LSTM):
    def inner_loop(self, *arguments, **options):
        return super().inner_loop(*arguments, **options)


class OwnCell(keras.layers.LSTMCell):
    def call(self, *arguments, **options):
        return super().call(*arguments, **options)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: "model", TypeError, "expected a Keras model, got str"),
        (lambda: keras.Sequential(plain("LSTM")), ValueError, "not built.*keras.Input"),
        (lambda: sequential([keras.layers.Dense(2)]), ValueError, "no recurrent layer"),
        (keras.Model, ValueError, "no recurrent layer.*not built"),
        (
            lambda: sequential([OwnLoop(2, name="own")]),
            ValueError,
            "'own', OwnLoop around LSTMCell: it has an inner loop of its own",
        ),
        (
            lambda: sequential([keras.layers.RNN([keras.layers.GRUCell(2), OwnCell(2)], name="r")]),
            ValueError,
            "'r', RNN around StackedRNNCells: its cell OwnCell has a `call`.*register_cell",
        ),
        (
            lambda: sequential(plain("LSTM", activation="gelu")),
            ValueError,
            "'recurrent', LSTM around LSTMCell: activation 'gelu'",
        ),
    ],
)
def test_models_that_cannot_be_watched_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        watch(make())
