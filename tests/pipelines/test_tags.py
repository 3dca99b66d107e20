"""Tests of the tags pipeline alone, on a made-up treebank, and of its parts."""

import csv
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.layers import GRU
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.datasets.tags.tag_data import TagSplit
from errorflow.pipelines.datasets.tags.tokens import tokens_of
from errorflow.pipelines.models import tagger
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.models.tagger import (
    LONGEST_WORD,
    SentenceIds,
    Vocabulary,
    build_vocabulary,
)
from errorflow.pipelines.tags import TASK, TagsConfig
from errorflow.pipelines.tags.training import evaluate, padded_targets, predict_probabilities
from event_files import read
from tasks import TAGS, errorflow, train_flags

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def where(finished_run):
    with finished_run("tags") as folder:
        yield folder


@pytest.fixture(scope="module")
def run(where) -> RunFolder:
    return RunFolder(where / "tags" / "a")


@pytest.fixture(scope="module")
def serving_model(run) -> keras.Model:
    return load(run.best)


def tags(where: Path, verb: str, *flags: str) -> int:
    return errorflow("tags", verb, where, *flags)


def test_accuracy_is_better_than_the_baseline(run):
    figures = run.results()["test"]
    assert figures["accuracy"] > figures["baseline"] + 0.1


def test_the_best_epoch_has_the_highest_accuracy_over_tokens(run):
    """The masked, weighted metric of Keras agrees with our own count."""
    rows = list(csv.DictReader(run.history_file.open()))
    best = max(float(row["val_accuracy"]) for row in rows)
    assert run.results()["validation"]["accuracy"] == pytest.approx(best, abs=1e-5)


def test_the_baseline_is_the_share_of_the_most_frequent_tag(run):
    rows = list(csv.DictReader((run.plots / "confusion.csv").open(encoding="utf-8")))
    counts = [sum(int(row[tag]) for tag in TAGS) for row in rows]
    expected = run.results()["test"]["baseline"]
    assert max(counts) / sum(counts) == pytest.approx(expected, abs=1e-6)


def test_every_token_gets_a_tag(where, capsys):
    """Also words and characters that training never showed, and words longer than any."""
    lines = ["The bed, badly.", "Ω₂ 字", "a" * 500, "?"]
    assert tags(where, "predict", "--name", "a", *lines) == 0
    for shown, line in zip(capsys.readouterr().out.splitlines(), lines, strict=True):
        words, labels = zip(*(pair.rsplit("/", 1) for pair in shown.split(" ")), strict=True)
        assert [*words] == tokens_of(line)
        assert {*labels} <= {*TAGS}


def test_predict_does_not_split_given_tokens(where, capsys):
    assert tags(where, "predict", "--tokens", "can't stop.  U.S./the") == 0
    outputs = capsys.readouterr().out.split()
    assert [pair.rsplit("/", 1)[0] for pair in outputs] == ["can't", "stop.", "U.S./the"]


def test_unknown_words_differ_by_their_characters_and_known_ones_ignore_case(serving_model):
    sentences = tf.constant(["zazaly", "zazael", "the", "The"])
    ids = tagger.tokenizer_in(serving_model)(sentences)["words"].numpy()
    assert ids[:2].tolist() == [[1], [1]]
    assert ids[2] == ids[3] > 1
    outputs = serving_model(sentences)["probabilities"].numpy()
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-3


def test_best_takes_sentences(run):
    model = keras.saving.load_model(run.best)
    outputs = model(tf.constant(["the abc badly", "The"]))
    assert outputs["probabilities"].shape == (2, 3, 3)
    np.testing.assert_allclose(np.sum(outputs["probabilities"], axis=2), 1, rtol=1e-5)
    labels = [[tag.decode() for tag in row] for row in outputs["label"].numpy()]
    best = np.argmax(outputs["probabilities"], axis=2)
    assert labels == [[TAGS[i] for i in row] for row in best]


@pytest.mark.slow
def test_onnx_takes_the_two_named_inputs_of_its_vocabulary(where, serving_model, tmp_path):
    for needed in ("tf2onnx", "onnx"):
        pytest.importorskip(needed)
    onnxruntime = pytest.importorskip("onnxruntime")
    flags = ["--name", "a", "--format", "onnx", "--to", str(tmp_path)]
    assert tags(where, "export", *flags) == 0
    folder = tmp_path / "onnx"
    meaning = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    signs = meaning["characters"].index
    words = np.array([[meaning["words"].index("the"), 1]], np.int32)
    characters = np.array([[[*map(signs, "the"), 0], [*map(signs, "aaly")]]], np.int32)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    assert {tensor.name for tensor in session.get_inputs()} == {"words", "characters"}
    (outputs,) = session.run(None, {"words": words, "characters": characters})
    expected = serving_model(tf.constant(["the aaly"]))["probabilities"]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert meaning["labels"] == TAGS


