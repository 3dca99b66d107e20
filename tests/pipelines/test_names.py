"""Tests of the names pipeline alone, on a few made-up names."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.layers import intervention_effect
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.models import text_serving
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.names.bptt import bars, errors_of_prefixes
from errorflow.pipelines.names.config import NamesConfig
from errorflow.pipelines.text_classification.training import build, every_step_twin
from tasks import LABELS, errorflow


@pytest.fixture
def where(finished_run):
    with finished_run("names") as folder:
        yield folder


@pytest.fixture
def run(where) -> RunFolder:
    return RunFolder(where / "names" / "a")


def names(where: Path, verb: str, *flags: str) -> int:
    return errorflow("names", verb, where, *flags)


def test_printed_probabilities_decrease_and_sum_to_1(where, capsys):
    texts = ["BCDB", "aeiou", "Öxs", "?"]
    assert names(where, "predict", "--name", "a", *texts) == 0
    for line, text in zip(capsys.readouterr().out.splitlines(), texts, strict=True):
        shown, *predictions = line.split("\t")
        probabilities = [float(prediction.split()[-1]) for prediction in predictions]
        assert shown.strip() == text
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=0.002)


def test_best_takes_strings_in_any_case(run):
    model = keras.saving.load_model(run.best)
    outputs = model(tf.constant(["bcdb", "BCDB", "aeiou"]))
    assert outputs["probabilities"].shape == (3, 3)
    np.testing.assert_allclose(outputs["probabilities"][0], outputs["probabilities"][1], atol=1e-6)
    labels = [label.decode() for label in outputs["label"].numpy()]
    assert labels == [LABELS[i] for i in np.argmax(outputs["probabilities"], axis=1)]


def test_onnx_takes_the_ids_of_its_vocabulary(where, run, tmp_path):
    for needed in ("tf2onnx", "onnx"):
        pytest.importorskip(needed)
    onnxruntime = pytest.importorskip("onnxruntime")
    flags = ["--name", "a", "--format", "onnx", "--to", str(tmp_path)]
    assert names(where, "export", *flags) == 0
    meaning = json.loads((tmp_path / "onnx" / "vocabulary.json").read_text(encoding="utf-8"))
    ids = np.array([[meaning["ids"].index(character) for character in "aeiou"]], np.int32)
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    (outputs,) = session.run(None, {session.get_inputs()[0].name: ids})
    assert meaning["labels"] == LABELS
    expected = text_serving.predict_probabilities(load(run.best), ["aeiou"])
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    (empty,) = session.run(None, {session.get_inputs()[0].name: np.array([[0]], np.int32)})
    expected = text_serving.predict_probabilities(load(run.best), [""])
    np.testing.assert_allclose(empty, expected, atol=1e-5)


def test_bytes_that_are_not_utf8_have_a_prediction(where, capsys):
    """Python represents them by surrogates on a command line."""
    assert names(where, "predict", "--name", "a", "bcdb\udcff", "bcdb\ufffd") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split("\t")[1:] == second.split("\t")[1:]


def test_bptt_prints_a_line_per_character_and_a_plot(where, run, capsys):
    assert names(where, "bptt", "--name", "a", "BcdB", "--label", "Vowels") == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in out[1:5]] == list("bcdb")
    assert all(float(line.split()[2]) > 0 for line in out[1:5])
    assert (run.plots / "bptt_bcdb.png").stat().st_size > 0
    (run.plots / "bptt_bcdb.png").unlink()


def test_bptt_shows_what_a_cut_of_the_carried_error_loses(where, run, capsys):
    assert names(where, "bptt", "--name", "a", "bcdb", "--label", "Vowels", "--cut", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    (start,) = [n for n, line in enumerate(lines) if "character 2, 'c', is cut" in line]
    shown = {line.split("  ")[1].strip(): line for line in lines[start + 1 : -1]}
    serving_model = load(run.best)
    core = serving_model.get_layer("core")
    core.compile("sgd", "categorical_crossentropy")
    vocabulary = text_serving.vocabulary_in(serving_model)
    ids = text_serving.vectorize(["bcdb"], vocabulary, "character")
    target = np.eye(3, dtype=np.float32)[[LABELS.index("Vowels")]]
    effect = intervention_effect(core, ids, target, step=2)
    assert [*shown] == [*effect.weights, "all weights"]
    assert shown["probabilities/kernel"].endswith("changes by 0.0%")
    for name, change in effect.weights.items():
        assert f"{change.norm:.2e} → {change.changed_norm:.2e}" in shown[name]
    assert 0 < effect.total.difference < 1
    assert lines[-1].startswith(f"loss {effect.loss:.5g}, which the cut leaves")
    (run.plots / "bptt_bcdb.png").unlink()


@pytest.mark.slow  # each prefix is compiled
def test_bptt_of_a_truncated_network_is_what_the_layers_do_in_training_on_each_prefix():
    k, text = 3, "bcdba"
    config = replace(NamesConfig(), model="gru", units=5, embedding=4, layers=2, dropout=0.0)
    config = replace(config, truncate=k)
    core = build(config, vocabulary_size=6, labels=3)
    serving_model = text_serving.build_serving_model(core, [*"bcda"], LABELS, "character", 9)
    ids = text_serving.vectorize([text], [*"bcda"], "character")
    target = np.eye(3, dtype=np.float32)[1]
    twin = every_step_twin(config, serving_model)
    matrix = errors_of_prefixes(twin, ids, target, "rnn_1", k)
    for i in range(1, len(text) + 1):
        with tf.GradientTape() as tape:
            loss = -tf.math.log(core(ids[:, :i], training=True)[0, 1])
        tape.gradient(loss, core.trainable_variables)
        received = core.get_layer("rnn_1").error.latest()[0]["hidden"]
        np.testing.assert_allclose(matrix[i - 1, :i], received, rtol=2e-5)
        np.testing.assert_array_equal(matrix[i - 1] > 0, [i - k < c <= i for c in range(1, 6)])


def test_bars_of_characters_without_an_error_are_empty():
    lines = [*bars("abc", np.array([0.0, 1e-2, 1.0]))]
    assert [line.count("█") for line in lines] == [0, 13, 40]


def test_the_every_step_twin_agrees_with_the_network_at_the_last_step(run):
    serving_model = load(run.best)
    config = replace(NamesConfig(), units=5, embedding=4)
    ids = text_serving.vectorize(["bcdbcd"], text_serving.vocabulary_in(serving_model), "character")
    twin = every_step_twin(config, serving_model)
    core = serving_model.get_layer("core")
    for length in (1, 3, 6):
        prefix = ids[:, :length]
        np.testing.assert_allclose(twin(ids)[:, length - 1], core(prefix), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data-dir", "nowhere"], "--data-dir nowhere: no such file or folder"),
        (["train", "--resume", "--name", "a", "--units", "6"], "units (5 → 6)"),
        (["train", "--device", "gpu"], "TensorFlow sees no GPU"),
        (["bptt", "bcd", "--label", "Klingon"], "--label Klingon: the labels are Long, Vowels"),
        (["bptt", "bcd", "--layer", "rnn_2"], "--layer rnn_2: the recurrent layers are rnn_1"),
        (
            ["bptt", "bcd", "--cut", "0"],
            "--cut 0: in 'bcd', an error is carried back to",
        ),
        (
            ["bptt", "bcd", "--cut", "3"],
            "--cut 3: in 'bcd', an error is carried back to",
        ),
        (["bptt", "b", "--cut", "1"], "--cut 1: in 'b', an error is carried back to no character"),
        (["predict", " "], "one of them is empty"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_run(where, arguments, message, capsys):
    before = sorted((where / "names").iterdir())
    assert names(where, *arguments) == 2
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err
    assert sorted((where / "names").iterdir()) == before


@pytest.mark.parametrize("model", ["bag", "rnn", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_every_network_returns_probabilities_and_ignores_padding(model, layers):
    config = replace(
        NamesConfig(), model=model, layers=layers, units=4, embedding=3, bidirectional=True
    )
    core = build(config, vocabulary_size=9, labels=3)
    ids = np.array([[2, 3, 4], [5, 6, 0]], np.int32)
    outputs = core(ids)
    np.testing.assert_allclose(np.sum(outputs, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(core(np.pad(ids, ((0, 0), (0, 4)))), outputs, atol=1e-6)
    np.testing.assert_allclose(core(ids[1:, :2]), outputs[1:], atol=1e-6)
