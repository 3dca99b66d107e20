"""Tests that all tasks share, over the table of tasks: from training to export."""

import csv
import dataclasses
import io
import json
import shutil
import subprocess
import sys

import event_files
import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.pipelines import registry
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.config_files import config_dict
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.core.run_results import figures_in_words
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.registry import load_task
from errorflow.pipelines.training import workflow
from errorflow.pipelines.training.verbs import config_of
from tasks import TABLE, TASKS, errorflow, train_flags

FILES = [
    *["config.yaml", "environment.json", "history.csv", "results.json", "README.md"],
    *["checkpoints/best.keras", "checkpoints/last.keras", "checkpoints/backup/state.json"],
    *["samples/validation.csv", "samples/test.csv", "plots/curves.png"],
    "plots/layer_gradients.png",
]
RESULTS = {
    *["task", "name", "status", "started", "finished", "host", "pid", "data"],
    *["parameters", "epochs", "best_epoch", "ending", "seconds", "compile_seconds", "padding"],
    *["monitor", "verdict", "findings", "validation", "test"],
}
PASSING = {
    *["name", "started", "finished", "host", "pid", "seconds", "compile_seconds"],
}
# Also: test_training.py, test_trial.py.
RESUMED = ["lags", *(pytest.param(task, marks=pytest.mark.slow) for task in ("images", "tags"))]
ODD_TEXTS = ["", " \u00a0\t", "\0", "a\0b", "\u0301", "👩\u200d👧 ½", "\u202eمرحبا", b"ab\xff\xc3"]
CLASSIFYING = [task for task, row in TABLE.items() if "confusion" in row.plots]
# One for each kind of input; the others take more than a minute.
EXPORTED = [
    task
    if task in ("documents", "lags", "series", "images")
    else pytest.param(task, marks=pytest.mark.slow)
    for task in TABLE
]


@pytest.fixture(params=TASKS)
def task(request) -> str:
    return request.param


@pytest.fixture
def where(task, finished_run):
    with finished_run(task) as folder:
        yield folder


@pytest.fixture
def run(task, where) -> RunFolder:
    return RunFolder(where / task / "a")


def files_below(folder) -> dict:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_every_task_has_a_row_in_the_table():
    assert {*TABLE} == {*registry.TASKS}


# The files of a run


def test_a_finished_run_has_all_its_files(task, run):
    plots = [f"plots/{name}.png" for name in TABLE[task].plots]
    for name in (*FILES, *plots):
        assert (run.path / name).stat().st_size > 0
    assert {path.name for path in run.plots.glob("*.png")} == {
        *("curves.png", "layer_gradients.png"),
        *(f"{name}.png" for name in TABLE[task].plots),
        *(["confusion_validation.png"] if "confusion" in TABLE[task].plots else []),
    }
    assert not list(run.path.rglob(".writing-*"))


def test_a_training_has_three_runs_in_tensorboard_with_a_file_each(task, run):
    files = [path.relative_to(run.logs) for path in run.logs.rglob("*.tfevents.*")]
    assert sorted(str(file.parent) for file in files) == ["hparams", "train", "validation"]
    assert {f"test_{name}" for name in TABLE[task].figures} <= _tags(run.logs / "hparams")
    kinds = {tag.partition("/")[0] for tag in _tags(run.logs / "train")}
    assert {"layer_gradients", "epoch_loss", "epoch_learning_rate"} <= kinds
    for kind in ("error_flow", "gates"):
        assert (kind in kinds) == (kind in TABLE[task].plots)
    shown = {"epoch_loss", "evaluation_loss_vs_iterations", *["samples"] * (task != "images")}
    assert shown <= _tags(run.logs / "validation")


def _tags(folder):
    values, _ = event_files.read(folder)
    return {tag for at in values.values() for tag in at}


def test_the_results_of_a_run_are_complete(task, run):
    results, history = run.results(), read_history(run)
    assert results.keys() >= RESULTS
    assert (results["task"], results["name"], run.status) == (task, "a", "finished")
    assert results["test"].keys() == TABLE[task].figures
    assert results["validation"].keys() <= results["test"].keys()
    assert results["validation"]
    assert all(np.isfinite([*results[split].values()]).all() for split in ("validation", "test"))
    assert len(results["data"]["content_hash"]) == 64
    assert results["data"]["source"]
    assert results["verdict"]
    assert [row["epoch"] for row in history] == [*range(1, results["epochs"] + 1)]
    assert 1 <= results["best_epoch"] <= results["epochs"]
    assert {"loss", "val_loss", "learning_rate", "seconds"} <= {*history[0]}


