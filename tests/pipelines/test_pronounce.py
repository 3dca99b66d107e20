"""Tests of the pronounce pipeline alone, on made-up words, and of its parts."""

import io
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow import layers
from errorflow.layers.text.beam_search import search
from errorflow.layers.text.symbols import END
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.datasets.pairs.pair_data import PairSplit, load_pairs
from errorflow.pipelines.models import text_serving
from errorflow.pipelines.models.encoder_decoder import alignment, encoder_decoder
from errorflow.pipelines.models.sequence_serving import source_vocabulary, target_vocabulary
from errorflow.pipelines.models.sequence_vocabulary import SequenceVocabulary, shift_right
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.pronounce.decoding import alignments, best_predictions
from errorflow.pipelines.pronounce.pairs import encode_pairs, note_unknown_symbols
from errorflow.pipelines.pronounce.training import evaluate
from errorflow.pipelines.training import text_metrics
from event_files import read
from tasks import errorflow

pytestmark = pytest.mark.usefixtures("undrawn")

TINY = ["--units", "8", "--embedding", "4", "--layers", "1", "--batch-size", "16", "--beam", "2"]


@pytest.fixture(scope="module")
def where(finished_run):
    with finished_run("pronounce") as folder:
        yield folder


@pytest.fixture(scope="module")
def run(where) -> RunFolder:
    return RunFolder(where / "pronounce" / "a")


@pytest.fixture(scope="module")
def serving_model(run) -> keras.Model:
    return load(run.best)


def pronounce(where: Path, verb: str, *flags: str) -> int:
    return errorflow("pronounce", verb, where, *flags)


def test_training_improves_on_the_baseline_and_the_error_is_joined_over_encoder_and_decoder(run):
    results = run.results()
    assert results["test"]["per"] < 0.5
    assert results["test"]["wer"] < results["test"]["baseline"]
    assert any(
        "the largest error at any step of decoder/rnn_1" in line for line in results["verdict"]
    )


def test_tensorboard_shows_the_joined_error_samples_attention_and_gates(run):
    train, validation = (
        {tag for values in read(run.logs / folder)[0].values() for tag in values}
        for folder in ("train", "validation")
    )
    assert {f"error_flow/heat_map/rnn_1_{way}" for way in ("forward", "backward")} <= train
    assert "gates/decoder/rnn_1" in train
    assert {"attention", "samples"} <= validation


def test_exact_match_under_teacher_forcing_equals_that_of_greedy_search(where, run, serving_model):
    best = read_history(run)[run.results()["best_epoch"] - 1]["val_right"]
    part = load_pairs(data_dir=where / "pairs").validation
    predictions, _ = best_predictions(serving_model, part.sources, width=1)
    pairs = [
        (row[0], target)
        for row, several in zip(predictions, part.targets, strict=True)
        for target in several
    ]
    assert np.mean([prediction == target for prediction, target in pairs]) == pytest.approx(
        best, abs=1e-6
    )
    assert 0.1 < best < 1


def test_predict_prints_the_best_predictions_with_scores(where, serving_model, capsys, monkeypatch):
    assert pronounce(where, "predict", "abba", "BAD", "--top", "2") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    predictions, scores = best_predictions(serving_model, ["abba", "bad"], width=2)
    assert [row[0] for row in rows] == ["abba", "abba", "BAD", "BAD"]
    assert [row[1] for row in rows] == [*predictions[0], *predictions[1]]
    assert [float(row[2]) for row in rows] == pytest.approx(scores.ravel().tolist(), abs=6e-4)
    monkeypatch.setattr(sys, "stdin", io.StringIO("abba\n\nbad\n"))
    assert pronounce(where, "predict", "--top", "1") == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == ["abba", "bad"]


