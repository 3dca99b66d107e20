"""ErrorFlow takes the examples that it measures from the first batch, which `fit` trains on."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks import ErrorFlow, LayerGradients
from errorflow.callbacks.recording.first_batch import show_first_batch
from errorflow.layers import SimpleRNN, error_matrix

T, COUNT, BATCH = 5, 46, 4  # 12 batches, of which the last one has two examples
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(COUNT, T, 3)).astype("float32")
Y = RANDOM.normal(size=(COUNT, T, 1)).astype("float32")


class Counted(keras.Sequential):
    """Counts how often its training step is traced."""

    traced = 0

    def compute_loss(self, *args, training=True, **options):
        self.traced += training
        return super().compute_loss(*args, training=training, **options)


def fit(callbacks, data=(X, Y), network=keras.Sequential, epochs=1, **options):
    """Return the losses of all steps and the weights after a training in the order of the data."""
    keras.utils.set_random_seed(1)
    layers = [SimpleRNN(4, return_sequences=True, name="rnn"), keras.layers.Dense(1)]
    model = network([keras.Input((None, 3)), *layers])
    model.compile("sgd", "mse", **options)
    losses = []
    each = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: losses.append(logs))
    x, y = (data[0], data[1]) if isinstance(data, tuple) else (data(), None)
    steps = {} if isinstance(data, tuple) else {"steps_per_epoch": 6}
    model.fit(
        x, y, batch_size=BATCH if y is not None else None, epochs=epochs, shuffle=False,
        verbose=0, callbacks=[*callbacks, each], **steps,
    )  # fmt: skip
    return model, [step["loss"] for step in losses]


def batches():
    for start in range(0, COUNT, BATCH):
        yield X[start : start + BATCH], Y[start : start + BATCH]


def dataset():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)


@pytest.mark.parametrize(
    "data, options",
    [
        ((X, Y), {"jit_compile": False}),
        *(
            pytest.param(data, options, marks=pytest.mark.slow)
            for data, options in [
                ((X, Y), {"jit_compile": True}),
                ((X, Y), {"run_eagerly": True}),
                ((X, Y), {"jit_compile": False, "steps_per_execution": 5}),
                (dataset, {"jit_compile": False}),
                (batches, {"jit_compile": False}),
            ]
        ),
    ],
    ids=["arrays", "jit", "eager", "steps", "dataset", "generator"],
)
def test_a_training_without_a_probe_is_measured_and_not_changed(data, options):
    epochs = 1 if data == (X, Y) else 2  # of which each has six of the twelve batches
    flow, second = ErrorFlow(), ErrorFlow()
    model, losses = fit([flow, LayerGradients(), second], data, epochs=epochs, **options)
    plain, expected = fit([LayerGradients()], data, epochs=epochs, **options)
    np.testing.assert_array_equal(losses, expected)
    for ours, theirs in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    (finding,), (other,) = flow.findings(), second.findings()
    assert finding.kind == other.kind == "healthy"
    assert other.evidence["first_to_last"] == finding.evidence["first_to_last"]
    assert finding.evidence["prediction"] == "last"
    row, last = error_matrix(model, X[:BATCH], Y[:BATCH], "rnn")[-1], T - 1
    assert finding.evidence["first_to_last"] == pytest.approx(row[0] / row[last], rel=1e-3)


def test_the_batches_are_not_kept():
    batches = []

    class Show(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            show_first_batch(self.model, lambda batch: batches.extend(map(weakref.ref, batch)))

    fit([Show()], jit_compile=False)
    gc.collect()
    assert [batch() for batch in batches] == [None, None]


def test_no_training_step_is_traced_for_it():
    counts = [
        fit([ErrorFlow(probe=probe)], network=Counted, jit_compile=False)[0].traced
        for probe in (None, False)
    ]
    assert counts[0] == counts[1] > 0


def test_nothing_is_measured_of_a_training_step_of_the_models_own_or_if_it_is_not_wanted():
    class Own(keras.Sequential):
        def train_step(self, data):
            return super().train_step(data)

    for network, probe in ((Own, None), (keras.Sequential, False)):
        flow = ErrorFlow(probe=probe)
        fit([flow], network=network, jit_compile=False)
        (finding,) = flow.findings()
        assert "prediction" not in finding.evidence


def test_a_training_that_ends_before_its_first_step_keeps_its_train_function():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            raise RuntimeError("before the first step")

    flow = ErrorFlow()
    with pytest.raises(RuntimeError, match="before the first step"):
        fit([flow, Stop()], jit_compile=False)
    _, losses = fit([flow], jit_compile=False)
    assert len(losses) == -(-COUNT // BATCH)
    assert flow.findings()[0].evidence["prediction"] == "last"
