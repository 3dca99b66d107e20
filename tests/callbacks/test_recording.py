"""Rows come back from memory and event files; long runs stay small and evenly spaced."""

import json

import event_files
import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks import ErrorFlow, LayerGradients
from errorflow.callbacks.recording import blocks
from errorflow.callbacks.recording import event_log as events
from errorflow.callbacks.recording.event_reader import read_recorded_rows
from errorflow.callbacks.recording.memory import Memory
from errorflow.callbacks.recording.rows import Rows, filled_columns, join
from errorflow.callbacks.recording.tables import tables
from errorflow.layers import LSTM
from errorflow.layers.rnn.statistics import STATISTICS, VERSION


def rows(first, count, width=3, statistics=2):
    steps = np.arange(first, first + count)
    values = steps[:, None] + 0.001 * np.arange(width)
    return Rows(
        steps, np.full(count, width), np.stack([values] * statistics).astype("float32"), [*"ab"]
    )


def train(folder, epochs=3):
    """Sequences of two lengths, masked behind, 30 training steps an epoch."""
    model = keras.Sequential(
        [
            keras.Input([None, 2]),
            keras.layers.Masking(),
            LSTM(3, name="rnn", return_sequences=True),
            keras.layers.Dense(1, name="top"),
        ]
    )
    model.compile("sgd", "mse", jit_compile=False)

    def batches():
        random = np.random.default_rng(0)
        for i in range(30):
            x = random.normal(size=(4, 5 - i % 2, 2)).astype("float32")
            x[0, -2:] = 0.0
            yield x, x[:, :, :1]

    shapes = tf.TensorSpec([4, None, 2]), tf.TensorSpec([4, None, 1])
    data = tf.data.Dataset.from_generator(batches, output_signature=shapes)
    flow, gradients = ErrorFlow(folder), LayerGradients(folder)
    model.fit(data, epochs=epochs, callbacks=[flow, gradients], verbose=0)
    return flow, gradients


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    return folder, *train(folder)


def read_rows(values, metadata, tag):
    assert metadata[tag].plugin_data.plugin_name == "errorflow"
    assert metadata[tag].data_class == 2  # else TensorBoard drops them
    content = json.loads(metadata[tag].plugin_data.content)
    packed = event_files.blocks(values, tag)
    return join(blocks.unpack(block, content["statistics"]) for block in packed), content


def test_event_files_hold_the_history_of_the_error(run):
    folder, flow, _ = run
    values, metadata = event_files.read(folder / "train")
    read, content = read_rows(values, metadata, "error_flow/rows/rnn")
    names = [statistic.name for statistic in STATISTICS]
    assert names[:6] == ["hidden", "hidden_max", "carried", "valid", "cell", "cell_max"]
    assert names[6:] == ["injected", "hidden_next", "cell_next"]
    assert (content["version"], content["kind"], content["name"]) == (VERSION, "error_flow", "rnn")
    assert content["statistics"] == names
    assert len(read.values) == 2 * len(names)  # a mask: also from the end
    history = flow.history["rnn"]
    assert len(history["step"]) == 90
    for name, table in tables(read).items():
        np.testing.assert_array_equal(table, history[name])
    for i, name in enumerate(names):
        np.testing.assert_array_equal(read.values[i], history[name])


def test_scalars_and_one_image_for_each_epoch(run):
    folder, flow, _ = run
    values, metadata = event_files.read(folder / "train")
    pictures = {s: v["error_flow/heat_map/rnn"] for s, v in values.items() if len(v) and _drawn(v)}
    assert [*pictures] == [30, 60, 90]
    assert metadata["error_flow/heat_map/rnn"].plugin_data.plugin_name == "images"
    width, height, png = pictures[90]
    image = tf.io.decode_png(png).numpy()
    assert image.shape == (int(height), int(width), 3)
    norm = float(values[90]["error_flow/norm/rnn"])
    last_epoch = np.sqrt(np.nansum(flow.history["rnn"]["hidden"][60:] ** 2, axis=1))
    np.testing.assert_allclose(norm, np.median(last_epoch), rtol=1e-5)


def _drawn(at):
    return "error_flow/heat_map/rnn" in at