def test_the_model_card_states_figures_data_and_settings(task, run):
    card, results = (run.path / "README.md").read_text(encoding="utf-8"), run.results()
    for name, value in results["test"].items():
        assert f"| {name} | {value:.4f} |" in card
    for text in (results["data"]["source"], results["data"]["content_hash"][:16]):
        assert text in card
    for key, value in config_dict(config_of(load_task(task), run)).items():
        assert value is None or f"| {key} | {value} |" in card


def test_samples_are_of_the_first_examples(task, run):
    rows = [*csv.DictReader((run.samples / "test.csv").open(encoding="utf-8"))]
    assert 1 <= len(rows) <= 100
    assert all(row.values() for row in rows)


# Using a run


def test_evaluate_reproduces_the_figures_of_the_training(task, where, run, capsys):
    expected = run.results()["test"]
    assert errorflow(task, "evaluate", where, "--name", "a") == 0
    out, err = capsys.readouterr()
    assert f"test: {figures_in_words(expected)}\n" in out
    assert f"using {run.path}\n" in err
    assert run.results()["test"] == expected


@pytest.mark.parametrize("task", ["names", "images", "series"], indirect=True)
def test_evaluate_measures_other_splits_too(task, where, run, capsys):
    assert errorflow(task, "evaluate", where, "--name", "a", "--split", "validation") == 0
    words = figures_in_words(run.results()["validation"])
    assert f"validation: {words}\n" in capsys.readouterr().out


@pytest.mark.parametrize("task", CLASSIFYING, indirect=True)
def test_a_confusion_matrix_counts_every_example(task, run):
    rows = [*csv.DictReader((run.plots / "confusion.csv").open(encoding="utf-8"))]
    labels = [row["true"] for row in rows]
    correct = sum(int(row[row["true"]]) for row in rows)
    total = sum(int(row[label]) for row in rows for label in labels)
    assert correct / total == pytest.approx(run.results()["test"]["accuracy"], abs=1e-6)


def test_predict_gives_one_row_per_input_and_prints_it(task, where, run, tmp_path, capsys):
    inputs = TABLE[task].inputs(tmp_path)
    rows = [*load_task(task).predict(run, inputs)]
    assert [next(iter(row.values())) for row in rows] == inputs  # the first key names the input
    capsys.readouterr()
    assert errorflow(task, "predict", where, "--name", "a", *inputs) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) >= len(inputs)
    assert f"using {run.path}\n" in err


@pytest.mark.parametrize("task", ["names"], indirect=True)  # rows of all tasks: test_predict.py
def test_predict_reads_lines_of_stdin_as_it_reads_arguments(
    task, where, tmp_path, capsys, monkeypatch
):
    inputs = TABLE[task].inputs(tmp_path)
    assert errorflow(task, "predict", where, "--name", "a", *inputs) == 0
    by_arguments = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(["", *inputs, ""])))
    assert errorflow(task, "predict", where, "--name", "a") == 0
    assert capsys.readouterr().out == by_arguments


def outputs_of(outputs) -> dict[str, np.ndarray]:
    """The numbers among the outputs of a serving model, by name."""
    arrays = {name: np.asarray(array) for name, array in outputs.items()}
    return {name: array for name, array in arrays.items() if array.dtype.kind == "f"}


def test_best_is_a_plain_keras_model(task, run):
    model = keras.saving.load_model(run.best)
    inputs = load_task(task).export_inputs(model).inputs
    outputs, expected = outputs_of(model(inputs)), outputs_of(load(run.best)(inputs))
    assert outputs.keys() == expected.keys() != set()
    for name, array in outputs.items():
        assert np.isfinite(array).all()
        np.testing.assert_allclose(array, expected[name], rtol=1e-5)


def assert_same(outputs, expected):
    """Both are outputs of a serving model, by name."""
    for name, array in outputs_of(expected).items():
        np.testing.assert_allclose(outputs[name], array, rtol=1e-4, atol=1e-5)
    for name in {"label", "answers"} & expected.keys():
        assert np.asarray(outputs[name]).tolist() == np.asarray(expected[name]).tolist()


