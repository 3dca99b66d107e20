"""The names pipeline from end to end, on a few invented names."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.pipelines import cli
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.models import text_serving
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.names import NamesConfig
from errorflow.pipelines.text_classification.training import build, class_weights, every_step_twin

LABELS = ["Long", "Vowels", "Ös"]
SMALL = ["--units", "5", "--embedding", "4", "--batch-size", "16", "--dropout", "0"]
SMALL += ["--epochs", "2", "--learning-rate", "0.01"]
FILES = [
    *["config.yaml", "environment.json", "history.csv", "results.json", "README.md"],
    *["checkpoints/best.keras", "checkpoints/last.keras", "samples/test.csv"],
    *[f"plots/{name}.png" for name in ("curves", "error_flow", "layer_gradients", "confusion")],
    "plots/confusion.csv",
]


def write_data(folder: Path) -> Path:
    """Write three classes that are easy to distinguish."""
    random = np.random.default_rng(0)
    for label, letters, longest in zip(LABELS, ("bcd", "aeiou", "öxs"), (14, 7, 7), strict=True):
        names = {
            "".join(random.choice(list(letters), random.integers(4, longest))) for _ in range(60)
        }
        (folder / f"{label}.txt").write_text("\n".join(sorted(names)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def where(tmp_path_factory) -> Path:
    """A folder with the data and one finished run, names/a."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    folder = tmp_path_factory.mktemp("names")
    (folder / "data").mkdir()
    write_data(folder / "data")
    flags = ["--name", "a", "--run-dir", str(folder), "--data-dir", str(folder / "data")]
    assert cli.main(["names", "train", *flags, *SMALL]) == 0
    return folder


@pytest.fixture
def run(where) -> RunFolder:
    return RunFolder(where / "names" / "a")


def errorflow(where: Path, *arguments: str) -> int:
    task, verb, *rest = arguments
    return cli.main([task, verb, "--run-dir", str(where), *rest])


def test_a_run_folder_contains_all_files_and_results(run):
    for name in FILES:
        assert (run.path / name).stat().st_size > 0
    assert any(run.logs.rglob("*.tfevents.*"))
    results = run.results()
    assert run.status == "finished"
    assert set(results["test"]) == {"accuracy", "macro_f1"}
    assert len(results["data"]["content_hash"]) == 64
    assert results["verdict"]
    assert [row["epoch"] for row in csv.DictReader(run.history_file.open())] == ["1", "2"]
    assert not list(run.path.rglob(".writing-*"))


def test_evaluate_reproduces_the_results_of_training(where, run, capsys):
    expected = run.results()["test"]
    assert errorflow(where, "names", "evaluate") == 0
    out, err = capsys.readouterr()
    said = f"accuracy {expected['accuracy']:.4f}, macro-F1 {expected['macro_f1']:.4f}"
    assert said in out
    assert f"using {run.path}" in err
    assert run.results()["test"] == expected
    rows = list(csv.DictReader((run.plots / "confusion.csv").open(encoding="utf-8")))
    right = sum(int(row[row["true"]]) for row in rows)
    assert right / sum(int(row[label]) for row in rows for label in LABELS) == pytest.approx(
        expected["accuracy"], abs=1e-6
    )


def test_predict_reads_arguments_and_stdin_alike(where, capsys, monkeypatch):
    names = ["BCDB", "aeiou", "Öxs", "?"]
    assert errorflow(where, "names", "predict", *names) == 0
    by_arguments = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join([*names, ""])))
    assert errorflow(where, "names", "predict") == 0
    assert capsys.readouterr().out == by_arguments
    for line, name in zip(by_arguments.splitlines(), names, strict=True):
        given, *answers = line.split("\t")
        probabilities = [float(answer.split()[-1]) for answer in answers]
        assert given.strip() == name
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=0.002)


def test_best_is_a_plain_keras_model_on_strings(run):
    model = keras.saving.load_model(run.best)
    answer = model(tf.constant(["bcdb", "BCDB", "aeiou"]))
    assert answer["probabilities"].shape == (3, 3)
    np.testing.assert_allclose(answer["probabilities"][0], answer["probabilities"][1], atol=1e-6)
    words = [label.decode() for label in answer["label"].numpy()]
    assert words == [LABELS[i] for i in np.argmax(answer["probabilities"], axis=1)]


def test_exported_models_have_the_same_outputs(where, run, capsys):
    assert errorflow(where, "names", "export", "--format", "keras,saved_model") == 0
    assert capsys.readouterr().out.count("read back") == 2
    loaded = tf.saved_model.load(run.path / "export" / "saved_model")
    expected = text_serving.predict_probabilities(load(run.best), ["aeiou"])
    given = loaded.serve(tf.constant(["aeiou"]))["probabilities"]
    np.testing.assert_allclose(given, expected, atol=1e-6)


