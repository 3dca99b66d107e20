"""`export`: what it writes for other programs, `--check`, and what goes wrong."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf
from errorflow import layers
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.models.series_convolution import series_convolution
from errorflow.pipelines.models.series_head import SeriesShape
from errorflow.pipelines.models.serving import label_outputs, load, make_serving_model
from errorflow.pipelines.training.export import ExportInputs, Job
from errorflow.pipelines.training.export_all import export_all
from errorflow.pipelines.training.export_comparison import difference
from errorflow.pipelines.training.export_litert import write_litert
from errorflow.pipelines.training.litert_files import run_litert
from errorflow.pipelines.training.network_parts import in_keras
from errorflow.pipelines.training.spaced import spaced
from serving_json import assert_sample_is_answered, predict
from tasks import LABELS, SHAPES, TABLE, errorflow

FORMATS = ("saved_model", "onnx", "litert")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def rows_of(printed: str) -> dict[str, list[str]]:
    """The rows of a printed table: the last three cells by the first ones."""
    rows = [line.split() for line in printed.splitlines() if line.strip()]
    return {" ".join(row[:-3]): row[-3:] for row in rows if len(row) > 3}


def mistakes(err: str) -> list[str]:
    """The lines of stderr that say what is wrong."""
    return [line.removeprefix("errorflow: ") for line in err.splitlines() if "errorflow: " in line]


# SavedModel


def test_a_saved_model_answers_its_sample_request_as_tensorflow_serving_does(exported_once):
    folder = exported_once / "names" / "a" / "export" / "saved_model"
    assert_sample_is_answered(folder)
    (row,) = read(folder / "sample_answer.json")["predictions"]
    assert row["label"] in LABELS
    described = read(folder / "signature.json")
    (file,) = described["files"].values()
    assert file["inputs"] == [{"name": "texts", "dtype": "string", "shape": [None]}]
    assert [*described["files"]] == ["a/1"]
    assert {output["name"] for output in file["outputs"]} == {"probabilities", "label"}
    assert described["preprocessing"]["outside"] == [{"step": "normalize_unicode", "form": "NFC"}]


def test_a_saved_model_answers_the_request_of_the_guide(exported_once):
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "export.md").read_text("utf-8")
    (request,) = (json.loads(body) for body in re.findall("curl -d '(.*?)'", guide))
    (shown,) = json.loads(re.findall(r'^\{"predictions".*$', guide, re.M)[0])["predictions"]
    rows = predict(exported_once / "names" / "a" / "export" / "saved_model" / "a" / "1", request)
    assert [row.keys() for row in rows] == [shown.keys()] * len(request["instances"])


def test_a_saved_model_of_images_answers_pixels_in_json(finished_run, tmp_path, capsys):
    flags = ["--name", "a", "--format", "saved_model", "--to", str(tmp_path)]
    with finished_run("images") as where:
        assert errorflow("images", "export", where, *flags) == 0
        assert_sample_is_answered(tmp_path / "saved_model")
        (tmp_path / "a.png").write_text("no image")
        capsys.readouterr()
        assert errorflow("images", "export", where, *flags, "--check", f"{tmp_path}/a.png") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert mistakes(err) == [f"--check: {tmp_path}/a.png: not an image that can be read"]


# LiteRT


def test_litert_is_written_in_floats_and_int8_and_both_are_measured(finished_run, tmp_path, capsys):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    flags = ["--name", "a", "--format", "litert", "--to", str(tmp_path)]
    with finished_run("images") as where:
        assert errorflow("images", "export", where, *flags) == 0
        printed = capsys.readouterr().out
        results = RunFolder(where / "images" / "a").results()
    folder = tmp_path / "litert"
    original, float_, int8 = read(folder / "accuracy.json")["networks"]
    assert original["accuracy"] == float_["accuracy"] == results["test"]["accuracy"]
    assert int8["accuracy"] >= original["accuracy"] - 0.3
    for row in (original, float_, int8):
        assert f"{row['accuracy']:.4f}" in printed
    assert read(folder / "input.json")["labels"] == SHAPES

    path = str(folder / "model.tflite")
    runner = interpreter.Interpreter(path).get_signature_runner("serving_default")
    request, reply = read(folder / "sample_request.json"), read(folder / "sample_answer.json")
    (pixels,) = read(folder / "signature.json")["files"]["model.tflite"]["inputs"]
    assert (pixels["dtype"], pixels["shape"]) == ("float32", [1, 12, 12, 3])
    images = np.array(request["inputs"][pixels["name"]], np.float32)
    outputs = runner(**{pixels["name"]: images})
    np.testing.assert_allclose(
        outputs["probabilities"], reply["outputs"]["probabilities"], atol=1e-6
    )
    quantised = interpreter.Interpreter(str(folder / "model_int8.tflite"))
    quantised.allocate_tensors()
    kinds = {tensor["dtype"] for tensor in quantised.get_tensor_details()}
    assert np.int8 in kinds


def test_an_operation_that_litert_lacks_is_named_and_nothing_is_left(tmp_path):
    pytest.importorskip("ai_edge_litert")

    class Gamma(keras.layers.Layer):
        def call(self, x):
            return tf.math.igamma(x, x)

    x = keras.Input([3], name="series")
    core = keras.Model(x, keras.layers.Softmax(name="probabilities")(Gamma()(x)), name="core")
    series = keras.Input([3], name="series")
    model = make_serving_model(series, lambda series: label_outputs(core(series), "abc"))
    inputs = tf.constant([[1.0, 2.0, 3.0]])
    job = Job(model, ExportInputs(inputs, {}, "input.json"), "task", "run")
    with pytest.raises(UserError, match=r"litert: .*tf\.Igamma"):
        next(export_all(job, ["litert"], tmp_path))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("ids", [[0], [1, 2, 0], [0, 3, 0, 2]], ids=str)
def test_litert_reads_padding_and_sequences_of_any_length(ids, masked_lstm):
    part, run = masked_lstm
    inputs = {"ids": np.array([ids], np.int32)}
    outputs, expected = run(inputs), in_keras(part)(inputs)
    assert outputs.keys() == {"sequence", "state"}
    assert difference(outputs, expected) < 1e-6


@pytest.fixture(scope="module")
def masked_lstm(tmp_path_factory):
    """A recurrent layer that skips padding, and the function that runs its LiteRT file."""
    pytest.importorskip("ai_edge_litert")
    ids = keras.Input([None], dtype="int32", name="ids")
    x = keras.layers.Embedding(5, 3, mask_zero=True)(ids)
    y, h, _ = layers.LSTM(4, return_sequences=True, return_state=True)(x)
    part = keras.Model(ids, {"sequence": y, "state": h})
    path = tmp_path_factory.mktemp("litert") / "model.tflite"
    write_litert(part, path)
    return part, run_litert(path)


def test_litert_adds_the_linear_part_of_a_forecast(tmp_path):
    pytest.importorskip("ai_edge_litert")
    shape = SeriesShape(steps=4, features=1, outputs=1, future=3)
    part = series_convolution(shape, units=2, layers=1, autoregression=True)
    linear = part.get_layer("autoregression")
    linear.set_weights([np.arange(12.0).reshape(4, 3), np.ones(3)])
    write_litert(part, tmp_path / "model.tflite")
    inputs = {"series": np.ones([2, 4, 1], np.float32)}
    outputs = run_litert(tmp_path / "model.tflite")(inputs)
    assert difference(outputs, in_keras(part)(inputs)) < 1e-6


# --check


@pytest.fixture(scope="module")
def exported_once(finished_run, tmp_path_factory):
    """The runs, of which one has been exported to two formats; a file of inputs."""
    runs = tmp_path_factory.mktemp("exported") / "runs"
    flags = ["--name", "a", "--format", "keras,saved_model"]
    with finished_run("names") as where:
        shutil.copytree(where, runs)
        assert errorflow("names", "export", runs, *flags) == 0
        (runs / "in.txt").write_text("bcdb\naeiou\nÖxs\n", encoding="utf-8")
        yield runs


@pytest.fixture
def exported(exported_once, tmp_path):
    """A copy to write to."""
    return shutil.copytree(exported_once, tmp_path / "runs")


def check(runs, *flags):
    return errorflow("names", "export", runs, "--name", "a", *flags)


def test_check_finds_a_model_of_other_weights(exported, capsys):
    path = exported / "names" / "a" / "export" / "model.keras"
    model = load(path)
    core = model.get_layer("core")
    core.set_weights([weight[..., ::-1] for weight in core.get_weights()])
    model.save(path)
    assert check(exported, "--check", str(exported / "in.txt")) == 1
    out = capsys.readouterr().out
    rows = rows_of(out)
    assert int(rows["keras"][1]) > 0
    assert rows["saved_model"][:2] == ["3", "0"]
    assert "keras: another answer for 'bcdb'" in out


@pytest.mark.slow
def test_check_reads_the_layout_of_earlier_versions(exported, capsys):
    folder = exported / "names" / "a" / "export" / "saved_model"
    shutil.move(folder / "a" / "1", folder.with_name("earlier"))
    shutil.rmtree(folder)
    folder.with_name("earlier").rename(folder)
    flags = ["--format", "saved_model", "--check", str(exported / "in.txt")]
    assert check(exported, *flags) == 0
    assert rows_of(capsys.readouterr().out)["saved_model"][:2] == ["3", "0"]


@pytest.mark.parametrize("damage", [b"", b"no model", None], ids=["empty", "other", "cut"])
def test_check_says_in_one_line_that_a_file_is_damaged(damage, exported, capsys):
    path = exported / "names" / "a" / "export" / "saved_model" / "a" / "1" / "saved_model.pb"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert check(exported, "--check", str(exported / "in.txt")) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "saved_model: cannot be read, perhaps it is damaged" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--check", "nowhere.txt"], "--check nowhere.txt: no such file or folder"),
        (["--check", ""], "--check: an empty path"),
        (["--check", "{}/empty.txt"], "no inputs in it"),
        (["--check", "{}/empty"], "empty: nothing to predict in it"),
        (["--check", "{}/other.csv"], "other.csv: no column for the text; name the column 'text'"),
        (["--check", "{}/latin.txt"], ":1: not UTF-8 (byte 0xe9 at position 4); save it as UTF-8"),
        (["--check", "/dev/null"], "--check /dev/null: is a device, neither a file nor a folder"),
        (["--check", "{}/in.txt", "--format", "onnx"], "no onnx in it; export first"),
        (["--check", "{}/in.txt", "--to", "{}/none"], "nothing in it; export first"),
        (["--format", "pickle"], "--format takes keras, saved_model, onnx, litert"),
    ],
)
def test_a_mistake_is_one_line_with_code_2(exported, flags, message, capsys):
    (exported / "empty.txt").write_text("")
    (exported / "empty").mkdir()
    (exported / "latin.txt").write_bytes(b"caf\xe9\n")
    (exported / "other.csv").write_text("height,weight\n1,2\n")
    assert check(exported, *(flag.format(exported) for flag in flags)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (mistake,) = mistakes(err)
    assert message in mistake
    assert not [*exported.rglob(".writing-*")]


def test_a_missing_package_is_named_with_its_command(exported, monkeypatch, capsys):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "ai_edge_litert" else find(name, *rest),
    )
    assert check(exported, "--format", "litert") == 2
    assert "pip install 'errorflow[litert]'" in capsys.readouterr().err


COMMAND = """
import signal, sys
from errorflow.pipelines import cli

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell's "&"
sys.exit(cli.console())
"""


@pytest.mark.slow
def test_ctrl_c_while_int8_is_written_leaves_nothing(finished_run, tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    with finished_run("names") as where:
        place = ["--run-dir", str(where), "--name", "a", "--to", str(tmp_path / "to")]
        words = [sys.executable, "-c", COMMAND, "names", "export", "--format", "litert", *place]
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        while (quantiser := quantiser_of(process.pid)) is None:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1].splitlines()[-1] == "errorflow: interrupted"
    assert process.returncode == 130
    # Without its parent, it waits for the first process of the system to read its exit code.
    assert not quantiser.is_running() or quantiser.status() == psutil.STATUS_ZOMBIE
    assert not [*(tmp_path / "to").iterdir(), *(tmp_path / "tmp").iterdir()]


def quantiser_of(pid: int) -> psutil.Process | None:
    """The process that writes int8 for another process."""
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):  # of one that has just ended
            if "errorflow.pipelines.training.quantisation" in child.cmdline():
                return child
    return None


def test_int8_says_how_to_do_without_data_that_are_gone(exported, capsys):
    pytest.importorskip("ai_edge_litert")
    config = exported / "names" / "a" / "config.yaml"
    lines = config.read_text(encoding="utf-8").splitlines()
    lines = [f"data_dir: {exported}/gone" if "data_dir:" in line else line for line in lines]
    config.write_text("\n".join(lines), encoding="utf-8")
    assert check(exported, "--format", "litert") == 2
    assert "--no-int8 exports to LiteRT without the data" in capsys.readouterr().err


def to_check(task: str, folder: Path) -> Path:
    """A file of texts, a folder of files, or a table: what `--check` takes, as `predict` does."""
    inputs = TABLE[task].inputs(folder)
    if Path(inputs[0]).exists():
        return folder if TABLE[task].lists_inputs else Path(inputs[0])
    (folder / "lines.txt").write_text("\n".join(inputs), encoding="utf-8")
    return folder / "lines.txt"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("task", TABLE)
def test_every_task_is_exported_to_every_format_and_answers_alike(
    task, finished_run, tmp_path, capsys
):
    for package in ("tf2onnx", "onnxruntime", "ai_edge_litert"):
        pytest.importorskip(package)
    flags = ["--name", "a", "--to", str(tmp_path / "to")]
    (tmp_path / "in").mkdir()
    with finished_run(task) as where:
        assert errorflow(task, "export", where, *flags, "--format", ",".join(FORMATS)) == 0
        asked = to_check(task, tmp_path / "in")
        capsys.readouterr()
        code = errorflow(task, "export", where, *flags, "--check", str(asked))
    rows = rows_of(capsys.readouterr().out)
    assert {"saved_model", "onnx", "litert float"} <= {*rows}
    left_out = read(tmp_path / "to" / "litert" / "accuracy.json").get("left_out", {})
    assert ("litert int8" in rows) != ("int8" in left_out)
    assert not left_out or task == "stories"  # LiteRT aborts on its encoder in int8
    assert code in (0, 1)  # 1: untrained networks may change their mind in int8
    for name in ("saved_model", "onnx", "litert float"):
        assert rows[name][1] == "0", name
    litert = read(tmp_path / "to" / "litert" / "signature.json")
    assert litert.get("left_out", {}) == left_out
    assert left_out or [*litert["files"]][1].endswith("_int8.tflite")
    assert_sample_is_answered(tmp_path / "to" / "saved_model")
    for name in FORMATS:
        described = read(tmp_path / "to" / name / "signature.json")
        assert described["task"] == task
        assert all(file["inputs"] and file["outputs"] for file in described["files"].values())
        assert (tmp_path / "to" / name / "sample_answer.json").stat().st_size > 0


# Parts


def test_a_difference_is_relative_to_large_values_and_infinite_for_other_texts():
    one, other = {"x": np.array([0.0, 10.0], np.float32)}, {"x": np.array([0.5, 10.0], np.float32)}
    assert difference(one, other) == pytest.approx(0.05)
    assert (
        difference({"x": np.array([np.nan], np.float32)}, {"x": np.array([1], np.float32)})
        == np.inf
    )
    assert difference({"a": np.array([b"y"])}, {"a": np.array([b"z"])}) == np.inf
    assert difference({"a": np.zeros(2)}, {"a": np.zeros(3)}) == np.inf


def test_a_part_of_a_split_is_spread_over_it():
    from errorflow.pipelines.datasets.images.image_data import ImageSplit
    from errorflow.pipelines.datasets.text.text_data import TextSplit

    texts = spaced(TextSplit([*"abcdefg"], np.arange(7)), 3)
    assert (texts.texts, texts.labels.tolist()) == ([*"adg"], [0, 3, 6])
    images = spaced(ImageSplit(tf.data.Dataset.range(7).filter(lambda n: n >= 0), np.arange(7)), 4)
    assert [int(n) for n in images.examples] == images.labels.tolist() == [0, 2, 4, 6]
