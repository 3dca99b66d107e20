"""The records of a training that was killed and resumed are those of an uninterrupted one."""

import json

import keras
import numpy as np
import pytest
from errorflow.callbacks import EarlyWarning, ErrorFlow, Gates, LayerGradients
from errorflow.callbacks.recording import gradient_monitor
from errorflow.callbacks.recording.event_log import EventLog
from errorflow.callbacks.recording.event_reader import read_recorded_rows
from errorflow.callbacks.recording.rows import single_row
from errorflow.layers import LSTM

X, Y = np.random.default_rng(0).normal(size=(8, 3, 2)).astype("float32"), np.ones([8, 1], "float32")

DEAD = keras.initializers.Constant(-9)


class Backup(keras.callbacks.Callback):
    """What the process that goes on has; Ctrl-C or a kill in a batch of an epoch."""

    def __init__(self, records, killed_in, earlier):
        super().__init__()
        self.records, self.killed_in, self.epochs = records, killed_in, 0
        if earlier is not None:
            self.epochs, self.weights, self.state = earlier.epochs, earlier.weights, earlier.state

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.killed_in:
            raise RuntimeError("killed")

    def on_epoch_end(self, epoch, logs=None):
        self.epochs = epoch + 1
        self.weights = [v.numpy() for v in (*self.model.variables, *self.model.optimizer.variables)]
        states = {name: record.state() for name, record in self.records.items()}
        self.state = json.loads(json.dumps(states))


def network():
    """One layer is dead, and the last one is no longer trained well."""
    model = keras.Sequential(
        [
            keras.Input([3, 2]),
            LSTM(2, name="rnn"),
            keras.layers.Dense(2, "relu", bias_initializer=DEAD, name="dead"),
            keras.layers.Dense(1, name="top"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", run_eagerly=True)
    return model


def train(folder, epochs, killed_in=None, earlier=None):
    """Four training steps an epoch."""
    keras.utils.set_random_seed(3)
    gradients, flow = LayerGradients(folder), ErrorFlow(folder)
    records = {"gradients": gradients, "flow": flow, "gates": Gates(X, folder)}
    records["warning"] = EarlyWarning(gradients, flow, window=20, report=lambda warning: None)
    model, backup = network(), Backup(records, killed_in, earlier)
    if earlier is not None:
        model.optimizer.build(model.trainable_variables)
        for variable, value in zip(
            (*model.variables, *model.optimizer.variables), earlier.weights, strict=True
        ):
            variable.assign(value)
        for name, record in records.items():
            record.resume(earlier.state[name])
    callbacks = [*records.values(), backup]
    options = {"epochs": epochs, "initial_epoch": backup.epochs, "shuffle": False, "verbose": 0}
    try:
        model.fit(X, Y, batch_size=2, callbacks=callbacks, **options)
    except RuntimeError:
        for recorder in (gradients, flow):
            recorder.interrupt()
    return backup


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient_monitor, "DEAD_AFTER", 6)
        yield train(tmp_path_factory.mktemp("straight"), epochs=4).records


def assert_same(records, expected):
    for name in ("gradients", "flow", "gates"):
        np.testing.assert_equal(_judged(records[name]), _judged(expected[name]))
    for name in ("gradients", "flow"):
        np.testing.assert_equal(records[name].history, expected[name].history)
    assert [w.sentence for w in records["warning"].warnings] == [
        w.sentence for w in expected["warning"].warnings
    ]


def _judged(recorder):
    latest = recorder.plot() if isinstance(recorder, Gates) else None
    images = [axes.images[0].get_array().data for axes in latest.axes[:-1]] if latest else []
    return [(f.layer, f.kind, f.text, f.evidence) for f in recorder.findings()], images


@pytest.mark.parametrize("killed_in", [(2, 1), None])
def test_what_is_repeated_counts_once(tmp_path, straight, killed_in):
    """Killed twice in the third epoch, or after the last one."""
    backup = train(tmp_path, 4, killed_in)
    if killed_in:
        backup = train(tmp_path, 4, (2, 2), backup)
    resumed = train(tmp_path, 4, earlier=backup)
    assert straight["gradients"].history["dead"][:, 1].tolist() == [0.0] * 5 + [1.0] * 11
    assert_same(resumed.records, straight)


def test_a_file_is_read_up_to_where_it_was_cut(tmp_path):
    log = EventLog(tmp_path)
    for step in range(1, 4):
        log.write("kind", {"a": single_row(step, {"x": np.full(5, step)})}, {}, {}, step)
        log.flush()
    log.close()
    (file,) = tmp_path.iterdir()
    (tmp_path / "events.out.tfevents.0.other").write_bytes(b"\x00 not an event")
    whole = file.read_bytes()
    read = {}
    for left_out in (0, 1, 100, len(whole)):
        file.write_bytes(whole[: len(whole) - left_out])
        recorded = read_recorded_rows(tmp_path, until=9)
        read[left_out] = [*recorded["kind", "a"].rows.steps] if recorded else []
    assert read == {0: [1, 2, 3], 1: [1, 2], 100: [1, 2], len(whole): []}
    file.write_bytes(whole)
    rows = read_recorded_rows(tmp_path, until=2)["kind", "a"].rows
    assert rows.values[0, :, 0].tolist() == [1, 2]


def test_findings_say_which_records_are_gone(tmp_path):
    backup = train(tmp_path, 2)
    for file in tmp_path.glob("train/*"):
        file.unlink()
    records = train(tmp_path, 3, earlier=backup).records
    for recorder in (records["gradients"], records["flow"]):
        (lost,) = [finding for finding in recorder.findings() if "resumed" in finding.text]
        assert lost.text.startswith("8 rows that were recorded before the training was resumed")
        assert str(tmp_path / "train") in lost.text
    assert records["gradients"].history["step"].tolist() == [9, 10, 11, 12]