@pytest.mark.parametrize("task", EXPORTED, indirect=True)
def test_exported_models_give_the_same_outputs(task, where, run, tmp_path, capsys):
    """Also for odd texts, for each text by itself, and for an empty batch."""
    flags = ["--name", "a", "--format", "keras,saved_model", "--to", str(tmp_path)]
    assert errorflow(task, "export", where, *flags) == 0
    assert capsys.readouterr().out.count("read back") == 2
    model = load(run.best)
    inputs = load_task(task).export_inputs(model).inputs
    is_text = inputs.dtype == tf.string
    if is_text:  # also a text that is longer than any of the training
        longest = tf.strings.reduce_join(inputs, separator=" ")
        inputs = tf.concat([inputs, [longest], ODD_TEXTS], axis=0)
    exported = tf.saved_model.load(tmp_path / "saved_model" / "a" / "1")
    outputs, expected = exported.serve(inputs), model(inputs)
    assert_same(outputs, expected)
    for number in range(len(inputs) if is_text else 0):
        alone = exported.serve(inputs[number : number + 1])
        steps = alone["label"].shape[1] if task == "tags" else None  # others follow with a batch
        one = {name: array[number : number + 1] for name, array in expected.items()}
        if steps is not None:
            one = {name: array[:, :steps] for name, array in one.items()}
        assert_same(alone, one)
    for answer in (model, exported.serve):
        empty = answer(inputs[:0])
        assert {name: len(array) for name, array in empty.items()} == dict.fromkeys(expected, 0)