def test_event_files_hold_the_history_of_the_gradients(run):
    folder, _, gradients = run
    values, metadata = event_files.read(folder / "train")
    read, content = read_rows(values, metadata, "layer_gradients/rows")
    assert content["layers"] == gradients.history["layers"] == ["rnn", "top"]
    assert content["statistics"] == ["norm", "ratio", "dead"]
    np.testing.assert_array_equal(read.steps, gradients.history["step"])
    np.testing.assert_array_equal(read.values[0], gradients.history["norm"])
    np.testing.assert_array_equal(read.values[1], gradients.history["ratio"])
    np.testing.assert_array_equal(read.values[2], gradients.history["dead"])
    total = np.sqrt((gradients.history["norm"][60:] ** 2).sum(axis=1))
    np.testing.assert_allclose(
        float(values[90]["layer_gradients/global_norm"]), np.median(total), rtol=1e-5
    )
    assert all("layer_gradients/heat_map" in values[step] for step in (30, 60, 90))


def test_a_long_epoch_is_in_few_blocks(tmp_path):
    log = events.EventLog(tmp_path)
    for step in range(0, 200_000, 500):
        log.write("kind", {"a": rows(step + 1, 500)}, {}, {}, step + 500)
    log.flush()
    values, metadata = event_files.read(tmp_path)
    assert len(event_files.blocks(values, "kind/rows/a")) <= 64
    read, _ = read_rows(values, metadata, "kind/rows/a")
    np.testing.assert_array_equal(read.steps, np.arange(1, 200_001))


@pytest.mark.parametrize("processes", [1, 2])
def test_each_epoch_is_in_the_file_and_after_64_blocks_under_another_tag(tmp_path, processes):
    """Nothing is lost with a process that is killed; the next one goes on counting the blocks."""
    for first in range(0, 70, 70 // processes):
        log = events.EventLog(tmp_path)
        earlier = read_recorded_rows(tmp_path, until=70)
        log.go_on_after({key: recorded.blocks for key, recorded in earlier.items()})
        for step in range(first, first + 70 // processes):
            log.write("kind", {"a": rows(step + 1, 1)}, {}, {}, step + 1)
            log.flush()
    values, _ = event_files.read(tmp_path)
    assert len(event_files.blocks(values, "kind/rows/a")) == 64
    assert len(event_files.blocks(values, "kind/rows/a/2")) == 6


@pytest.mark.parametrize("every", [1, 3])
def test_a_full_memory_keeps_every_second_row(monkeypatch, every):
    monkeypatch.setattr(Memory, "LIMIT", 1000 * rows(1, 1).nbytes)
    memory = Memory(every)
    for step in range(0, 30_000, 100):
        memory.add({"a": rows(step + 1, 100), "b": rows(step + 1, 100)})
    remaining = memory.all()["a"]
    assert memory.stride > every
    np.testing.assert_array_equal(
        remaining.steps, np.arange(1, 30_001)[memory.stride - 1 :: memory.stride]
    )
    assert 200 < len(remaining.steps) <= 500
    np.testing.assert_allclose(remaining.values[0, :, 0], remaining.steps)


def test_files_of_a_long_run_stay_small(tmp_path, monkeypatch):
    """The limit is reached by 1,638 rows; the run is 30 ≈ 2⁵ times as long: limit · (1 + 5/2)."""
    monkeypatch.setattr(events, "LIMIT", 2**18)
    log = events.EventLog(tmp_path)
    for step in range(0, 50_000, 500):
        log.write("kind", {"a": rows(step + 1, 500, width=20)}, {}, {}, step + 500)
    log.close()
    values, metadata = event_files.read(tmp_path)
    read, _ = read_rows(values, metadata, "kind/rows/a")
    assert read.nbytes < 3.7 * 2**18
    assert (np.diff(read.steps) >= 1).all()
    assert read.steps[-1] > 49_900


def test_images_leave_out_columns_that_only_a_few_rows_fill():
    table = np.full([100, 9], np.nan)
    table[:, 6:] = 1.0
    table[:5, 4:] = 1.0  # five of a hundred
    table[0] = 1.0  # one of a hundred
    assert filled_columns(table) == slice(4, 9)
    assert filled_columns(table[:, ::-1]) == slice(0, 5)
    assert table[:0, filled_columns(table[:0])].shape == (0, 9)