def test_predictions_do_not_depend_on_other_sentences_in_the_batch(serving_model):
    """Longer sentences and words in the batch only add padding."""
    alone = serving_model(tf.constant(["the bad"]))["probabilities"]
    for neighbour in ("a", "b " * 9, "abcde" * 9):
        both = serving_model(tf.constant([neighbour, "the bad"]))["probabilities"]
        np.testing.assert_allclose(both[1:, :2], alone, atol=1e-5)
    core, ids = serving_model.get_layer("core"), ids_of(serving_model, "the bad")
    assert ids.characters[0].shape == (2, LONGEST_WORD)
    np.testing.assert_allclose(core(ids.batch(np.array([0]), 5))[:, :2], alone, atol=1e-5)


def ids_of(serving_model, *sentences) -> SentenceIds:
    return tagger.sentence_ids(
        tagger.tokenizer_in(serving_model), [text.split() for text in sentences]
    )


def test_sentences_of_all_lengths_are_predicted_as_if_alone(serving_model):
    sentences = [["a", "b", "c"] * 100, [], ["d"], ["b", "a"]]
    together, _ = predict_probabilities(serving_model, sentences)
    for sentence, probabilities in zip(sentences, together, strict=True):
        assert len(probabilities) == len(sentence)
        alone, _ = predict_probabilities(serving_model, [sentence])
        np.testing.assert_allclose(probabilities, alone[0], atol=1e-6)


def test_loss_and_accuracy_ignore_padding(serving_model):
    core, ids = (
        serving_model.get_layer("core"),
        ids_of(serving_model, "the bad", "abcly the cab bad"),
    )
    tags = [np.array([1, 2], np.int32), np.array([0, 1, 2, 0], np.int32)]
    part = TagSplit([("x",) * len(row) for row in tags], tags)
    core.compile(
        loss="sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
        jit_compile=False,
    )
    chosen = np.array([0, 1])
    x = [ids.batch(chosen, length) for length in (4, 6)]
    probabilities = core(x[0]).numpy()
    rows = [row[: len(t)] for row, t in zip(probabilities, tags, strict=True)]
    picked = np.concatenate([row[range(len(t)), t] for row, t in zip(rows, tags, strict=True)])
    correct = np.concatenate([row.argmax(1) == t for row, t in zip(rows, tags, strict=True)])
    for batch, length in zip(x, (4, 6), strict=True):
        targets, weights = padded_targets(part, chosen, length)
        for padded in (targets, np.where(weights == 0, 2, targets)):
            scores = core.test_on_batch(batch, padded, weights, return_dict=True)
            assert scores["loss"] == pytest.approx(-np.log(picked).mean(), rel=1e-5)
            assert scores["accuracy"] == pytest.approx(correct.mean())


def test_targets_are_cut_and_padded_with_weights_of_0():
    part = TagSplit([], [np.array([2, 1, 2], np.int32), np.array([1], np.int32)])
    targets, weights = padded_targets(part, np.array([1, 0]), 2)
    assert targets.tolist() == [[1, 0], [2, 1]]
    assert weights.tolist() == [[1, 0], [1, 1]]


def test_evaluate_agrees_with_counts_by_hand(serving_model):
    sentences = [("the", "qqqly"), ("qqq", "the", "the"), ("the",)]
    expected = [[1, 0], [2, 0, 1], [2]]  # of which the model may know the first four
    part = TagSplit(sentences, [np.array(tags, np.int32) for tags in expected])
    scores = evaluate(serving_model, part, TAGS)
    predicted = [
        serving_model(tf.constant([" ".join(tokens)]))["label"][0].numpy() for tokens in sentences
    ]
    hits = [
        [TAGS[i] == tag.decode() for i, tag in zip(*pair, strict=True)]
        for pair in zip(expected, predicted, strict=True)
    ]
    assert scores.figures["accuracy"] == pytest.approx(sum(map(sum, hits)) / 6, abs=1e-6)
    assert scores.figures["unknown_words"] == pytest.approx(2 / 6, abs=1e-6)
    assert scores.figures["unknown_accuracy"] == (hits[0][1] + hits[1][0]) / 2
    assert scores.figures["baseline"] == pytest.approx(2 / 6, abs=1e-6)
    assert scores.confusion.sum() == 6
    without_unknown = evaluate(serving_model, TagSplit([("the",)], [np.array([1], np.int32)]), TAGS)
    assert without_unknown.figures["unknown_words"] == 0
    assert "unknown_accuracy" not in without_unknown.figures


def test_tensorboard_shows_gates_samples_and_the_error_over_words_and_characters(run):
    train, validation = (
        {tag for step in read(run.logs / folder)[0].values() for tag in step}
        for folder in ("train", "validation")
    )
    assert "samples" in validation
    for layer in ("rnn_1", "character_rnn"):
        assert any(t.startswith("gates/") and f"{layer}/" in t and "forget" in t for t in train)
        assert any(t.startswith("error_flow/") and f"{layer}/" in t for t in train)


