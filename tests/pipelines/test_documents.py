"""Tests of the documents pipeline alone, on a file of made-up texts, and its networks."""

import csv
import json
from pathlib import Path

import ewt_genres
import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.documents import TASK, DocumentsConfig
from errorflow.pipelines.models import text_serving
from errorflow.pipelines.models.conv1d import conv1d
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.text_classification.training import build
from tasks import MAX_WORDS, WORDS, errorflow, train_flags

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def where(finished_run):
    with finished_run("documents") as folder:
        yield folder


@pytest.fixture(scope="module")
def run(where) -> RunFolder:
    return RunFolder(where / "documents" / "a")


@pytest.fixture(scope="module")
def serving_model(run) -> keras.Model:
    return load(run.best)


def documents(where: Path, verb: str, *flags: str) -> int:
    return errorflow("documents", verb, where, *flags)


def test_samples_have_documents_of_every_label(run):
    rows = [*csv.DictReader((run.samples / "test.csv").open(encoding="utf-8"))]
    assert {row["label"] for row in rows} == set(WORDS)


def test_predict_cuts_texts_at_the_maximum_length_of_the_network(where, serving_model, capsys):
    read = " ".join(["soup"] * MAX_WORDS)
    longer, shorter = f"{read} {'wave ' * 50}", read.removesuffix(" soup")
    assert documents(where, "predict", "--name", "a", read, longer) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split("\t")[1:] == second.split("\t")[1:]
    outputs = serving_model(tf.constant([read, longer, shorter]))["probabilities"].numpy()
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-6)
    assert np.abs(outputs[0] - outputs[2]).max() > 1e-5  # the last word that is read counts


def test_the_serving_model_agrees_with_the_network_on_cut_ids(serving_model):
    texts = ["The soup", "my old harbour is a wave . and more sail still", "Unknown!"]
    vocabulary = text_serving.vocabulary_in(serving_model)
    ids = text_serving.vectorize(texts, vocabulary, "word", MAX_WORDS)
    assert ids.shape == (3, MAX_WORDS)
    assert ids[2, :3].tolist() == [1, 1, 0]
    expected = serving_model.get_layer("core")(ids)
    outputs = serving_model(tf.constant(texts))
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-6)
    labels = [label.decode() for label in outputs["label"].numpy()]
    assert labels == [[*WORDS][i] for i in np.argmax(expected, axis=1)]
    np.testing.assert_allclose(
        text_serving.predict_probabilities(serving_model, texts, batch_size=2), expected, atol=1e-6
    )


def test_best_takes_strings_in_any_case(run):
    model = keras.saving.load_model(run.best)
    outputs = model(tf.constant(["salt.", "SALT ."]))["probabilities"]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-6)


def test_onnx_takes_the_ids_of_its_vocabulary(where, serving_model, tmp_path):
    for needed in ("tf2onnx", "onnx"):
        pytest.importorskip(needed)
    onnxruntime = pytest.importorskip("onnxruntime")
    flags = ["--name", "a", "--format", "onnx", "--to", str(tmp_path)]
    assert documents(where, "export", *flags) == 0
    folder = tmp_path / "onnx"
    meaning = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    assert meaning["labels"] == [*WORDS]
    ids = np.array([[meaning["ids"].index(word) for word in ("the", "salt", ".")]], np.int32)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (outputs,) = session.run(None, {session.get_inputs()[0].name: ids})
    expected = serving_model(tf.constant(["The salt."]))["probabilities"]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("model", ["bag", "conv1d"])
