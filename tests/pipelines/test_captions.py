"""Tests of the captions pipeline alone, on a few scenes and photos, and of its parts."""

import io
import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks.drawing.captioned_images import CaptionedImage, caption_sheet
from errorflow.layers import GRU, LSTM
from errorflow.layers.text.beam_search import search
from errorflow.layers.text.symbols import END, START
from errorflow.pipelines.captions import CaptionsConfig
from errorflow.pipelines.captions.training import evaluate
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.datasets.image_text.image_text_data import ImageTextSplit
from errorflow.pipelines.datasets.image_text.scenes import Facts, Group, wordings
from errorflow.pipelines.image_to_text import training
from errorflow.pipelines.image_to_text.image_store import store_images
from errorflow.pipelines.image_to_text.pairs import encode_pairs
from errorflow.pipelines.image_to_text.prediction import drawing_names
from errorflow.pipelines.image_to_text.pretraining import pretrain
from errorflow.pipelines.image_to_text.training import best_texts, image_shape_of
from errorflow.pipelines.models.encoder_decoder import decoder_inputs
from errorflow.pipelines.models.image_to_text import image_to_text
from errorflow.pipelines.models.sequence_vocabulary import SequenceVocabulary
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.models.vision import image_encoder
from event_files import read
from few_scenes import TINY
from PIL import Image
from tasks import errorflow, photo

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def where(finished_run):
    with finished_run("captions") as folder:
        yield folder


@pytest.fixture(scope="module")
def run(where) -> RunFolder:
    return RunFolder(where / "captions" / "a")


@pytest.fixture(scope="module")
def serving_model(run) -> keras.Model:
    return load(run.best)


def captions(run_dir: Path, verb: str, *flags: str) -> int:
    return errorflow("captions", verb, run_dir, *flags)


def test_pretraining_and_the_error_of_the_decoder_are_in_the_results(run):
    results = run.results()
    assert results["pretraining_seconds"] > 0
    assert results["verdict"][0].startswith("decoder/rnn_1")
    assert not {"facts_seen", "facts_unseen"} & {*results["validation"]}


def test_tensorboard_shows_images_with_captions_before_and_after_an_epoch(run):
    values, _ = read(run.logs / "validation")
    assert [step for step in sorted(values) if "pictures" in values[step]] == [0, 1]
    width, height, png = values[1]["pictures"]
    assert Image.open(io.BytesIO(png)).size == (int(width), int(height))
    for folder, tag in (("validation", "samples"), ("train", "gates/decoder/rnn_1")):
        values, _ = read(run.logs / folder)
        assert max(step for step in values if tag in values[step]) > 0


@pytest.mark.slow
def test_a_resumed_run_is_not_pretrained_again(run, tmp_path, monkeypatch):
    shutil.copytree(run.path, tmp_path / "captions" / "a")
    monkeypatch.setattr(training, "pretrain", None)
    assert captions(tmp_path, "train", "--resume", "--name", "a", "--epochs", "2") == 0
    assert [row["epoch"] for row in read_history(RunFolder(tmp_path / "captions" / "a"))] == [1, 2]


def test_predict_prints_captions_with_scores_and_draws_them(
    where, run, serving_model, tmp_path, capsys, monkeypatch
):
    paths = [photo(tmp_path / folder / "a.png", 80, 80) for folder in ("x", "y")]
    pixels = [np.asarray(Image.open(path))[..., None] for path in paths]
    drawn = run.samples / "told"
    shutil.rmtree(drawn, ignore_errors=True)  # what other tests have drawn
    assert captions(where, "predict", *map(str, paths)) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    predictions, scores = best_texts(serving_model, store_images(pixels, (80, 80, 1)))
    assert [row[:2] for row in rows] == [
        [str(p), a[0]] for p, a in zip(paths, predictions, strict=True)
    ]
    assert [float(row[2]) for row in rows] == pytest.approx(scores[:, 0].tolist(), abs=6e-4)
    assert sorted(path.name for path in drawn.iterdir()) == ["a-2.told.png", "a.told.png"]
    for name, image, row in zip(["a.told.png", "a-2.told.png"], pixels, predictions, strict=True):
        expected = caption_sheet([CaptionedImage([image], [row[0]])])
        np.testing.assert_array_equal(Image.open(drawn / name), expected)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{paths[1]}\n\n"))
    assert captions(where, "predict", "--top", "3", "--to", str(tmp_path / "to")) == 0
    several = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert several[0] == rows[1]
    assert [row[1] for row in several] == predictions[1][:3]
    assert (tmp_path / "to" / "a.told.png").exists()


