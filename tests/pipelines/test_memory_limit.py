"""Trainings that cannot fit into memory are refused in one line, before they take it."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.memory import (
    is_out_of_memory,
    memory_limit,
    require_memory,
    shortage_in_words,
)
from errorflow.pipelines.datasets.lags.lag_data import load_lags
from errorflow.pipelines.models import text_serving
from errorflow.pipelines.names.config import NamesConfig
from errorflow.pipelines.training.batching import Batches
from errorflow.pipelines.training.memory import (
    activations,
    check_training,
    limited_weights,
)
from errorflow.pipelines.training.spec import TrainingSpec

HUGE = 2**40


def test_more_memory_than_there_is_is_refused_with_both_numbers_and_the_flags():
    with pytest.raises(UserError) as refused:
        require_memory(1e15, "a film", ["image_size", "frames", "size"])
    limit = f"{memory_limit() / 1e9:,.1f} GB"
    assert str(refused.value) == (
        f"a film would take 1,000,000.0 GB of memory, of {limit} here: lower --image-size,"
        " --frames or --size"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no ulimit")
def test_the_limit_of_the_shell_counts():
    script = (
        "import resource as r; r.setrlimit(r.RLIMIT_AS, (2**31, 2**31));"
        "from errorflow.pipelines.core.memory import memory_limit; print(memory_limit())"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(printed.stdout) <= 2**31


def test_weights_are_refused_before_they_are_made():
    x = keras.Input([HUGE])
    with (
        pytest.raises(UserError, match=r"of 10,995,116,277,760 parameters .* lower --units"),
        limited_weights(NamesConfig()),
    ):
        keras.layers.Dense(10, use_bias=False)(x)
    assert keras.layers.Dense(2)(keras.Input([3])).shape == (None, 2)


@pytest.mark.parametrize("size, fits", [(8, True), (HUGE, False)])
def test_a_batch_whose_activations_are_too_many_is_refused(size, fits):
    ids = keras.Input([None], dtype="int32")
    x = keras.layers.Embedding(10, 4)(ids)
    network = keras.Model(ids, keras.layers.Dense(2)(keras.layers.LSTM(3)(x)))
    batches = Batches(np.array([7, 5]), lambda chosen, length: (), 2, seed=0)
    batches.size = size
    spec = TrainingSpec(
        network=network,
        serving_model=network,
        train_data=batches,
        validation_data=None,
        loss="mse",
        metrics=None,
        monitor="val_loss",
    )
    assert activations(network, longest=7) == 7 * 4 + 7 * 4 * 3 + 2  # embedding, gates, dense
    if fits:
        check_training(spec, NamesConfig())
    else:
        with pytest.raises(UserError, match=rf"a training step of {HUGE:,} .* lower --batch-size"):
            check_training(spec, NamesConfig())


def test_layers_of_each_step_count_at_each_step():
    frames = keras.Input([5, 8, 8, 1])
    image = keras.Input([8, 8, 1])
    encoder = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    network = keras.Model(frames, keras.layers.TimeDistributed(encoder)(frames))
    assert activations(network, longest=1) == 5 * 6 * 6 * 2


@pytest.mark.parametrize(
    "error, is_shortage",
    [
        (MemoryError(), True),
        (RuntimeError("OOM when allocating tensor with shape[9,9]"), True),
        (ValueError("a bug"), False),
    ],
)
def test_running_out_of_memory_is_one_line(error, is_shortage):
    assert is_out_of_memory(error) == is_shortage
    expected = (UserError, r"out of memory \(.*\): lower --batch-size")
    kind, text = expected if is_shortage else (ValueError, "a bug")
    with pytest.raises(kind, match=text), shortage_in_words(NamesConfig()):
        raise error


def test_sequences_that_cannot_be_drawn_are_refused():
    with pytest.raises(UserError, match=r"sequences of 100,000 steps would take .* lower --steps"):
        load_lags("lag-2a", 100_000, epochs=1)


def test_texts_are_vectorized_in_parts_as_at_once(monkeypatch):
    texts = ["abc", "a", "", "cab cab cab cab", "b", "ba"]
    at_once = text_serving.vectorize(texts, list("abc"), "character")
    monkeypatch.setattr(text_serving, "PART", 6)
    np.testing.assert_array_equal(text_serving.vectorize(texts, list("abc"), "character"), at_once)
