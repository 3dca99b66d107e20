"""What goes wrong in a callback is said once, and the training goes on."""

import shutil
import warnings

import keras
import numpy as np
import pytest
from errorflow.callbacks import (
    AttentionMaps,
    ErrorFlow,
    ErrorMatrix,
    Gates,
    Horizon,
    LayerGradients,
    Lyapunov,
    TextSamples,
)
from errorflow.layers import LSTM

X, Y = np.random.default_rng(0).normal(size=(8, 3, 2)).astype("float32"), np.ones([8, 1], "float32")


def network(cls=keras.Sequential):
    model = cls([keras.Input([3, 2]), LSTM(1, name="rnn"), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def fit(*callbacks, model=None, epochs=3):
    """Return the warnings of a training, which must not end early."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ran = (model or network()).fit(X, Y, epochs=epochs, verbose=0, callbacks=[*callbacks])
    assert len(ran.epoch) == epochs
    return [str(w.message) for w in caught if "stopped recording" in str(w.message)]


def test_a_function_that_fails_is_said_once():
    calls = []

    def alignments():
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no attention\nhere")

    maps = AttentionMaps(alignments, "unused")
    (said,) = fit(maps)
    assert said.startswith(
        "AttentionMaps has stopped recording, the training goes on. RuntimeError: no attention "
        "(in on_epoch_end, at test_guard.py:"
    )
    assert len(calls) == 2
    assert "in alignments" in maps.failure
    assert not fit(maps, epochs=1)  # it records again
    assert maps.failure is None


def test_ctrl_c_is_passed_on():
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(TextSamples(interrupt, "unused"))


def test_a_folder_that_disappears_or_cannot_be_written_is_said_once(tmp_path):
    samples = TextSamples(lambda: [{"a": 1}], tmp_path / "logs")
    remove = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epoch == 1 and shutil.rmtree(tmp_path / "logs")
    )
    (said,) = fit(samples, remove)
    assert "event file" in said
    assert "has disappeared" in said
    assert "can be written and has room" in said
    (tmp_path / "file").touch()
    (said,) = fit(TextSamples(lambda: [{"a": 1}], tmp_path / "file"))
    assert "NotADirectoryError" in said or "FileExistsError" in said


@pytest.mark.parametrize(
    "callback",
    [
        ErrorMatrix(X, np.ones([7, 7]), layer="rnn"),
        Horizon(X[:, 0]),
        Lyapunov(X[:, 0]),
        Gates(X[:, 0]),
    ],
)
def test_an_analysis_that_does_not_suit_the_model_is_said_once(callback):
    (said,) = fit(callback)
    assert f"Check that the arguments of {type(callback).__name__} suit the model" in said


def test_a_model_that_is_built_too_late_to_be_checked_is_said_once():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    flow = ErrorFlow()
    (said,) = fit(flow, model=model)
    assert "has no recurrent layer" in said
    assert "in on_train_batch_end" in said
    assert not flow.history
    with pytest.raises(ValueError, match="has no recurrent layer"):  # now it is certain
        fit(flow, model=model)


def test_metadata_may_be_numbers_of_any_library(tmp_path):
    model = network()
    model.optimizer.global_clipnorm = np.float32(1.0)
    assert not fit(LayerGradients(tmp_path), model=model)


def test_misuse_that_is_certain_ends_a_training_before_it_begins():
    with pytest.raises(ValueError, match="ErrorMatrix: no recurrent layer 'a'; there are: rnn"):
        fit(ErrorMatrix(X, Y, layer="a"))
