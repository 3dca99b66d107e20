"""The figures of each epoch for TensorBoard."""

import warnings

import event_files
import keras
import numpy as np
from errorflow.pipelines.training.epoch_scalars import EpochScalars


def test_validation_figures_have_the_training_step_with_replicas_too(two_replicas, tmp_path):
    with two_replicas.scope():
        model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    x, y = np.zeros([12, 2]), np.zeros([12, 1])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="EpochScalars has stopped")
        model.fit(
            x,
            y,
            batch_size=4,
            verbose=0,
            validation_data=(x, y),
            callbacks=[EpochScalars(tmp_path)],
        )
    values, _ = event_files.read(tmp_path / "validation")
    assert "evaluation_loss_vs_iterations" in values[3]
