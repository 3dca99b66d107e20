"""Lyapunov records the results of the function `lyapunov`, epoch by epoch."""

import json

import event_files
import keras
import numpy as np
import pytest
from errorflow.callbacks import Lyapunov
from errorflow.callbacks.findings.finding import every_steps
from errorflow.callbacks.recording.blocks import unpack
from errorflow.layers import LSTM, SimpleRNN, lyapunov

B, T, D = 3, 6, 2


def network():
    model = keras.Sequential(
        [
            keras.Input((T, D)),
            LSTM(3, name="lower", return_sequences=True),
            SimpleRNN(2, name="upper"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
    return model


@pytest.fixture(name="batch")
def batch_():
    random = np.random.default_rng(0)
    return random.normal(size=(B, T, D)).astype("float32"), random.normal(size=(B, 1))


def test_exponents_are_recorded_before_training_and_after_each_epoch(tmp_path, batch):
    x, y = batch
    model, recorded = network(), Lyapunov(x, tmp_path, exponents=4)
    first = lyapunov(model, x, "lower", exponents=4)
    for epochs in (2, 1):
        model.fit(x, y, epochs=epochs, verbose=0, callbacks=[recorded])
    last = lyapunov(model, x, "lower", exponents=4)
    history = recorded.history
    assert {layer: tables["exponent"].shape for layer, tables in history.items()} == {
        "lower": (4, 4),
        "upper": (4, 2),  # its state has no more
    }
    np.testing.assert_array_equal(history["lower"]["step"], [0, 1, 2, 3])
    np.testing.assert_array_equal(history["lower"]["exponent"][[0, 3]], [first[0], last[0]])
    np.testing.assert_array_equal(history["lower"]["spread"][[0, 3]], [first[1], last[1]])
    assert (first.exponents != last.exponents).all()
    values, metadata = event_files.read(tmp_path / "train")
    row = unpack(values[3]["lyapunov/rows/lower"], ["exponent", "spread"])
    assert json.loads(metadata["lyapunov/rows/lower"].plugin_data.content)["kind"] == "lyapunov"
    np.testing.assert_array_equal(row.values[:, -1], [last.exponents, last.spread])
    assert values[3]["lyapunov/largest/lower"] == last.exponents[0]
    assert values[3]["lyapunov/half_life/lower"] == pytest.approx(last.half_life)


def test_findings_and_tables_are_those_of_the_last_epoch(batch):
    x, y = batch
    model, recorded = network(), Lyapunov(x, every=2)
    model.fit(x, y, epochs=4, verbose=0, callbacks=[recorded])
    np.testing.assert_array_equal(recorded.history["upper"]["step"], [0, 2, 4])
    largest = float(lyapunov(model, x).exponents[0])
    finding = recorded.findings()[1]
    assert (finding.layer, finding.kind, finding.severity) == ("upper", "measured", "unclear")
    assert finding.evidence["largest"] == largest < 0
    assert finding.evidence["half_life"] == pytest.approx(np.log(2) / -largest)
    every = every_steps(np.log(2) / -largest)
    assert finding.text.endswith(f"an error halves {every} on average (epoch 4)")
    frame = recorded.to_frame()
    assert len(frame) == 3 * (6 + 2)
    assert [*frame.columns] == ["layer", "epoch", "number", "exponent", "spread"]
    panels = recorded.plot(["upper"]).axes
    assert len(panels) == 1
    np.testing.assert_array_equal(
        panels[0].lines[-1].get_ydata(), recorded.history["upper"]["exponent"][:, 0]
    )


def test_a_training_that_goes_on_without_an_epoch_left_is_recorded(batch):
    x, y = batch
    model, earlier, later = network(), Lyapunov(x), Lyapunov(x)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[earlier])
    later.resume(json.loads(json.dumps(earlier.state())))
    model.fit(x, y, initial_epoch=2, epochs=2, verbose=0, callbacks=[later])
    np.testing.assert_array_equal(later.history["lower"]["step"], [2])
    np.testing.assert_array_equal(
        later.history["lower"]["exponent"][0], earlier.history["lower"]["exponent"][-1]
    )


def test_wrong_arguments_and_models_raise_an_error(batch):
    x, y = batch
    for wrong in (0, 2.5):
        with pytest.raises(ValueError, match="`exponents` must be a whole number from 1, not"):
            Lyapunov(x, exponents=wrong)
    with pytest.raises(ValueError, match="`every` must be a whole number from 1, not 0"):
        Lyapunov(x, every=0)
    model = keras.Sequential([keras.Input((T, D)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"Lyapunov: model .* has no recurrent layer"):
        model.fit(x, y, verbose=0, callbacks=[Lyapunov(x)])