@pytest.mark.parametrize("task", ["lags", "actions"], indirect=True)  # others: in their own files
def test_onnx_comes_with_the_meaning_of_its_inputs(task, where, tmp_path, capsys):
    for package in ("tf2onnx", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    flags = ["--name", "a", "--format", "onnx", "--to", str(tmp_path)]
    assert errorflow(task, "export", where, *flags) == 0
    assert capsys.readouterr().out.count("read back") == 1
    assert (tmp_path / "onnx" / "model.onnx").stat().st_size > 0
    meaning = json.loads((tmp_path / "onnx" / "input.json").read_text(encoding="utf-8"))
    assert meaning["input"]


# Resuming and overwriting


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C in the middle of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 1:
            raise KeyboardInterrupt


def interrupted(task: str):
    """The task, whose training is interrupted."""
    original = load_task(task)

    class Interrupted(type(original)):
        def build_training(self, config, data):
            spec = original.build_training(config, data)
            return dataclasses.replace(
                spec, callbacks=lambda run: [*spec.callbacks(run), Interrupt()]
            )

    return Interrupted()


def lasting_results(run: RunFolder) -> dict[str, object]:
    """The results that do not depend on when and where a run was trained, or in how many parts."""
    results = {key: value for key, value in run.results().items() if key not in PASSING}
    # Single predictions are measured when there is time for it.
    results["findings"] = [f for f in results["findings"] if "cost" not in f["evidence"]]
    results["verdict"] = [s for s in results["verdict"] if "of an epoch's time" not in s]
    if run.task == "tags":  # a layer without a name has another one in this process
        del results["verdict"], results["findings"]
    return results


def lasting_history(run: RunFolder) -> list[dict[str, float]]:
    return [row | {"seconds": 0} for row in read_history(run)]


@pytest.mark.parametrize("task", RESUMED, indirect=True)
def test_a_resumed_run_equals_an_uninterrupted_one(task, run, tmp_path, capsys):
    config = replace(config_of(load_task(task), run), run_dir=tmp_path, name="b")
    with pytest.raises(KeyboardInterrupt, match="after epoch 1; resume with"):
        workflow.train(interrupted(task), config)
    resumed = RunFolder(tmp_path / task / "b")
    assert resumed.status == "interrupted"
    assert errorflow(task, "train", tmp_path, "--resume") == 0
    assert f"resuming {resumed.path} after epoch 1\n" in capsys.readouterr().err
    assert resumed.status == "finished"
    assert lasting_results(resumed) == lasting_results(run)
    assert lasting_history(resumed) == lasting_history(run)
    for plot in run.plots.glob("*.png") if task != "tags" else ():
        assert (resumed.plots / plot.name).read_bytes() == plot.read_bytes(), plot.name
    for file in ("best.keras", "last.keras"):
        models = [load(folder.path / "checkpoints" / file) for folder in (run, resumed)]
        for straight, again in zip(*(model.get_weights() for model in models), strict=True):
            np.testing.assert_array_equal(straight, again)


def test_a_name_that_is_taken_is_refused(task, where, run, capsys):
    before = files_below(run.path)
    flags = train_flags(task, where)
    assert errorflow(task, "train", where, "--name", "a", *flags) == 2
    assert "exists (finished)" in capsys.readouterr().err.splitlines()[-1]
    assert files_below(run.path) == before


@pytest.mark.parametrize("task", ["lags"], indirect=True)
def test_overwrite_trains_a_new_run_in_place_of_the_old_one(task, run, tmp_path):
    shutil.copytree(run.path, tmp_path / task / "a")
    again = RunFolder(tmp_path / task / "a")
    (again.path / "mine.txt").write_text("goes with the old run")
    flags = [*train_flags(task, tmp_path), "--epochs", "1"]
    assert errorflow(task, "train", tmp_path, "--name", "a", "--overwrite", *flags) == 0
    assert not (again.path / "mine.txt").exists()
    assert (run.results()["epochs"], again.results()["epochs"]) == (2, 1)
    assert [path.name for path in (tmp_path / task).iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("verb", "flags", "message"),
    [
        ("train", ["--epoch", "3"], "--epoch"),
        ("train", ["--epochs", "three"], "--epochs takes INT"),
        ("train", ["--epochs", "0"], "--epochs (key epochs) must be 1 or more, got 0"),
        ("train", ["--batch-size", "-1"], "--batch-size (key batch_size) must be 1 or more"),
        ("train", ["--learning-rate", "0"], "--learning-rate (key learning_rate) must be above 0"),
        ("train", ["--model", "perceptron"], "--model"),
        ("train", ["--device", "tpu"], "--device (key device) must be auto, cpu, gpu or gpu:N"),
        ("train", ["--name", "a/b"], "--name 'a/b' must be letters, digits"),
        ("train", ["--resume", "--overwrite"], "contradict each other"),
        ("evaluate", [], "no finished run in"),
        ("predict", ["--name", "none", "x"], "no run"),
        ("export", ["--format", "pickle"], "--format"),
        ("fly", [], "has no 'fly'"),
    ],
)
def test_a_mistake_is_one_line_with_code_2_and_leaves_nothing(
    verb, flags, message, tmp_path, capsys
):
    for task in TABLE:
        assert errorflow(task, verb, tmp_path, *flags) == 2, task
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("errorflow: ")
        assert message in err
        assert err.count("\n") == 1
        assert not any(tmp_path.iterdir())


def test_evaluate_refuses_data_that_have_changed(finished_run, capsys):
    with finished_run("names") as folder:
        file = folder / "data" / "Long.txt"
        content = file.read_bytes()
        file.write_bytes(content + b"\nbbbbbbbb")
        try:
            assert errorflow("names", "evaluate", folder, "--name", "a") == 2
            assert "have changed since it was trained" in capsys.readouterr().err
        finally:
            file.write_bytes(content)


# Without TensorFlow

WITHOUT_TENSORFLOW = """
import contextlib, io, json, sys
from errorflow.pipelines.cli import main
from errorflow.pipelines.registry import TASKS

def printed(*arguments):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main([*arguments])
    return out.getvalue()

texts = {
    task: [printed(task, "--help")]
    + [printed(task, verb, "--help") for verb in ("train", "evaluate", "predict", "export", "tune")]
    + [printed(task, verb, "--print-config") for verb in ("train", "tune")]
    for task in TASKS
}
heavy = sorted({"tensorflow", "keras", "sklearn", "matplotlib"} & {*sys.modules})
json.dump([texts, heavy], sys.stdout)
"""


def test_help_and_print_config_answer_without_tensorflow():
    process = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW], capture_output=True, text=True, check=True
    )
    texts, heavy = json.loads(process.stdout)
    assert heavy == []
    for task, (verbs, *helps, train_config, tune_config) in texts.items():
        assert verbs.startswith(f"usage: errorflow {task} VERB")
        for text in helps:
            assert text.startswith(f"usage: errorflow {task} ")
        for text in (train_config, tune_config):
            assert "\nlearning_rate: " in text
            assert "\nseed: 1\n" in text


def test_a_task_is_a_module_to_run(task):
    command = [sys.executable, "-m", f"errorflow.pipelines.{task}", "--help"]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout.startswith(f"usage: errorflow {task} VERB")
