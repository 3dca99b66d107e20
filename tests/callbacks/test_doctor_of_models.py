"""`errorflow.callbacks.doctor`: the remedies tried on a reader's own model."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks import doctor

KL = keras.layers


def regression(examples=192, features=4):
    """Return training and validation data of a linear task."""
    values = np.random.default_rng(0)
    x = values.normal(size=(examples, features)).astype("float32")
    y = x @ values.normal(size=(features, 1)).astype("float32")
    return x[:128], y[:128], (x[128:], y[128:])


def network(*layers, shape=(4,), optimizer=None, **options):
    model = keras.Sequential([keras.Input(shape), *layers, KL.Dense(1)])
    options = {"jit_compile": False} | options  # compiled by XLA, each trial takes seconds longer
    model.compile(optimizer or keras.optimizers.SGD(0.02), "mse", **options)
    return model


def dead():
    """A network whose only hidden layer is dead from the start."""
    return network(KL.Dense(8, "relu", bias_initializer=keras.initializers.Constant(-5.0)))


def treat(data, model, **options):
    x, y, validation_data = data
    options = {"validation_data": validation_data, "epochs": 3, "verbose": 0} | options
    return doctor(model, x, y, batch_size=8, **options)


def test_a_healthy_network_has_nothing_to_treat_and_nothing_is_changed():
    model = network(KL.Dense(8, "tanh"), metrics=[keras.metrics.MeanAbsoluteError()])
    x, y, validation_data = regression()
    model.fit(x, y, verbose=0)
    before = [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]
    keras.config.set_dtype_policy("mixed_bfloat16")
    name, number = KL.Dense(1).name.split("_")
    keras.utils.set_random_seed(7)
    expected = random.random(), np.random.rand(), float(tf.random.uniform([]))
    keras.utils.set_random_seed(7)
    answer = doctor(
        model, x, y, validation_data=validation_data, epochs=2, monitor="val_mean_absolute_error",
        verbose=0,
    )  # fmt: skip
    assert answer.sentence.startswith("nothing to treat")
    assert (len(answer.untreated), answer.best) == (2, None)
    assert (random.random(), np.random.rand(), float(tf.random.uniform([]))) == expected
    assert KL.Dense(1).name == f"{name}_{int(number) + 1}"
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    for variable, value in zip((*model.variables, *model.optimizer.variables), before, strict=True):
        np.testing.assert_array_equal(variable, value)
    with pytest.raises(ValueError, match="there is no cure to apply"):
        answer.treat(model)


@pytest.mark.slow
def test_dead_units_are_cured_and_the_answer_treats_the_model(capsys):
    answer = treat(regression(), dead(), first_cure=True, verbose=1)
    assert answer.best.remedies == ("leaky-relu",)
    assert answer.targets == ("no gradient",)
    assert "leaky-relu, seed 2: val_loss" in capsys.readouterr().out
    model = dead()
    new = answer.treat(model)
    assert new.layers[0].activation is keras.activations.leaky_relu
    assert model.layers[0].activation is keras.activations.relu
    np.testing.assert_array_equal(new.layers[0].bias, model.layers[0].bias)


def test_a_much_too_large_learning_rate_is_cured():
    model = network(optimizer=keras.optimizers.SGD(2.0))
    answer = treat(regression(), model, remedies=["lstm", "learning-rate"], seeds=2)
    assert answer.best.remedies == ("learning-rate",)
    assert answer.best.settings == {"learning_rate": pytest.approx(0.1)}  # ten times the default
    assert float(answer.treat(model).optimizer.learning_rate) == pytest.approx(0.1)
    assert answer.untreated[0].failure.startswith("the loss is not finite")
    (reason,) = [each for each in answer.treatments if each.remedies == ("lstm",)]
    assert reason.judgement.sentence == "the network has no SimpleRNN"


@pytest.fixture(scope="module")
def own_remedies():
    """The answer on remedies of the reader's own; the last one interrupts the doctor."""

    def unchanged(model):
        return model

    def with_another_input(model):
        return network(shape=(3,))

    def interrupted(model):
        raise KeyboardInterrupt

    remedies = {"same": unchanged, "other": with_another_input, "interrupted": interrupted}
    return treat(regression(), dead, remedies=remedies, seeds=2)


def test_trials_of_one_seed_have_the_same_weights_and_the_same_order_of_data(own_remedies):
    same = own_remedies.treatments[0]
    assert same.trials[0].curve == own_remedies.untreated[0].curve
    assert own_remedies.untreated[0].curve != own_remedies.untreated[1].curve
    assert own_remedies.best is None


def test_what_a_remedy_makes_impossible_is_the_failure_of_its_trial(own_remedies):
    assert own_remedies.treatments[1].trials[0].failure.startswith("ValueError: ")


def test_an_interrupt_keeps_the_trials_that_have_ended(own_remedies):
    assert [trial.seed for trial in own_remedies.untreated] == [0, 1]
    interrupted = own_remedies.treatments[2]
    assert (interrupted.trials, interrupted.judgement.status) == ((), "not tried")


def test_a_dataset_of_batches():
    x, y, (x_val, y_val) = regression()
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    validation = tf.data.Dataset.from_tensor_slices((x_val, y_val)).batch(16)
    model = network(KL.Dense(4, "tanh"))
    answer = doctor(model, batches, validation_data=validation, epochs=2, verbose=0)
    assert answer.sentence.startswith("nothing to treat")
    assert len(answer.untreated[0].curve) == 2


def test_a_model_that_is_not_built_gets_other_layers_all_the_same():
    hidden = KL.Dense(8, "relu", bias_initializer=keras.initializers.Constant(-5.0))
    model = compiled(keras.Sequential([hidden, KL.Dense(1)]))
    answer = treat(regression(), model, remedies=["leaky-relu"], seeds=2, epochs=1)
    assert [trial.failure for trial in answer.treatments[0].trials] == [None, None]
    assert answer.targets == ("no gradient",)
    assert not model.built


@keras.saving.register_keras_serializable("tests")
class Unsaved(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs):
        return self.layer(inputs)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (network, {"validation_data": None}, "validation_data is needed"),
        (network, {"remedies": ["leaky"]}, "there is no remedy 'leaky'"),
        (network, {"monitor": "val_acc"}, "no figure 'val_acc'.* val_loss"),
        (network, {"seeds": 1}, "at least two"),
        (lambda: keras.Sequential([KL.Dense(1)]), {}, "is not compiled"),
        (lambda: compiled(Unsaved(KL.Dense(1))), {}, "pass a function"),
        (network, {"validation_data": iter([])}, "can be read only once"),
    ],
)
def test_what_cannot_be_tried_is_one_clear_error(make, options, message):
    with pytest.raises(ValueError, match=message):
        treat(regression(), make(), **options)


def compiled(model):
    model.compile("sgd", "mse")
    return model
