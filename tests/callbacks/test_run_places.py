"""Each training has a run of its own below one log_dir; one that goes on stays in its run."""

import copy
from pathlib import Path

import event_files
import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks import ErrorFlow, Gates, LayerGradients, TextSamples
from errorflow.callbacks.recording.run_places import reserve
from errorflow.layers import LSTM
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

X, Y = np.random.default_rng(0).normal(size=(8, 3, 2)).astype("float32"), np.ones([8, 1], "float32")


def network(*layers):
    layers = layers or [keras.layers.Flatten()]
    model = keras.Sequential([keras.Input([3, 2]), *layers, keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def gated():
    return network(LSTM(1, name="rnn"))


def samples(folder):
    return TextSamples(lambda: [{"a": 1}], folder)


def fit(model, *callbacks, **options):
    model.fit(X, Y, verbose=0, callbacks=[*callbacks], **options)


def steps(folder):
    """{folder of event files: the epochs in them}"""
    found = {}
    for file in Path(folder).rglob("events.out.tfevents.*"):
        events = EventFileLoader(str(file)).Load()
        epochs = found.setdefault(str(file.parent.relative_to(folder)), set())
        epochs |= {event.step for event in events if event.summary.value}
    return found


def tags(folder):
    values, _ = event_files.read(folder)
    return {tag for at in values.values() for tag in at}


class Killed(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise RuntimeError("killed")


def test_folds_are_runs_of_their_own_with_all_kinds_together(tmp_path):
    gates = Gates(X, tmp_path)
    fit(gated(), gates)
    fit(gated(), samples(tmp_path), gates)
    fit(gated(), gates, samples(tmp_path), LayerGradients(tmp_path), ErrorFlow(tmp_path))
    assert gates.history["rnn"]["step"].tolist() == [0, 1]
    assert steps(tmp_path) == {
        "train": {0, 1},
        "2/train": {0, 1},
        "2/validation": {1},
        "3/train": {0, 1},
        "3/validation": {1},
    }
    kinds = {"gates", "layer_gradients", "error_flow"}
    assert {tag.partition("/")[0] for tag in tags(tmp_path / "3" / "train")} == kinds


def test_copies_for_trials_are_runs_of_their_own(tmp_path):
    """keras-tuner copies the callbacks for each trial; Hyperband begins some with a later epoch."""
    original = samples(tmp_path)
    for first in (0, 0, 1):
        fit(network(), copy.deepcopy(original), initial_epoch=first, epochs=first + 1)
    assert steps(tmp_path) == {"validation": {1}, "2/validation": {1}, "3/validation": {2}}


@pytest.mark.parametrize("backup_first", [True, False])
def test_a_training_that_goes_on_in_a_new_process_goes_on_in_the_newest_run(tmp_path, backup_first):
    fit(network(), samples(tmp_path))
    for killed in ([Killed()], []):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        gates = Gates(X, tmp_path)
        callbacks = [backup, gates] if backup_first else [gates, backup]
        try:
            fit(gated(), *callbacks, *killed, epochs=3)
        except RuntimeError:
            gates._log.close()
    assert gates.history["rnn"]["step"].tolist() == [1, 2, 3]
    assert steps(tmp_path).keys() == {"validation", "2/train"}


def test_epochs_and_runs_of_a_model_that_is_trained_again(tmp_path):
    """With, without and with the callback; then another callback, and a new optimizer."""
    model, gates = gated(), Gates(X, tmp_path)
    fit(model, gates, epochs=2)
    fit(model, epochs=3)
    fit(model, gates)
    assert gates.history["rnn"]["step"].tolist() == [0, 1, 2, 5, 6]
    fit(network(), samples(tmp_path))
    fit(model, further := Gates(X, tmp_path))
    assert further.history["rnn"]["step"].tolist() == [6, 7]
    assert steps(tmp_path)["train"] == {0, 1, 2, 5, 6, 7}
    model.compile("sgd", "mse", run_eagerly=True)
    fit(model, samples(tmp_path))
    assert steps(tmp_path).keys() == {"train", "2/validation", "3/validation"}


def test_a_reserved_folder_is_used_although_an_earlier_training_wrote_to_it(tmp_path):
    """A run of the pipelines that was killed in its first epoch begins again in its own folder."""
    fit(network(), samples(tmp_path))
    model = network()
    reserve(model, tmp_path)
    fit(model, samples(tmp_path))
    fit(model, samples(tmp_path))
    assert steps(tmp_path) == {"validation": {1, 2}}


@pytest.mark.parametrize("restored_first", [True, False])
def test_a_training_that_is_set_back_by_a_step_replaces_its_rows(restored_first):
    class Restore(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model.optimizer.iterations.assign(1)

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise RuntimeError

    model, recorders = gated(), [ErrorFlow(), LayerGradients()]
    with pytest.raises(RuntimeError):
        fit(model, *recorders, Interrupt(), batch_size=2)
    restore = [Restore()]
    fit(model, *(restore + recorders if restored_first else recorders + restore), batch_size=4)
    flow, gradients = recorders
    assert [*flow.history] == ["rnn"]
    assert flow.history["rnn"]["step"].tolist() == [1, 2, 3]
    assert gradients.history["step"].tolist() == [1, 2, 3]


def test_a_model_without_a_counting_optimizer_goes_on_in_its_run(tmp_path):
    """With, without and with new callbacks: the graph has counted the training steps."""

    class Plain(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
            tape.gradient(loss, self.trainable_variables)
            return {"loss": loss}

    x = keras.Input([3, 2])
    model = Plain(x, keras.layers.Dense(1)(LSTM(1, name="rnn")(x)))
    model.compile(run_eagerly=True)
    fit(model, ErrorFlow(tmp_path), LayerGradients(tmp_path), epochs=2)
    fit(model)
    fit(model, flow := ErrorFlow(tmp_path))
    assert flow.history["rnn"]["step"].tolist() == [4]
    assert steps(tmp_path).keys() == {"train"}


def test_two_callbacks_of_one_kind_do_not_share_tags(tmp_path):
    fit(gated(), Gates(X, tmp_path), Gates(X[:1], tmp_path), Gates(X, tmp_path / "other"))
    assert steps(tmp_path).keys() == {"train", "gates-2", "other/train"}


def test_runs_of_an_older_layout_are_taken_and_go_on_in_their_folders(tmp_path):
    """Each kind of records had a folder of its own."""
    event_files.write(tmp_path / "gates", "errorflow")
    fit(gated(), Gates(X, tmp_path))
    assert steps(tmp_path).keys() == {"gates", "2/train"}
    model = gated()
    reserve(model, tmp_path)
    fit(model, Gates(X, tmp_path), LayerGradients(tmp_path))
    assert steps(tmp_path) == {"gates": {0, 1}, "train": {1}, "2/train": {0, 1}}


def test_keras_own_files_do_not_take_a_run(tmp_path):
    for _ in range(2):
        fit(gated(), keras.callbacks.TensorBoard(tmp_path), Gates(X, tmp_path))
    ours = [file.parent.relative_to(tmp_path) for file in tmp_path.rglob("*.errorflow.v2")]
    assert sorted(map(str, ours)) == ["2/train", "train"]
    assert len([*(tmp_path / "train").glob("*.tfevents.*")]) == 3


def test_callbacks_share_a_file_which_goes_on_if_one_of_them_fails(tmp_path):
    calls = iter([[{"a": 1}], None])

    def rows():
        if (found := next(calls)) is None:
            raise RuntimeError
        return found

    others = [TextSamples(lambda: [{"b": 1}], tmp_path, title) for title in ("first", "last")]
    with pytest.warns(UserWarning, match="TextSamples has stopped recording"):
        fit(network(), others[0], TextSamples(rows, tmp_path), others[1], epochs=3)
    (file,) = tmp_path.rglob("events*")
    values, _ = event_files.read(file.parent)
    assert {step: {*at} for step, at in values.items() if at} == {
        1: {"first", "samples", "last"},
        2: {"first", "last"},
        3: {"first", "last"},
    }
