"""Horizon and ErrorMatrix record the results of the functions of the same names, epoch by epoch."""

import json

import event_files
import keras
import numpy as np
import pytest
from errorflow.callbacks import ErrorMatrix, Horizon
from errorflow.callbacks.recording.blocks import unpack
from errorflow.layers import LSTM, SimpleRNN, error_matrix, horizon

B, T, D = 3, 6, 2


def model_of(*layers):
    model = keras.Sequential([keras.Input((T, D)), *layers, keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    return model


@pytest.fixture(name="batch")
def batch_():
    random = np.random.default_rng(0)
    return random.normal(size=(B, T, D)).astype("float32"), random.normal(size=(B, T, 1))


def rows(folder, tag):
    """{step: {statistic: [L]}} of one tag."""
    values, metadata = event_files.read(folder)
    names = json.loads(metadata[tag].plugin_data.content)["statistics"]
    by_step = {step: unpack(at[tag], names) for step, at in values.items()}
    return {
        step: dict(zip(names, row.values[:, 0], strict=True))
        for step, row in by_step.items()
        if row.steps == [step]
    }


def test_horizon_records_before_training_and_after_each_epoch(tmp_path, batch):
    x, y = batch
    model = model_of(LSTM(3, name="lower", return_sequences=True), SimpleRNN(2, name="upper"))
    recorded = Horizon(x, tmp_path)
    first = horizon(model, x, "lower")
    for epochs in (2, 1):
        model.fit(x, y[:, 0], epochs=epochs, verbose=0, callbacks=[recorded])
    history = recorded.history
    assert [*history] == ["lower", "upper"]
    assert [*history["upper"]] == ["step", "hidden", "bound"]
    np.testing.assert_array_equal(history["lower"]["step"], [0, 1, 2, 3])
    last = horizon(model, x, "lower")
    for name in ("hidden", "cell", "bound"):
        np.testing.assert_array_equal(history["lower"][name][0], getattr(first, name))
        np.testing.assert_array_equal(history["lower"][name][3], getattr(last, name))
    written = rows(tmp_path / "train", "horizon/rows/lower")
    assert [*written] == [0, 1, 2, 3]
    np.testing.assert_array_equal(written[3]["cell"], last.cell)
    values, _ = event_files.read(tmp_path / "train")
    assert {"horizon/heat_map/upper", "horizon/half_life/lower"} <= {*values[3]}


def test_error_matrix_records_every_second_epoch(tmp_path, batch):
    x, y = batch
    model = model_of(SimpleRNN(4, return_sequences=True))
    recorded = ErrorMatrix(x, y, tmp_path, every=2)
    model.fit(x, y, epochs=4, verbose=0, callbacks=[recorded])
    np.testing.assert_array_equal(recorded.history["step"], [0, 2, 4])
    expected = error_matrix(model, x, y)
    np.testing.assert_allclose(recorded.history["matrix"][2], expected, rtol=1e-5)
    written = rows(tmp_path / "train", "error_matrix/rows")
    np.testing.assert_array_equal([*written[4].values()], recorded.history["matrix"][2])


def test_models_without_a_recurrent_layer_raise_an_error(batch):
    x, y = batch
    model = keras.Sequential([keras.Input((T, D)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="has no recurrent layer"):
        model.fit(x, y, verbose=0, callbacks=[Horizon(x)])
    with pytest.raises(ValueError, match="`every` must be a whole number from 1, not 0"):
        Horizon(x, every=0)
