"""Warnings while a model trains: what has to be true for how long, and that each is given once."""

import keras
import numpy as np
import pytest
from errorflow.callbacks import EarlyWarning, LayerGradients
from errorflow.callbacks.findings.error_warnings import error_warnings
from errorflow.callbacks.findings.gradient_warnings import gradient_warnings
from errorflow.callbacks.findings.training_warning import Scope, loss_warnings
from errorflow.callbacks.findings.warning_kinds import KINDS
from errorflow.callbacks.recording.loss_meter import LossMeter
from errorflow.callbacks.recording.memory import Memory
from errorflow.callbacks.recording.rows import single_row
from errorflow.callbacks.recording.unused_outputs import layers_without_loss

# Over depth


def gradients(rows=100, **columns):
    """A history of five layers with a healthy gradient, some of them replaced."""
    norm = {name: np.ones(rows) for name in ("conv1", "conv2", "conv3", "dense", "head")} | columns
    norm = np.stack([np.broadcast_to(column, rows) for column in norm.values()], axis=1)
    return {
        "step": np.arange(1, rows + 1),
        "layers": ["conv1", "conv2", "conv3", "dense", "head"],
        "norm": norm,
        "ratio": norm,
        "dead": np.zeros_like(norm),
        "skipped": np.zeros(rows, bool),
    }


def sentences(warnings):
    return [warning.text for warning in warnings]


def test_layers_are_stuck_when_every_step_of_the_window_says_so():
    history = gradients(conv1=0, conv2=0)
    (warning,) = gradient_warnings(history, Scope())
    assert warning.text == "conv1 and conv2 have received no gradient for 100 steps"
    assert (warning.kind, warning.layers) == ("stuck", ["conv1", "conv2"])
    assert gradient_warnings(gradients(99, conv1=0, conv2=0), Scope()) == []
    assert gradient_warnings(history, Scope(known=warning.keys)) == []
    (warning,) = gradient_warnings(gradients(130, conv1=np.arange(130) < 10), Scope(window=20))
    assert (warning.text, warning.evidence["since"]) == (
        "conv1 has received no gradient for 120 steps",
        11,
    )


def test_a_gradient_that_flickers_is_not_called_absent():
    flickers = np.arange(100) % 25 == 0
    (warning,) = gradient_warnings(gradients(conv1=flickers), Scope())
    assert warning.text == "conv1 received no gradient in 96 of the last 100 recorded steps"
    assert gradient_warnings(gradients(conv1=flickers), Scope(), relu=False) == []
    assert gradient_warnings(gradients(conv1=np.arange(100) % 5 == 0), Scope()) == []


def test_frozen_layers_and_heads_without_a_loss_are_not_judged():
    assert gradient_warnings(gradients(300, conv1=np.nan, conv2=np.nan), Scope()) == []
    assert gradient_warnings(gradients(dense=0), Scope(), without_loss={"dense"}) == []


@pytest.mark.parametrize("loss, is_stuck", [(2.3, True), (0.0, False), (None, False)])
def test_without_any_gradient_the_loss_decides(loss, is_stuck):
    history = gradients(**dict.fromkeys(["conv1", "conv2", "conv3", "dense", "head"], 0))
    texts = sentences(gradient_warnings(history, Scope(loss=loss)))
    assert texts == ["no layer has received a gradient for 100 steps, at a loss of 2.3"] * is_stuck


def test_most_units_dead():
    history = gradients()
    history["dead"][:, 1] = 0.6
    (warning,) = gradient_warnings(history, Scope())
    assert (warning.kind, warning.layers, warning.evidence["shares"]) == ("dead", ["conv2"], [0.6])
    history["dead"][50, 1] = 0.4
    assert gradient_warnings(history, Scope()) == []


@pytest.mark.parametrize("size, kind", [(1e-5, "vanishing"), (1e5, "exploding")])
def test_the_gradient_over_depth_is_judged_when_the_training_has_settled(size, kind):
    (warning,) = gradient_warnings(gradients(200, conv1=size), Scope())
    assert (warning.kind, warning.evidence["first_to_last"]) == (kind, pytest.approx(size))
    assert gradient_warnings(gradients(199, conv1=size), Scope()) == []
    once = np.where(np.arange(200) == 150, 1.0, size)
    assert gradient_warnings(gradients(200, conv1=once), Scope()) == []


def test_a_gradient_that_is_not_finite_unless_the_loss_scale_skipped_the_step():
    history = gradients(20, conv3=np.where(np.arange(20) == 11, np.inf, 1.0))
    (warning,) = gradient_warnings(history, Scope())
    assert warning.text == "the gradient of conv3 was not finite in step 12"
    history["skipped"][11] = True
    assert gradient_warnings(history, Scope()) == []


# Over time


def errors(rows, decay, entries=1):
    """The tables of a layer whose error changes by a factor per time step, [rows, 20]."""
    hidden = np.broadcast_to(np.asarray(decay), rows)[:, None] ** np.arange(20)[::-1]
    injected = np.where(np.arange(20) >= 20 - entries, hidden, 0.0)
    one = {"hidden": hidden, "carried": hidden - injected, "injected": injected}
    one |= {"valid": np.ones_like(hidden), "hidden_next": np.roll(hidden, -1, axis=1)}
    one["hidden_next"][:, -1] = np.nan
    steps = {"step": np.arange(1, rows + 1), "skipped": np.zeros(rows, bool)}
    return steps | one | {f"{name}_from_end": table for name, table in one.items()}