def test_feed_forward_networks_train_with_a_limited_vocabulary(model, where, tmp_path, capsys):
    """10 of the 14 words, and texts of more than 8 words left out."""
    flags = ["--model", model, "--epochs", "1", "--vocabulary", "10", "--max-length", "8"]
    flags += ["--jit", "off"]
    flags = [*train_flags("documents", where), *flags, "--too-long", "skip"]
    assert documents(tmp_path, "train", "--name", model, *flags) == 0
    assert "left out: more than 8 words, first" in capsys.readouterr().err
    run = RunFolder(tmp_path / "documents" / model)
    assert not (run.plots / "error_flow.png").exists()
    vocabulary = text_serving.vocabulary_in(load(run.best))
    settings = {"data_dir": where / "texts.tsv", "max_length": 8, "too_long": "skip"}
    data = TASK.read_data(replace(DocumentsConfig(), **settings))
    trained = [word for words in data.train.texts for word in words.lower().split()]
    counts = sorted(map(trained.count, {*trained}))
    assert sorted(map(trained.count, vocabulary)) == counts[-10:]
    unknown = {*trained} - {*vocabulary}
    assert (text_serving.vectorize([" ".join(unknown)], vocabulary, "word") == 1).all()
    capsys.readouterr()
    assert documents(tmp_path, "predict", "old soup") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("old soup\t")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "this task has no data of its own: give yours with --data-dir"),
        (["train", "--data-dir", "nowhere"], "--data-dir nowhere: no such file or folder"),
        (["train", "--data-dir", "x", "--dataset", "y"], "are two sources: give one"),
        (["train", "--max-length", "4"], "max_length"),
        (["train", "--vocabulary", "9"], "vocabulary"),
        (["train", "--kernel-sizes", "3,x"], "kernel_sizes"),
        (["train", "--kernel-sizes", "0,3"], "kernel_sizes"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_run(where, arguments, message, capsys):
    before = sorted((where / "documents").iterdir())
    assert documents(where, *arguments) == 2
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err
    assert sorted((where / "documents").iterdir()) == before


@pytest.mark.parametrize("layers", [1, 2])
def test_conv1d_ignores_padding(layers):
    """Although the biases make the outputs for padding larger than those for words."""
    core = conv1d(
        vocabulary_size=9, labels=3, embedding=3, units=2, layers=layers, activation="tanh"
    )
    for layer in core.layers:
        if layer.name.startswith("size_"):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias + 3])
    ids = np.array([[2, 3, 4, 8], [5, 6, 0, 0]], np.int32)
    outputs = core(ids)
    np.testing.assert_allclose(core(np.pad(ids, ((0, 0), (0, 7)))), outputs, atol=1e-6)
    np.testing.assert_allclose(core(ids[1:, :2]), outputs[1:], atol=1e-6)
    # With as many steps as filters, Keras would take [1, T, 1] for a bias of the filters.
    one_word = np.array([[7, 0, 0, 0]], np.int32)
    together = core(np.concatenate([ids, one_word]))[2:]
    for length in (1, 2, 3):
        np.testing.assert_allclose(core(one_word[:, :length]), together, atol=1e-6)


def test_a_filter_of_conv1d_returns_its_maximum_over_the_words():
    config = replace(
        DocumentsConfig(),
        model="conv1d",
        kernel_sizes="5,2",
        units=2,
        embedding=3,
        layers=1,
        activation="tanh",
    )
    core = build(config, vocabulary_size=9, labels=3)
    random = np.random.default_rng(0)
    core.set_weights([random.normal(size=w.shape, scale=0.5) for w in core.get_weights()])
    vectors = core.get_layer("embedding").get_weights()[0]
    ids = [4, 7, 2, 3, 8, 1]
    (maxima,) = keras.Model(core.input, core.get_layer("largest").output)(np.array([[*ids, 0, 0]]))
    expected = []
    for width in (2, 5):
        kernel, bias = core.get_layer(f"size_{width}_1").get_weights()  # [width, D, F], [F]
        around = [(width - 1) // 2, width // 2]
        x = np.pad(vectors[ids], [around, [0, 0]])
        values = [
            np.tanh(np.einsum("wd,wdf->f", x[t : t + width], kernel) + bias)
            for t in range(len(ids))
        ]
        expected.append(np.max(values, axis=0))
    np.testing.assert_allclose(maxima, np.concatenate(expected), rtol=1e-4, atol=1e-6)


def test_a_bag_of_words_ignores_order_and_padding():
    config = replace(DocumentsConfig(), model="bag", units=4)
    core = build(config, vocabulary_size=9, labels=3)
    ids = np.array([[2, 3, 4, 8, 3]], np.int32)
    for other in (ids[:, ::-1], ids[:, [1, 4, 3, 0, 2]], np.pad(ids, [(0, 0), (0, 6)])):
        np.testing.assert_allclose(core(other), core(ids), atol=1e-6)
    assert np.abs(core(ids[:, :4]) - core(ids)).max() > 1e-5  # how often a word comes counts


def test_a_bag_of_words_learns_real_genres(tmp_path):
    """Accuracy above chance for five genres; most documents are reviews."""
    if not ewt_genres.EWT.is_dir():
        pytest.skip(f"no {ewt_genres.EWT}; set ERRORFLOW_DATA to the folder with ud-english-ewt")
    data = ewt_genres.write_genres(tmp_path / "genres", ewt_genres.EWT)
    flags = ["--model", "bag", "--limit", "200", "--epochs", "2", "--learning-rate", "0.03"]
    flags += ["--jit", "off"]
    flags += ["--name", "ewt", "--data-dir", str(data)]
    assert documents(tmp_path, "train", *flags) == 0
    assert RunFolder(tmp_path / "documents" / "ewt").results()["test"]["accuracy"] > 0.4


def test_conv1d_returns_its_bias_for_a_text_without_words():
    core = conv1d(vocabulary_size=5, labels=3, embedding=2, units=2)
    (bias,) = [w for w in core.get_layer("probabilities").weights if w.name == "bias"]
    bias.assign([1.0, 2.0, 4.0])
    outputs = np.array(core(np.array([[0, 0, 0], [2, 3, 4]])))[0]
    np.testing.assert_allclose(outputs, np.exp([1, 2, 4]) / np.exp([1, 2, 4]).sum(), rtol=1e-5)