def test_predict_shows_the_alignment(where, serving_model, capsys):
    assert pronounce(where, "predict", "abd", "--top", "1", "--attention") == 0
    out = capsys.readouterr().out
    (shown,) = alignments(
        serving_model, ["abd"], [best_predictions(serving_model, ["abd"])[0][0][0]]
    )
    np.testing.assert_allclose(shown.weights.sum(axis=1), 1, rtol=1e-5)
    assert shown.inputs == [*"abd"]
    assert [line.split()[0] for line in out.splitlines()[3:-1]] == shown.outputs
    assert shown.outputs[-1] == "end"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "abx"], "errorflow: 'abx': character 'x' is not in the training data; it"),
        (["predict", "ab", " "], "errorflow: errorflow pronounce predict takes texts: one of them"),
        (["predict", "ab", "--top", "0"], "errorflow: --top (key top) must be 1 or more, got 0"),
        (["train", "--target", "word"], "errorflow: --source and --target: CMUdict has characters"),
        (["train", "--beam", "0"], "errorflow: --beam (key beam) must be 1 or more, got 0"),
    ],
)
def test_an_error_is_one_line(where, arguments, message, capsys):
    verb, *rest = arguments
    assert pronounce(where, verb, *rest) == (3 if "abx" in rest else 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith(message)


@pytest.mark.slow
def test_onnx_comes_with_the_symbols_of_both_sides(where, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    flags = ["--name", "a", "--format", "onnx", "--to", str(tmp_path)]
    assert pronounce(where, "export", *flags) == 0
    meaning = json.loads((tmp_path / "onnx" / "vocabulary.json").read_text())
    assert meaning["source"] == ["", "[UNK]", "a", "b", "c", "d"]
    assert meaning["target"] == ["", "[UNK]", "[START]", "[END]", "AH", "B", "D", "K", "S", "T"]


@pytest.mark.slow
def test_word_targets_are_evaluated_by_bleu(tmp_path, capsys):
    pytest.importorskip("jiwer")
    pytest.importorskip("sacrebleu")
    numbers = ["one", "two", "three", "four", "five", "six", "seven"]
    names = ["un", "deux", "trois", "quatre", "cinq", "six", "sept"]
    random = np.random.default_rng(1)
    chosen = {tuple(random.integers(0, 7, random.integers(2, 5))) for _ in range(60)}
    lines = [
        f"{' '.join(numbers[i] for i in c)}!\t{' '.join(names[i] for i in c)} !\n" for c in chosen
    ]
    (tmp_path / "pairs").write_text("".join(lines), encoding="utf-8")
    flags = ["--source", "word", "--target", "word", "--epochs", "1", "--model", "lstm"]
    flags += ["--data-dir", str(tmp_path / "pairs")]
    assert pronounce(tmp_path, "train", "--name", "a", *TINY, *flags, "--reverse") == 0
    run = RunFolder(tmp_path / "pronounce" / "a")
    assert set(run.results()["test"]) == {"wer", "wrong", "bleu", "baseline"}
    capsys.readouterr()
    assert pronounce(tmp_path, "predict", "one zwei!", "--top", "1") == 0
    out, err = capsys.readouterr()
    assert out.startswith("one zwei!\t")
    assert "'one zwei!': not in the training data: 'zwei'" in err
    assert pronounce(tmp_path, "predict", "one", "--attention") == 2
    assert "this network has no attention" in capsys.readouterr().err
    serving_model = load(run.best)
    source, target = source_vocabulary(serving_model), target_vocabulary(serving_model)
    assert (source.split, target.split) == ("word", "word")
    assert {"!", "one"} <= {*source.symbols}


# Parts


@pytest.mark.parametrize("attention", [False, True])
def test_layers_of_errorflow_and_keras_give_the_same_outputs_and_gradients(attention):
    shared = {
        "source_symbols": 6,
        "target_symbols": 7,
        "embedding": 3,
        "units": 4,
        "layers": 2,
        "bidirectional": True,
        "attention": attention,
    }
    source = tf.constant([[2, 3, 4, 5], [5, 4, 0, 0]])
    targets = np.array([[4, 5, 3], [6, 3, 0]])
    results = []
    for recurrent in (layers.LSTM, keras.layers.LSTM):
        core = encoder_decoder(recurrent, **shared)
        random = np.random.default_rng(0)
        core.set_weights([random.normal(size=w.shape) for w in core.get_weights()])
        with tf.GradientTape() as tape:
            outputs = core({"source": source, "target": tf.constant(shift_right(targets))})
            loss = tf.reduce_sum(tf.gather(outputs, targets, batch_dims=2) * (targets != 0))
        gradients = tape.gradient(loss, core.trainable_variables)
        results.append([outputs, *(tf.convert_to_tensor(g) for g in gradients)])
    for ours, stock in zip(*results, strict=True):
        np.testing.assert_allclose(ours, stock, rtol=2e-4, atol=1e-6)


def test_the_decoder_starts_from_the_concatenated_states_of_both_directions():
    shared = {"source_symbols": 6, "target_symbols": 7, "embedding": 3, "units": 4}
    core = encoder_decoder(layers.LSTM, **shared, bidirectional=True)
    encoded = core.get_layer("encoder")(tf.constant([[2, 3, 4, 5]]))
    hidden, cell = encoded["states"]
    np.testing.assert_allclose(hidden[:, :4], encoded["memory"][:, -1, :4])  # read to the end
    np.testing.assert_allclose(hidden[:, 4:], encoded["memory"][:, 0, 4:])  # and to the beginning
    np.testing.assert_array_equal(np.sign(cell), np.sign(hidden))  # h = o ⊗ tanh(c), o > 0
    assert (np.abs(cell) > np.abs(hidden)).all()


def test_attention_ignores_padding():
    core = encoder_decoder(
        layers.GRU, source_symbols=6, target_symbols=7, embedding=3, units=4, attention=True
    )
    target = tf.constant([[2, 4]])
    short, long = tf.constant([[2, 3]]), tf.constant([[2, 3, 0, 0]])
    weights = alignment(core, long, target).numpy()
    np.testing.assert_array_equal(weights[:, :, 2:], 0)
    np.testing.assert_allclose(weights[:, :, :2], alignment(core, short, target), rtol=1e-5)


def test_a_reversed_encoder_reads_from_the_end_and_aligns_in_order():
    shared = {"source_symbols": 6, "target_symbols": 7, "embedding": 3, "units": 4}
    ahead = encoder_decoder(layers.GRU, **shared, attention=True)
    back = encoder_decoder(layers.GRU, **shared, attention=True, reverse=True)
    back.set_weights(ahead.get_weights())
    target = tf.constant([[2, 4, 5]])
    forward, backward = (
        alignment(ahead, tf.constant([[4, 3, 2]]), target),
        alignment(back, tf.constant([[2, 3, 4, 0]]), target),
    )
    np.testing.assert_allclose(forward, backward[:, :, 2::-1], rtol=1e-5)


def test_pairs_have_every_target_of_a_source_and_shifted_decoder_inputs():
    source, target = (
        SequenceVocabulary("character", ["a", "b"]),
        SequenceVocabulary("phone", ["AH", "B"]),
    )
    part = PairSplit(["ab", "b", "bbb"], [["AH B", "B"], ["B"], ["B B B B"]])
    pairs = encode_pairs(part, "train", source, target, max_length=3)
    assert pairs.lengths.tolist() == [[2, 3], [2, 2], [1, 2]]  # the last has a symbol too many
    inputs, targets, weights = pairs.take(np.array([0, 2]), (2, 3))
    assert inputs["source"].tolist() == [[2, 3], [3, 0]]
    assert inputs["target"].tolist() == [[2, 4, 5], [2, 5, 0]]
    assert targets.tolist() == [[4, 5, END], [5, END, 0]]
    assert weights.tolist() == [[1, 1, 1], [1, 1, 0]]


def test_rates_count_edits_to_the_nearest_target():
    pytest.importorskip("jiwer")
    predictions = [["K", "AE", "T"], [], ["B", "B"]]
    targets = [[["T"], ["K", "AH", "T"]], [["D", "D"]], [["B", "B"]]]
    results = text_metrics.distances(predictions, targets)
    assert results == [(1, 3), (2, 2), (0, 2)]
    per, wer = text_metrics.rates(results)
    assert (per, wer) == (3 / 7, 2 / 3)


def test_sources_longer_than_in_training_are_evaluated(serving_model):
    part = PairSplit(["ab", "ab" * 40], [["AH B"], ["AH B"]])
    once, both = (
        evaluate(serving_model, PairSplit(["ab"], [["AH B"]]), []),
        evaluate(serving_model, part, []),
    )
    assert both.figures["wer"] >= (once.figures["wer"] + 1) / 2


def test_without_an_optional_package_the_error_says_what_to_install(
    where, monkeypatch, capsys, tmp_path
):
    import importlib.util

    true = importlib.util.find_spec
    missing = ("jiwer", "sacrebleu")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n in missing else true(n, *a)
    )
    assert (
        pronounce(tmp_path, "train", "--source", "word", "--target", "word", "--dataset", "x") == 2
    )
    err = capsys.readouterr().err
    assert "jiwer and sacrebleu" in err
    assert "pip install 'errorflow[speech,text]'" in err
    assert pronounce(where, "evaluate", "--name", "a") == 2
    assert "pip install 'errorflow[speech]'" in capsys.readouterr().err


def test_sources_with_unknown_symbols_are_reported(capsys):
    part = PairSplit(["ab", "axb", "x"], [["A"], ["B"], ["C"]])
    note_unknown_symbols(part, "test", SequenceVocabulary("character", ["a", "b"]))
    err = capsys.readouterr().err
    assert "test: 2 of 3 sources have a character that is not in the vocabulary, such as 'x'" in err
    note_unknown_symbols(part, "test", SequenceVocabulary("character", ["a", "b", "x"]))
    assert not capsys.readouterr().err


def test_phones_keep_their_case_and_words_are_split_at_punctuation():
    assert [*text_serving.split_texts(["HH ah0"], "phone")] == [["HH", "ah0"]]
    assert [*text_serving.split_texts(["It's"], "word")] == [["it", "'", "s"]]
    ids = text_serving.vectorize(["AH B X"], ["AH", "B"], "phone")
    assert ids.tolist() == [[2, 3, 1]]


def test_the_search_result_does_not_depend_on_other_sources(serving_model):
    """A source gets the same predictions alone and in a batch."""
    core = serving_model.get_layer("search").core
    ids = text_serving.vectorize(
        ["ab", "dcba"], source_vocabulary(serving_model).symbols, "character"
    )
    both = search(core, tf.constant(ids), 3, 0.6, 9)
    alone = search(core, tf.constant(ids[:1, :2]), 3, 0.6, 9)
    np.testing.assert_array_equal(both["ids"][0], alone["ids"][0])