@pytest.mark.parametrize("decay, kind", [(0.5, "vanishing"), (2.0, "exploding")])
def test_the_error_over_time_is_judged_when_the_training_has_settled(decay, kind):
    (warning,) = error_warnings("rnn", errors(200, decay), False, Scope())
    assert (warning.kind, warning.layers) == (kind, ("rnn",))
    assert warning.text.startswith("rnn: step 1 receives ")
    assert warning.text.endswith("every step back in time")
    assert error_warnings("rnn", errors(199, decay), False, Scope()) == []


def test_one_step_of_the_window_that_carries_the_error_is_enough():
    decay = np.where(np.arange(200) == 150, 0.99, 0.5)
    assert error_warnings("rnn", errors(200, decay), False, Scope()) == []


def test_a_loss_at_each_step_needs_no_long_range():
    assert error_warnings("rnn", errors(200, 0.5, entries=20), False, Scope()) == []


# The loss


def test_a_loss_far_above_its_first_value_has_diverged():
    (warning,) = loss_warnings(2.0, [1.0, 21.0, 50.0, 44.0])
    assert warning.text == "the loss is 44, 22 times that of the first step"
    assert loss_warnings(2.0, [21.0, 50.0]) == []
    assert loss_warnings(2.0, [21.0, 19.0, 44.0]) == []
    assert loss_warnings(np.nan, [21.0, 50.0, 44.0]) == []  # a training that goes on
    (warning,) = loss_warnings(2.0, [np.inf])
    assert (warning.kind, warning.text) == ("diverged", "the loss is not finite (inf)")
    assert loss_warnings(2.0, [np.inf], warning.keys) == []


def test_the_mean_loss_since_the_last_reading():
    model = network()
    (running,) = (metric for metric in model.metrics if metric.name == "loss")
    meter = LossMeter()
    assert meter.read(model) is None
    running.update_state(4.0, sample_weight=8)
    assert meter.read(model) == 4
    running.update_state(1.0, sample_weight=8)
    running.update_state(2.0, sample_weight=24)
    assert meter.read(model) == 1.75


# The callback


def network(bias=0.0):
    bias = keras.initializers.Constant(bias)
    layers = [
        keras.layers.Dense(8, "relu", name="first"),
        keras.layers.Dense(8, "relu", bias_initializer=bias, name="second"),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("sgd", "mse", jit_compile=False)
    return model


def test_a_dead_layer_is_said_once_and_ends_a_training(capsys):
    model, recorder = network(bias=-99.0), LayerGradients()
    warning = EarlyWarning(recorder, stop_when="stuck")
    x = np.random.default_rng(0).normal(size=(30, 4)).astype("float32")
    fit = {"batch_size": 1, "verbose": 0, "callbacks": [recorder, warning]}
    model.fit(x, x[:, :1], epochs=9, **fit)
    assert [(w.kind, w.step) for w in warning.warnings] == [("stuck", 60)]
    assert model.optimizer.iterations == 60  # nine epochs are 270 steps, of which a fifth is 54
    printed = capsys.readouterr().err
    assert printed.count("warning, step 60: first and second have received no gradient") == 1
    assert "leaky ReLU" in printed
    model.fit(x, x[:, :1], epochs=3, **fit)
    assert len(warning.warnings) == 1
    assert warning.stopped is None


@pytest.mark.parametrize(
    "arguments, message",
    [({"stop_when": ("stuk",)}, "no 'stuk'"), ({"window": 3}, "at least 20")],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        EarlyWarning(LayerGradients(), **arguments)


def test_a_kind_that_no_recorder_can_notice():
    with pytest.raises(ValueError, match="stuck cannot be noticed without records"):
        EarlyWarning(stop_when=("diverged", "stuck"))
    assert EarlyWarning(stop_when=("diverged",)).stop_when == ("diverged",)
    assert {*KINDS} >= {"stuck", "vanishing", "diverged"}


# What it reads


def test_layers_of_an_output_of_weight_zero():
    x = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")(x)
    outputs = {name: keras.layers.Dense(1, name=name)(shared) for name in ("main", "auxiliary")}
    model = keras.Model(x, outputs)
    model.compile(loss="mse", loss_weights={"main": 1.0, "auxiliary": 0.0})
    assert layers_without_loss(model) == {"auxiliary"}
    model.compile(loss="mse", loss_weights={"main": 1.0, "auxiliary": 0.3})
    assert layers_without_loss(model) == set()


def test_the_latest_rows_of_a_memory():
    memory = Memory(every=1)
    for step in range(1, 8):
        memory.add({"lstm": single_row(step, {"hidden": np.full(3, float(step))})})
    assert memory.latest(3)["lstm"].steps.tolist() == [5, 6, 7]
    assert len(memory.latest(99)["lstm"].steps) == 7