def test_sentences_that_are_too_long_are_cut_or_skipped_and_reported(where):
    settings = {"data_dir": where / "data", "max_length": 4}
    cut, skipped = (
        TASK.read_data(replace(TagsConfig(), too_long=too_long, **settings))
        for too_long in ("cut", "skip")
    )
    (longer,) = re.findall(
        r"train: (\d+) of 48 sentences have more than 4 tokens; cut", "\n".join(cut.problems)
    )
    left_out = [item for item in skipped.left_out if "train" in Path(item.where).name]
    assert {item.reason for item in left_out} == {"more than 4 tokens"}
    assert 0 < len(left_out) == int(longer) < 48
    assert (len(cut.train), len(skipped.train)) == (48, 48 - int(longer))
    for part in (cut.train, skipped.train):
        assert {len(tags) for tags in part.tags} == {len(s) for s in part.sentences} == {2, 3, 4}


def test_a_network_without_characters_trains(where, tmp_path, capsys):
    flags = [
        "--max-length",
        "4",
        "--character-units",
        "0",
        "--epochs",
        "1",
        "--model",
        "gru",
    ]
    flags = [*train_flags("tags", where), *flags]
    assert tags(tmp_path, "train", "--name", "words", *flags) == 0
    core = load(RunFolder(tmp_path / "tags" / "words").best).get_layer("core")
    assert isinstance(core.get_layer("rnn_1").forward_layer, GRU)
    assert not [layer.name for layer in core.layers if "character_" in layer.name]
    capsys.readouterr()
    assert tags(tmp_path, "predict", "a b c d e f g") == 0
    assert len(capsys.readouterr().out.split()) == 7  # more than 4: `predict` cuts nothing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data-dir", "nowhere"], "--data-dir nowhere: no such file or folder"),
        (["train", "--word-dropout", "1"], "word_dropout"),
        (["train", "--character-units", "-1"], "character_units"),
        (["train", "--resume", "--name", "a", "--units", "6"], "units (4 → 6)"),
        (["predict", "a", " "], "one of them is empty"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_run(where, arguments, message, capsys):
    before = sorted((where / "tags").iterdir())
    assert tags(where, *arguments) == 2
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err
    assert sorted((where / "tags").iterdir()) == before


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I can't.", "I ca n't ."),
        ("They'll say it's John's, I'd've won't", "They 'll say it 's John 's , I 'd 've wo n't"),
        ("ISN’T o'clock dogs'", "IS N’T o'clock dogs '"),
        ("The U.S. a.m.", "The U.S. a.m."),
        ("$1,000.50, 50%: 12:30.", "$ 1,000.50 , 50 % : 12:30 ."),
        ("3rd 1990s 5pm", "3rd 1990s 5 pm"),
        ("Well... no -- never!!", "Well ... no -- never !!"),
        ("well-known (x)", "well - known ( x )"),
        ("(me.you@mail.example.org),", "( me.you@mail.example.org ) ,"),
        ("See https://a.org/b?c=d.", "See https://a.org/b?c=d ."),
        ("“www.a.org/~b/”", "“ www.a.org/~b/ ”"),
        ("Zoe\u0308 naïve Ångström 字", "Zoë naïve Ångström 字"),
        ("a\u00a0b\tc", "a b c"),
        ("a@b 'No!'", "a @ b ' No ! '"),
    ],
)
def test_text_is_split_into_tokens(text, tokens):
    assert tokens_of(text) == tokens.split()


def test_a_vocabulary_has_all_words_and_the_repeated_characters():
    sentences = [("Ab", "cab"), ("ab", "É", "x!"), ("CAB", "AB", "é")]
    vocabulary = build_vocabulary(iter(sentences))
    assert vocabulary.words == ["ab", "cab", "é", "x!"]
    assert vocabulary.characters == ["A", "B", "a", "b"]


def test_ids_are_cut_and_padded_to_a_batch():
    read = tagger.tokenizer(Vocabulary(["ab", "ö"], ["a", "b"]))
    ids = tagger.sentence_ids(read, [("AB", "q" * 30), ("Ö",), ("b", "ab", "b")], batch_size=2)
    assert ids.lengths.tolist() == [2, 1, 3]
    batch = ids.batch(np.array([2, 0, 1]), 2)
    assert batch["words"].tolist() == [[1, 2], [2, 1], [3, 0]]
    assert batch["characters"].shape == (3, 2, LONGEST_WORD)
    assert batch["characters"][:, :, :3].tolist() == [
        [[3, 0, 0], [2, 3, 0]],
        [[1, 1, 0], [1, 1, 1]],
        [[1, 0, 0], [0, 0, 0]],
    ]
    assert batch["characters"].sum() == 3 + 5 + 2 + LONGEST_WORD + 1
    assert {array.dtype.name for array in batch.values()} == {"int32"}