def test_onnx_takes_the_ids_of_its_vocabulary(where, run):
    for needed in ("tf2onnx", "onnx"):
        pytest.importorskip(needed)
    onnxruntime = pytest.importorskip("onnxruntime")
    assert errorflow(where, "names", "export", "--format", "onnx") == 0
    folder = run.path / "export" / "onnx"
    meaning = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    ids = np.array([[meaning["ids"].index(character) for character in "aeiou"]], np.int32)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (given,) = session.run(None, {session.get_inputs()[0].name: ids})
    assert meaning["labels"] == LABELS
    expected = text_serving.predict_probabilities(load(run.best), ["aeiou"])
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_bptt_prints_a_line_per_character_and_a_plot(where, run, capsys):
    assert errorflow(where, "names", "bptt", "BcdB", "--label", "Vowels") == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in out[1:5]] == list("bcdb")
    assert all(float(line.split()[2]) > 0 for line in out[1:5])
    assert (run.plots / "bptt_bcdb.png").stat().st_size > 0


def test_the_every_step_twin_agrees_with_the_network_at_the_last_step(run):
    serving_model = load(run.best)
    config = replace(NamesConfig(), units=5, embedding=4)
    ids = text_serving.vectorize(["bcdbcd"], text_serving.vocabulary_in(serving_model), "character")
    twin = every_step_twin(config, serving_model)
    core = serving_model.get_layer("core")
    for length in (1, 3, 6):
        prefix = ids[:, :length]
        np.testing.assert_allclose(twin(ids)[:, length - 1], core(prefix), atol=1e-6)


def test_a_finished_run_is_resumed_for_more_epochs(where, run, capsys):
    before = json.loads(run.results_file.read_text())["epochs"]
    flags = ["--resume", "--name", "a", "--epochs", str(before + 1)]
    assert errorflow(where, "names", "train", *flags) == 0
    assert f"resuming {run.path} after epoch {before}" in capsys.readouterr().err
    assert run.results()["epochs"] == before + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data-dir", "nowhere"], "--data-dir nowhere: no such folder"),
        (["train", "--name", "a"], "exists (finished)"),
        (["train", "--resume", "--name", "a", "--units", "6"], "units (5 → 6)"),
        (["train", "--device", "gpu"], "TensorFlow sees no GPU"),
        (["bptt", "bcd", "--label", "Klingon"], "--label Klingon: the labels are Long, Vowels"),
        (["bptt", "bcd", "--layer", "rnn_2"], "--layer rnn_2: the recurrent layers are rnn_1"),
        (["predict", " "], "one of them is empty"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_run(where, arguments, message, capsys):
    before = sorted((where / "names").iterdir())
    assert errorflow(where, "names", *arguments) == 2
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err
    assert sorted((where / "names").iterdir()) == before


def test_evaluate_refuses_data_that_have_changed(where, run, capsys):
    file = where / "data" / "Long.txt"
    content = file.read_bytes()
    file.write_bytes(content + b"\nbbbbbbbb")
    try:
        assert errorflow(where, "names", "evaluate") == 2
        assert "have changed since it was trained" in capsys.readouterr().err
    finally:
        file.write_bytes(content)


@pytest.mark.parametrize("model", ["bag", "rnn", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_every_network_returns_probabilities_and_ignores_padding(model, layers):
    config = replace(
        NamesConfig(), model=model, layers=layers, units=4, embedding=3, bidirectional=True
    )
    core = build(config, vocabulary_size=9, labels=3)
    ids = np.array([[2, 3, 4], [5, 6, 0]], np.int32)
    answer = core(ids)
    np.testing.assert_allclose(np.sum(answer, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(core(np.pad(ids, ((0, 0), (0, 4)))), answer, atol=1e-6)
    np.testing.assert_allclose(core(ids[1:, :2]), answer[1:], atol=1e-6)


def test_class_weights_have_mean_one_and_decrease_with_the_share():
    labels = np.array([0] * 8 + [1] * 2)
    weights = class_weights(labels, 0.5)
    assert weights[labels].mean() == pytest.approx(1)
    assert weights[1] / weights[0] == pytest.approx(2)
    np.testing.assert_array_equal(class_weights(labels, 0.0), [1, 1])


def test_training_on_two_replicas_prints_no_warnings_and_exits_with_0(where):
    command = [sys.executable, "-m", "errorflow.pipelines.names", "train", "--name", "two"]
    flags = ["--model", "rnn", "--strategy", "mirrored", "--data-dir", str(where / "data")]
    done = subprocess.run(
        [*command, "--run-dir", str(where), *flags, *SMALL],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "× 2 replicas" in done.stderr
    assert not [line for line in done.stderr.splitlines() if line.startswith(("I0", "E0", "WARN"))]
    assert done.stdout.startswith("epoch 1/2 ")
    assert RunFolder(where / "names" / "two").status == "finished"
