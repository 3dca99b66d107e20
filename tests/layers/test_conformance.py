"""Every public layer conforms to Keras: weights, configs, saving, export, dtypes."""

import copy
import json
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import CASES, LSTM, RECURRENT, STOCK, D, T, each, problem
from errorflow import layers


def test_every_public_layer_is_in_the_table():
    public = {v for v in vars(layers).values() if isinstance(v, type)}
    assert {v for v in public if issubclass(v, keras.Layer)} == {case.layer for case in CASES}


def model_of(case):
    """A model with biases that are not zero, and a batch for it."""
    layer = case.make()
    model = keras.Sequential([keras.Input(case.input_shape[1:]), layer, keras.layers.Dense(2)])
    layer.set_weights(problem(case).weights)
    return model, problem(case).x


@each(CASES)
def test_weights_have_the_names_and_shapes_of_the_table(case):
    layer = case.make()
    layer.build(case.input_shape)
    assert case.shapes(layer) == case.weights
    assert [w.name for w in layer.weights] == [name.split("/")[-1] for name in case.weights]
    assert layer.count_params() == case.parameters


@each(STOCK)
def test_weights_have_the_paths_of_keras(case):
    paths = []
    for make in (case.make, case.make, case.stock):  # the second of its kind has the same paths
        layer = make(name="layer")
        layer.build(case.input_shape)
        paths.append([w.path for w in layer.weights])
    assert paths[0] == paths[1] == paths[2]


@each(CASES)
def test_configuration_survives_json(case):
    layer = case.make(name="layer", dtype="float64", trainable=False)
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(copy.deepcopy(config))
    assert json.loads(json.dumps(again.get_config())) == config
    assert not again.trainable
    again.build(case.input_shape)
    assert case.shapes(again) == case.weights
    assert {str(w.dtype) for w in again.weights} <= {"float64"}


@each(RECURRENT)
def test_every_argument_survives_the_configuration(case):
    arguments = {
        "return_sequences": True,
        "return_state": True,
        "go_backwards": True,
        "stateful": True,
        "zero_output_for_mask": True,
        "activation": "softplus",
        "use_bias": False,
        "dropout": 0.25,
        "recurrent_dropout": 0.5,
        "seed": 3,
    }
    config = case.make(**arguments).get_config()
    again = type(case.make()).from_config(config).get_config()
    assert {name: again[name] for name in arguments} == arguments
    assert {name: again[name] for name in case.arguments} == case.arguments


@each(CASES)
def test_a_saved_model_gives_the_same_numbers(case, tmp_path):
    model, x = model_of(case)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.layers[0]) is type(model.layers[0])
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@each(RECURRENT)
def test_an_exported_model_gives_the_same_numbers_and_gradients(case, tmp_path):
    model, x = model_of(case)
    model.export(tmp_path / "saved_model", verbose=False)
    exported = tf.saved_model.load(tmp_path / "saved_model")
    results = []
    for call in (exported.serve, model):
        with tf.GradientTape() as tape:
            tape.watch(inputs := tf.constant(x))
            y = call(inputs)
        results.append((y, tape.gradient(y, inputs)))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4, atol=1e-7)


def test_training_continues_equally_in_every_copy(tmp_path):
    """Each copy also has its own error record."""
    model, x = model_of(LSTM)
    y = np.ones([len(x), 2])
    model.compile("adam", "mse", jit_compile=False)
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    copies = {
        "loaded": keras.saving.load_model(tmp_path / "model.keras"),
        "copied": copy.deepcopy(model),
        "pickled": pickle.loads(pickle.dumps(model)),
    }
    before = model.layers[0].error.hidden
    losses = {}
    for name, copied in copies.items():
        count = copied.layers[0].error.count
        losses[name] = [float(copied.train_on_batch(x, y)) for _ in range(2)]
        assert copied.layers[0].error.count == count + 2
    np.testing.assert_array_equal(model.layers[0].error.hidden, before)
    own = [float(model.train_on_batch(x, y)) for _ in range(2)]
    for name in copies:
        np.testing.assert_allclose(losses[name], own, rtol=1e-5, err_msg=name)


def test_a_clone_is_a_new_model():
    model, x = model_of(LSTM)
    clone = keras.models.clone_model(model)
    assert clone.layers[0].error is not model.layers[0].error
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(x, verbose=0), model.predict(x, verbose=0))


@each(CASES)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_dtypes_follow_the_policy(case, policy):
    layer = case.make(dtype=policy)
    layer.build(case.input_shape)
    policy = keras.DTypePolicy(policy)
    x = tf.constant(np.random.default_rng(0).normal(size=case.input_shape))
    with tf.GradientTape() as tape:
        y = layer(x)
        e = tf.reduce_mean(tf.cast(y, "float32") ** 2)
    gradients = tape.gradient(e, [w.value for w in layer.trainable_weights])
    assert y.dtype == policy.compute_dtype
    assert {str(w.dtype) for w in layer.trainable_weights} <= {policy.variable_dtype}
    assert {g.dtype.name for g in gradients} <= {policy.variable_dtype}
    assert all(np.any(g) and np.all(np.isfinite(g)) for g in gradients)


@each([LSTM])
def test_a_frozen_layer_keeps_its_weights_and_still_shows_its_error(case):
    below = keras.layers.Dense(D)
    frozen = case.make(trainable=False)
    model = keras.Sequential([keras.Input([T, D]), below, frozen, keras.layers.Dense(2)])
    x = problem(case).x
    model.compile("sgd", "mse", jit_compile=False)
    before = frozen.get_weights()
    model.train_on_batch(x, np.ones([len(x), 2]))
    for old, new in zip(before, frozen.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert len(model.trainable_weights) == 4
    assert (frozen.error.hidden > 0).all()


@each(RECURRENT)
def test_a_sequence_without_time_or_features_is_refused(case):
    with pytest.raises(ValueError, match=r"expected ndim=3, found ndim=2"):
        case.make()(np.ones([4, 3]))
