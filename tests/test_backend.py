"""Keras on another backend or with another data format: one sentence, or it makes no difference."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from errorflow import layers
from errorflow.layers.backend import require_tensorflow
from errorflow.pipelines import models
from errorflow.pipelines.core import devices
from errorflow.pipelines.core.errors import UserError


@pytest.mark.parametrize(
    "statement", ["import errorflow.layers", "from errorflow.callbacks import LayerGradients"]
)
@pytest.mark.parametrize("place", ["variable", "file"])
def test_another_backend_is_named_with_the_place_that_selects_it(statement, place, tmp_path):
    file = tmp_path / "keras.json"
    file.write_text(json.dumps({"backend": "torch"}))
    settings = {"KERAS_HOME": str(tmp_path)} | ({"KERAS_BACKEND": "jax"} if place != "file" else {})
    environment = {name: text for name, text in os.environ.items() if name != "KERAS_BACKEND"}
    process = subprocess.run(
        [sys.executable, "-c", statement],
        capture_output=True,
        text=True,
        check=False,
        env=environment | settings,
    )
    selected = f"torch ({file})" if place == "file" else "jax (environment variable KERAS_BACKEND="
    message = process.stderr.splitlines()[-1]
    assert message.startswith(
        f"ImportError: errorflow needs Keras on TensorFlow, but the backend of Keras is {selected}"
    )
    assert message.endswith("set KERAS_BACKEND=tensorflow before Keras is imported")


def test_a_keras_that_runs_on_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ImportError, match=r"backend of Keras is jax.* and restart Python"):
        require_tensorflow()
    with pytest.raises(UserError, match=r"imported with the backend jax: .* restart Python"):
        devices.load_tensorflow()


def test_images_have_their_channels_last_whatever_keras_has_by_default():
    x = np.random.default_rng(0).normal(size=[2, 8, 8, 4]).astype("float32")

    def outputs():
        keras.utils.set_random_seed(0)
        blocks = [
            layers.ConvUnit2D(3, 3, padding="same", normalization="batch"),
            layers.ResidualBlock(6, 2),
            layers.InceptionBlock([2, 2, 2, 2, 2, 2]),
            layers.Subsampling(),
            layers.PartialConvolution([[0, 1], [2, 3]], 3),
        ]
        lenet = models.build("lenet5", (32, 32, 1), 3)
        return [*(np.array(block(x)) for block in blocks), *lenet.get_weights()]

    expected = outputs()
    keras.config.set_image_data_format("channels_first")
    try:
        for ours, theirs in zip(outputs(), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert keras.config.image_data_format() == "channels_first"
        devices.load_tensorflow()  # as every command does
        assert keras.config.image_data_format() == "channels_last"
    finally:
        keras.config.set_image_data_format("channels_last")