def test_drawings_have_unique_names():
    paths = [Path("x/a.jpg"), Path("y/a.jpg"), Path("z/a-2.jpg"), Path("to/a.told.png")]
    names = drawing_names(paths, Path("to"))
    assert len({*names, "a.told.png"}) == 5


def test_the_serving_model_agrees_with_best_texts(serving_model):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 80, 80, 1)).astype(np.uint8)
    outputs = serving_model(pixels.astype("float32"))
    predictions, scores = best_texts(serving_model, store_images(pixels, (80, 80, 1)))
    assert [[text.decode() for text in row] for row in outputs["answers"].numpy()] == predictions
    np.testing.assert_allclose(outputs["scores"], scores, rtol=1e-5)
    assert serving_model(pixels[:1, :50, :70].astype("float32"))["answers"].shape == (1, 5)


def test_a_users_photos_of_different_sizes(tmp_path, capsys):
    pytest.importorskip("sacrebleu")
    lines = []
    for number in range(12):
        photo(tmp_path / "data" / f"{number}.png", 20 + 5 * number, 60, 3)
        caption = f"A {('dog', 'cat')[number % 2]} runs!"
        lines.append(json.dumps({"image": f"{number}.png", "captions": [caption, "it runs"]}))
    (tmp_path / "data" / "captions.jsonl").write_text("\n".join(lines))
    flags = ["--data-dir", str(tmp_path / "data"), "--size", "32", "--model", "rnn", *TINY.split()]
    assert captions(tmp_path, "train", "--name", "a", *flags) == 0
    run = RunFolder(tmp_path / "captions" / "a")
    assert set(run.results()["test"]) == {"bleu", "baseline_bleu", "exact"}
    assert image_shape_of(load(run.best)) == (32, 32, 3)
    capsys.readouterr()
    path = photo(tmp_path / "grey.jpg", 90, 50)
    assert captions(tmp_path, "predict", str(path)) == 0
    file, caption, score = capsys.readouterr().out.rstrip("\n").split("\t")
    assert file == str(path)
    assert {*caption.split()} <= {"a", "cat", "dog", "it", "runs", "!"}
    assert float(score) < 0
    assert (run.samples / "told" / "grey.told.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "nowhere.png", "--to", "{}/to"], "nowhere.png: no such file"),
        (["predict", "{}/cut.png", "--to", "{}/to"], "{}/cut.png: broken image ("),
        (
            ["predict", "{}/text.png"],
            "{}/text.png: not an image that can be read",
        ),
        (["predict", "{}/cut.png"], "{}/cut.png: broken image ("),
        (
            ["predict", "{}/whole.png", "--to", "{}/text.png"],
            "cannot write to {}/text.png: File ex",
        ),
        (["predict", "{}/whole.png", "--top", "0"], "--top (key top) must be 1 or more, got 0"),
        (["train", "--size", "16"], "--size 16: vgg11 needs 32 pixels or more"),
        (["train", "--cnn", "mlp"], "--cnn mlp: this network has no convolutions"),
        (["train", "--max-length", "1"], "train: no text of at most 1 words; raise --max-length"),
    ],
)
def test_an_error_is_one_line(where, tmp_path, arguments, message, capsys):
    whole = photo(tmp_path / "whole.png", 80, 80).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("not an image")
    before = {*tmp_path.rglob("*")}
    code = 3 if "nowhere" in message or "image" in message else 2  # 3: an input is broken
    assert captions(where, *(argument.format(tmp_path) for argument in arguments)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert {*tmp_path.rglob("*")} == before
    assert err.splitlines()[-1].startswith(f"errorflow: {message.format(tmp_path)}")


@pytest.mark.slow
def test_onnx_comes_with_words_and_shape(where, serving_model, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    flags = ["--name", "a", "--format", "onnx", "--to", str(tmp_path)]
    assert captions(where, "export", *flags) == 0
    meaning = json.loads((tmp_path / "onnx" / "input.json").read_text())
    assert meaning["target"][:4] == ["", "[UNK]", "[START]", "[END]"]
    decoder = serving_model.get_layer("search").core.get_layer("decoder")
    assert len(meaning["target"]) == decoder.output["probabilities"].shape[-1]
    assert meaning["shape"] == ["batch", 80, 80, 1]


# Parts


SHAPE, SYMBOLS, D, H = (32, 32, 1), 9, 5, 6


@pytest.fixture
def core() -> keras.Model:
    """An untrained network with weights that are not small, so that predictions differ."""
    return network(LSTM)


def network(recurrent, layers=1, cnn="lenet5", width=0.5) -> keras.Model:
    picture = image_encoder(cnn, SHAPE, width=width, features=D)
    model = image_to_text(recurrent, picture, symbols=SYMBOLS, units=H, layers=layers)
    random = np.random.default_rng(0)
    decoder = model.get_layer("decoder")
    decoder.set_weights([random.normal(size=w.shape) for w in decoder.get_weights()])
    return model


def pictures(count: int) -> tf.Tensor:
    pixels = np.random.default_rng(1).uniform(0, 255, (count, *SHAPE))
    return tf.constant(pixels, tf.float32)


def test_the_decoder_is_an_lstm_on_the_image_and_then_all_words_but_the_last(core):
    pixels, target = pictures(2), tf.constant([[START, 4, 8, 5], [START, 7, 7, 6]])
    encoder, decoder = core.get_layer("encoder"), core.get_layer("decoder")
    image = encoder(pixels)["image"].numpy()
    words = decoder.get_layer("embedding").get_weights()[0][target[:, 1:].numpy()]
    stock = keras.layers.LSTM(H, return_sequences=True)
    stock.build([None, None, D])
    stock.set_weights(decoder.get_layer("rnn_1").get_weights())
    hidden = stock(np.concatenate([image[:, None], words], axis=1))
    expected = decoder.get_layer("probabilities")(hidden)
    outputs = core({"pixels": pixels, "target": target})["next"]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert np.abs(outputs[0, 0] - outputs[1, 0]).max() > 1e-3  # by the image alone


def some_pairs(count):
    """Images of noise with captions of one word, of two different ones."""
    images = np.random.default_rng(0).integers(0, 256, (count, *SHAPE), np.uint8)
    texts = [["a"], ["b"]] * (count // 2)
    part = ImageTextSplit(images, texts, [[] for _ in texts], np.zeros(count, bool))
    words = SequenceVocabulary("word", [*"abcdefgh"[: SYMBOLS - 4]])
    return encode_pairs(part, "train", SHAPE, words, max_length=3)


def test_pretraining_trains_the_convolutions_only(core, capsys):
    pairs = some_pairs(8)
    before = {part: core.get_layer(part).get_weights() for part in ("encoder", "decoder")}
    pretrain(core, pairs, pairs, replace(CaptionsConfig(), pretrain=2))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    changed = {
        part: any(
            (old != new).any()
            for old, new in zip(weights, core.get_layer(part).get_weights(), strict=True)
        )
        for part, weights in before.items()
    }
    assert changed == {"encoder": True, "decoder": False}


def test_pretraining_uses_each_image_once_per_epoch():
    texts = [["a", "b a"], ["a b", "b", "c"]]  # 1 1/2 words in the mean, and 1 1/3
    images = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), np.uint8)
    part = ImageTextSplit(images, texts, [[], []], np.zeros(2, bool))
    pairs = encode_pairs(part, "train", SHAPE, SequenceVocabulary("word", [*"abc"]), max_length=3)
    assert pairs.images_with_words().tolist() == [[2, 0], [0, 0]]
    ((pixels, words),) = (
        pairs.single_image_batches(pairs.images_with_words(), 2, 0).in_order().as_numpy_iterator()
    )
    np.testing.assert_array_equal(pixels, images[::-1])
    np.testing.assert_allclose(words[:, 4:], [[1 / 3, 2 / 3, 1 / 3], [1, 1 / 2, 0]], rtol=1e-6)


@pytest.mark.parametrize(("epochs", "images"), [(1, [8]), (3, [3, 8, 8])])
def test_the_first_of_several_epochs_uses_the_simplest_third(core, monkeypatch, epochs, images):
    images_of_epochs = []

    def fit(model, x, **_):
        images_of_epochs.append(
            {image.tobytes() for images, _ in x.as_numpy_iterator() for image in images}
        )

    monkeypatch.setattr(keras.Model, "fit", fit)
    pretrain(core, some_pairs(8), some_pairs(8), replace(CaptionsConfig(), pretrain=epochs))
    assert [*map(len, images_of_epochs)] == images


def test_after_pretraining_an_image_does_not_depend_on_others_in_its_batch():
    core = network(LSTM, cnn="vgg11", width=0.05)
    pairs = some_pairs(8)
    pixels, target = tf.constant(pairs.store.take(np.arange(8))), tf.fill([8, 2], START)

    def words(count):
        inputs = {"pixels": pixels[:count], "target": target[:count]}
        return core(inputs, training=True)["words"][:2].numpy()

    assert np.abs(words(8) - words(2)).max() > 1e-4
    pretrain(core, pairs, pairs, replace(CaptionsConfig(), pretrain=1))
    assert all((w.numpy() != 1).any() for w in core.weights if "moving_variance" in w.path)
    np.testing.assert_allclose(words(8), words(2), atol=1e-6)


def test_the_embedding_of_the_start_symbol_is_not_used(core):
    inputs = {"pixels": pictures(2), "target": tf.constant([[START, 4, 8], [START, 7, 7]])}
    table = core.get_layer("decoder").get_layer("embedding").embeddings
    with tf.GradientTape() as tape:
        before = core(inputs)["next"]
        loss = tf.reduce_sum(before[..., 4])
    gradient = tf.convert_to_tensor(tape.gradient(loss, table.value)).numpy()
    assert [row for row in range(SYMBOLS) if np.any(gradient[row])] == [4, 7, 8]
    changed = table.numpy()
    changed[START] += 100
    table.assign(changed)
    np.testing.assert_array_equal(core(inputs)["next"], before)


def test_recurrent_layers_skip_padding(core):
    decoder, pixels = core.get_layer("decoder"), pictures(2)
    encoded = core.get_layer("encoder")(pixels)
    target = tf.constant([[START, 4, 8], [START, 7, 5]])
    padded = tf.pad(target, [[0, 0], [0, 3]])
    short, long = (
        decoder(decoder_inputs(decoder, encoded, ids))["states"] for ids in (target, padded)
    )
    for state_of_short, state_of_long in zip(short, long, strict=True):
        np.testing.assert_allclose(state_of_short, state_of_long, rtol=1e-6)
    with tf.GradientTape() as tape:
        outputs = core({"pixels": pixels, "target": tf.constant([[START, 4, 8], [START, 0, 0]])})
        loss = tf.reduce_sum(outputs["next"][:, 0, 4])
    tape.gradient(loss, core.trainable_variables)
    (row,) = decoder.get_layer("rnn_1").error.latest()
    assert row["valid"].tolist() == [2, 1, 1]


@pytest.mark.parametrize(("recurrent", "layers"), [(LSTM, 1), (GRU, 2)])
def test_a_beam_of_one_is_greedy_search(recurrent, layers):
    core, pixels, longest = network(recurrent, layers), pictures(6), 7
    expected = np.zeros([6, 1, longest], int)
    for image, row in zip(pixels, expected[:, 0], strict=True):
        read = [START]
        for step in range(longest):
            inputs = {"pixels": image[None], "target": tf.constant([read])}
            chances = core(inputs)["next"][0, -1].numpy()
            read.append(END + int(chances[END:].argmax()))
            if read[-1] == END:
                break
            row[step] = read[-1]
    result = search(core, pixels, 1, 0.6, longest)["ids"]
    np.testing.assert_array_equal(result, expected)
    assert len({row.tobytes() for row in expected}) > 1


def test_pairs_have_every_caption_and_shifted_decoder_inputs(capsys):
    images = np.arange(2 * 32 * 32, dtype=np.uint8).reshape(2, 32, 32, 1)
    part = ImageTextSplit(images, [["a b", "b"], ["b b b b", "A c"]], [[], []], np.zeros(2, bool))
    pairs = encode_pairs(
        part, "train", (32, 32, 1), SequenceVocabulary("word", ["a", "b"]), max_length=3
    )
    assert pairs.items.tolist() == [0, 0, 1]
    assert "train: 1 of 4 texts have more than 3 words; left out" in capsys.readouterr().err
    assert pairs.lengths.tolist() == [3, 2, 3]
    inputs, targets, weights = pairs.take(np.array([1, 2]), 4)
    np.testing.assert_array_equal(inputs["pixels"], images)
    assert inputs["target"].tolist() == [[2, 5, 0], [2, 4, 1]]
    assert targets["next"].tolist() == [[5, END, 0], [4, 1, END]]
    assert weights["next"].tolist() == [[1, 1, 0], [1, 1, 1]]
    # Of the words it knows one is in half of the first image's captions, the other in all of them.
    assert targets["words"].tolist() == [[0, 0, 0, 0, 0.5, 1], [0, 0, 0, 0, 1, 0]]
    assert weights["words"].tolist() == [1, 1]


def test_images_keep_their_size_if_it_is_the_same_for_all():
    config = replace(CaptionsConfig(), cnn="lenet5")
    assert config.image_shape((40, 50, 3)) == (40, 50, 3)
    assert config.image_shape((20, 50, 1)) == (32, 50, 1)  # the least that LeNet-5 takes
    assert config.image_shape((None, None, 3)) == (128, 128, 3)
    assert config.image_shape((256, 200, 3)) == (256, 200, 3)
    assert config.image_shape((257, 200, 3)) == (128, 128, 3)
    assert replace(CaptionsConfig(), size=64).image_shape((40, 50, 3)) == (64, 64, 3)


# Evaluation


ONE = wordings(Facts((Group(1, "small", 3), Group(2, "large", 5)), "left of"))
OTHER = wordings(Facts((Group(3, "large", 7),), "top left"))


@pytest.fixture
def figures(serving_model, monkeypatch):
    """(texts, unseen, predictions) → the figures of a serving model with these predictions."""

    def of(texts, unseen, predictions):
        outputs = (
            [[best, "never looked at"] for best in predictions],
            np.zeros([len(predictions), 2]),
        )
        monkeypatch.setattr(training, "best_texts", lambda *_: outputs)
        images = np.zeros([len(texts), *image_shape_of(serving_model)], np.uint8)
        part = ImageTextSplit(images, texts, [[] for _ in texts], np.array(unseen))
        return evaluate(serving_model, part, []).figures

    return of


def test_unseen_combinations_have_figures_of_their_own(figures):
    unseen = [False, True, False, True]
    result = figures([ONE, OTHER] * 2, unseen, [ONE[0], ONE[0], ONE[4], ONE[4]])
    assert (result["facts"], result["facts_seen"], result["facts_unseen"]) == (0.5, 1, 0)
    assert (result["exact"], result["baseline_facts"]) == (0.5, 0.5)
    assert 0 < result["bleu"] < 100


def test_correct_captions_have_a_bleu_of_100_in_any_wording(figures):
    result = figures([ONE, ONE, OTHER], [False] * 3, [ONE[3], ONE[1], OTHER[3]])
    assert (result["bleu"], result["exact"], result["facts"]) == (pytest.approx(100), 1, 1)
    assert result["baseline_facts"] == pytest.approx(2 / 3, abs=1e-6)
    assert 0 < result["baseline_bleu"] < 100
    assert "facts_seen" not in result


def test_facts_are_correct_in_a_wording_that_no_reference_has(figures):
    result = figures([ONE[:1], OTHER[:1]], [False] * 2, [ONE[4], OTHER[2]])
    assert (result["exact"], result["facts"]) == (0, 1)


def test_a_users_texts_have_no_facts(figures):
    result = figures([ONE, ["A dog on the beach!"]], [False] * 2, [ONE[0], "a dog on the beach !"])
    assert set(result) == {"bleu", "baseline_bleu", "exact"}
    assert result["exact"] == 1
