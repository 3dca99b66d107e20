"""LiteRT files in int8: loops of fixed length, and what happens if TensorFlow's quantiser fails."""

import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow import layers
from errorflow.pipelines.models.serving import label_outputs, make_serving_model
from errorflow.pipelines.training import quantisation_process
from errorflow.pipelines.training.export import ExportInputs, Job, RunExamples
from errorflow.pipelines.training.export_all import export_all
from errorflow.pipelines.training.export_litert import write_litert
from errorflow.pipelines.training.litert_files import one_by_one, run_litert
from errorflow.pipelines.training.network_parts import in_keras
from errorflow.pipelines.training.quantisation import (
    read_examples,
    unread_constants,
    write_examples,
)
from errorflow.pipelines.training.quantisation_process import ToQuantise, quantise_apart
from tensorflow.lite.tools.flatbuffer_utils import convert_bytearray_to_object

SEGFAULT = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
MISTAKE = "print('first'); print('ValueError: no ranges'); raise SystemExit(1)"


def test_examples_of_several_shapes_are_read_as_they_were_written(tmp_path):
    examples = [
        {"ids": np.array([[1, 2]], np.int32), "state 1": np.ones([1, 2], np.float32)},
        {"ids": np.array([[3]], np.int32), "state 1": np.zeros([1, 2], np.float32)},
    ]
    write_examples(tmp_path / "examples", examples)
    for read, written in zip(read_examples(tmp_path / "examples"), examples, strict=True):
        assert read.keys() == written.keys()
        for name, array in written.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype


STEPS, UNITS = 6, 4


@pytest.fixture(scope="module")
def fixed_length(tmp_path_factory):
    """A recurrent network that reads series of one length, and its LiteRT file in floats."""
    pytest.importorskip("ai_edge_litert")
    x = keras.Input([STEPS, 2], name="series")
    y = keras.layers.Dense(64, name="y")(layers.LSTM(UNITS)(x))
    part = keras.Model(x, {"y": y})
    path = tmp_path_factory.mktemp("fixed") / "model.tflite"
    write_litert(part, path)
    return part, path


def test_the_tensor_that_a_loop_of_fixed_length_frees_is_found(fixed_length):
    """It is the product of the series and the kernel, which no step changes."""
    content = fixed_length[1].read_bytes()
    (place,) = unread_constants(content)
    graph = convert_bytearray_to_object(content).subgraphs[place.graph]
    assert [*graph.tensors[place.tensor].shape] == [STEPS, 1, 4 * UNITS]


@pytest.mark.slow
def test_a_loop_of_fixed_length_is_quantised(fixed_length, tmp_path):
    """TensorFlow's calibrator alone ends by SIGSEGV: it reads what the loop has freed."""
    part, source = fixed_length
    series = {"series": np.random.default_rng(0).normal(size=[20, STEPS, 2]).astype(np.float32)}
    target = tmp_path / "model_int8.tflite"
    assert quantise_apart([ToQuantise(source, one_by_one([series]), target)]) == ""
    expected, rounded = in_keras(part)(series)["y"], run_litert(target)(series)["y"]
    np.testing.assert_allclose(rounded, expected, atol=0.05 * np.abs(expected).max())
    assert np.abs(rounded - expected).max() > 1e-5  # else nothing is rounded


@pytest.mark.parametrize(
    ("program", "reason"),
    [(SEGFAULT, "was ended by SIGSEGV"), (MISTAKE, "quantiser: ValueError: no ranges")],
)
def test_a_failure_of_the_quantiser_leaves_no_file_and_says_why(
    program, reason, tmp_path, monkeypatch
):
    replace_quantiser(program, tmp_path, monkeypatch)
    target = tmp_path / "int8"
    target.write_text("of an earlier part")
    assert quantise_apart([ToQuantise(tmp_path / "float", [], target)]).endswith(reason)
    assert not target.exists()


def test_the_examples_are_beside_the_files_and_deleted(tmp_path, monkeypatch):
    """A killed export leaves them where the next one deletes them."""
    note = tmp_path / "note"
    replace_quantiser(
        f"import sys; open({str(note)!r}, 'w').write(sys.argv[2])", tmp_path, monkeypatch
    )
    (tmp_path / "to").mkdir()
    target = tmp_path / "to" / "int8"
    assert quantise_apart([ToQuantise(tmp_path / "float", [], target)]) == ""
    assert tmp_path / "to" in Path(note.read_text()).parents
    assert not [*target.parent.iterdir()]


def test_without_int8_the_floats_are_exported_and_the_reason_is_kept(tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    replace_quantiser(SEGFAULT, tmp_path, monkeypatch)
    x = keras.Input([3], name="series")
    core = keras.Model(x, keras.layers.Dense(2, "softmax", name="probabilities")(x), name="core")
    model = make_serving_model(x, lambda series: label_outputs(core(series), "ab"))
    series = tf.constant([[1.0, 2.0, 3.0]])
    examples = RunExamples(lambda model: model(series), lambda _: {"accuracy": 0.5}, 1)
    job = Job(model, ExportInputs(series, {}, "input.json"), "task", "run", examples)
    (written,) = export_all(job, ["litert"], tmp_path / "to")
    assert "int8" in written.left_out
    assert "SIGSEGV" in written.left_out
    content = json.loads((written.path / "accuracy.json").read_text(encoding="utf-8"))
    assert [row["network"] for row in content["networks"]] == ["original", "float"]
    assert "SIGSEGV" in content["left_out"]["int8"]
    signature = json.loads((written.path / "signature.json").read_text(encoding="utf-8"))
    assert signature["left_out"] == content["left_out"]
    assert [*signature["files"]] == ["model.tflite"]
    assert [path.name for path in written.path.glob("*.tflite")] == ["model.tflite"]


def replace_quantiser(program, folder, monkeypatch):
    """Let another program run in the place of the one that quantises."""
    (folder / "replaced.py").write_text(program)
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [path])]))
    monkeypatch.setattr(quantisation_process, "MODULE", "replaced")
