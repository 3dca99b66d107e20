"""Tests of the stories pipeline alone, on a few scenes and pictures, and its parts."""

import io
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks.drawing.captioned_images import CaptionedImage, caption_sheet
from errorflow.layers import GRU
from errorflow.layers.text.beam_search import search
from errorflow.layers.text.symbols import START
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.datasets.clips.videos import read_clip
from errorflow.pipelines.datasets.image_text.image_text_data import ImageTextSplit
from errorflow.pipelines.datasets.image_text.stories import load_stories
from errorflow.pipelines.datasets.images.image_folder import read_image
from errorflow.pipelines.image_to_text.image_store import store_images
from errorflow.pipelines.image_to_text.pairs import encode_pairs
from errorflow.pipelines.image_to_text.pretraining import simple_images
from errorflow.pipelines.image_to_text.training import best_texts, sentences_below
from errorflow.pipelines.models.encoder_decoder import alignment
from errorflow.pipelines.models.image_to_text import (
    PADDING_PIXEL,
    images_to_text,
    word_predictor,
)
from errorflow.pipelines.models.sequence_serving import build_image_serving_model
from errorflow.pipelines.models.sequence_vocabulary import FIRST_SYMBOL, SequenceVocabulary
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.models.vision import image_encoder
from errorflow.pipelines.stories import StoriesConfig
from errorflow.pipelines.stories.training import alignments, all_events, order
from errorflow.pipelines.training.batching import Batches
from event_files import read
from few_scenes import TINY
from PIL import Image
from tasks import errorflow, photo_folder

pytestmark = pytest.mark.usefixtures("undrawn")
# With a trained network; captions train the same parts in half the time.
slow = pytest.mark.slow


@pytest.fixture
def where(finished_run):
    with finished_run("stories") as folder:
        yield folder


@pytest.fixture
def run(where) -> RunFolder:
    return RunFolder(where / "stories" / "a")


def stories(run_dir: Path, verb: str, *flags: str) -> int:
    return errorflow("stories", verb, run_dir, *flags)


def write_video(path: Path, frames: int) -> Path:
    """A square that becomes brighter from frame to frame."""
    pictures = [Image.fromarray(np.full([80, 80], 20 * number, np.uint8)) for number in range(12)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:frames])
    return path


@slow
def test_tensorboard_shows_images_with_the_story(run):
    values, _ = read(run.logs / "validation")
    width, height, png = values[1]["pictures"]
    assert Image.open(io.BytesIO(png)).size == (int(width), int(height))


@slow
def test_training_in_half_precision(run, tmp_path, capsys):
    flags = ["--mixed-precision", "bfloat16", "--name", "half"]
    assert stories(tmp_path, "train", *flags, *TINY.split()) == 0
    half, whole = (
        read_history(RunFolder(path))[0] for path in (tmp_path / "stories" / "half", run.path)
    )
    assert half["val_loss"] == pytest.approx(whole["val_loss"], rel=0.05)
    folder = photo_folder(tmp_path / "photos", 3, 80, 80)
    assert stories(tmp_path, "predict", str(folder)) == 0
    assert float(capsys.readouterr().out.split("\t")[-1]) < 0


@slow
def test_the_error_flow_reaches_from_the_last_word_to_the_first_image(run):
    """The five steps of the encoder and those of the decoder share a time axis."""
    values, metadata = read(run.logs / "train")
    shown = {tag for at in values.values() for tag in at}
    assert {f"error_flow/{figure}/rnn_1" for figure in ("heat_map", "first_to_largest")} <= shown
    assert {f"error_flow/rows/{side}/rnn_1" for side in ("encoder", "decoder")} <= metadata.keys()
    beginning = "encoder/rnn_1: its first step receives "
    (joined,) = [line for line in run.results()["verdict"] if line.startswith(beginning)]
    assert "of the largest error at any step of decoder/rnn_1" in joined


@slow
def test_layer_gradients_include_the_convolutions(run):
    _, metadata = read(run.logs / "train")
    content = json.loads(metadata["layer_gradients/rows"].plugin_data.content)
    for name in ("conv1", "encoder/rnn_1", "decoder/rnn_1"):
        assert any(name in layer for layer in content["layers"])


@slow
def test_predict_takes_folders_and_videos(where, run, tmp_path, capsys):
    """All images of a folder, 2 before 10; five of a video; --frames of both."""
    photos, grown = (
        photo_folder(tmp_path / "photos", 11, 80, 80),
        write_video(tmp_path / "grown.gif", 12),
    )
    pictures = [read_image(photos / f"{number}.png", 1) for number in range(1, 12)]
    saved = load(run.best)

    def check(expected, *flags):
        predictions, scores = best_texts(saved, store_images(expected, (80, 80, 1)))
        assert stories(where, "predict", str(photos), str(grown), *flags) == 0
        rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
        assert [row[:2] for row in rows] == [
            [str(path), predicted[0]]
            for path, predicted in zip((photos, grown), predictions, strict=True)
        ]
        result = [float(row[2]) for row in rows]
        assert result == pytest.approx(scores[:, 0].tolist(), abs=6e-4)
        for name, shown, row in zip(("photos", "grown"), expected, predictions, strict=True):
            drawing = caption_sheet([CaptionedImage([*shown], sentences_below(row[0], len(shown)))])
            with Image.open(run.samples / "told" / f"{name}.told.png") as image:
                np.testing.assert_array_equal(image, drawing)

    check([pictures, [*read_clip(grown, 5, (80, 80, 1))]])
    check([pictures[::5], [*read_clip(grown, 3, (80, 80, 1))]], "--frames", "3")


@slow
def test_images_of_a_folder_are_read_alike_with_and_without_frames(where, tmp_path, capsys):
    """Their size differs from that of the network."""
    photos = photo_folder(tmp_path / "photos", 4, 50, 110)
    printed = []
    for flags in ([], ["--frames", "4"]):
        assert stories(where, "predict", str(photos), *flags) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_each_image_has_a_sentence_below_if_the_numbers_agree():
    story = "a small seven is in the top left . it grows . it leaves"
    assert sentences_below(story, 3) == [
        "a small seven is in the top left",
        "it grows",
        "it leaves",
    ]
    assert sentences_below(story, 2) == [story]
    assert sentences_below("", 2) == [""]


@slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{}/one"], 3, "{}/one: one frame only; a clip needs at least two"),
        (["{}/none"], 3, "{}/none: nothing to predict in it"),
        (["{}/cut.gif"], 3, "{}/cut.gif: broken video ("),
        (["nowhere"], 3, "nowhere: no such file or folder"),
        (["{}/one", "--frames", "1"], 2, "--frames (key frames) must be 2 or more, got 1"),
    ],
)
def test_a_wrong_input_is_one_line(where, tmp_path, arguments, code, message, capsys):
    photo_folder(tmp_path / "one", 1, 80, 80)
    photo_folder(tmp_path / "none", 0)
    (tmp_path / "cut.gif").write_bytes(write_video(tmp_path / "whole.gif", 3).read_bytes()[:20])
    arguments = [argument.format(tmp_path) for argument in arguments]
    assert stories(where, "predict", *arguments) == code
    assert last_line_of_error(capsys).startswith(f"errorflow: {message.format(tmp_path)}")


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--embedding", "--embedding (key embedding) must be 1 or more, got 0"),
        ("--auxiliary", "--pretrain 2: with --auxiliary 0 there is nothing to pretrain on"),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path, flag, message, capsys):
    assert stories(tmp_path, "train", flag, "0") == 2
    assert last_line_of_error(capsys).startswith(f"errorflow: {message}")


def last_line_of_error(capsys) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()[-1]


@slow
def test_onnx_comes_with_the_shape_of_sequences(where, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    flags = ["--name", "a", "--format", "onnx", "--to", str(tmp_path)]
    assert stories(where, "export", *flags) == 0
    meaning = json.loads((tmp_path / "onnx" / "input.json").read_text())
    assert meaning["shape"] == ["batch", None, 80, 80, 1]


@slow
def test_a_users_sequences_of_different_lengths(tmp_path):
    pytest.importorskip("sacrebleu")
    lines = []
    for number in range(14):
        count = 2 + number % 3
        photo_folder(tmp_path / "data" / f"{number}", count, 36, 40, 3)
        names = [f"{number}/{n}.png" for n in range(1, count + 1)]
        lines.append(json.dumps({"images": names, "story": ["A dog runs.", "It jumps."]}))
    (tmp_path / "data" / "stories.jsonl").write_text("\n".join(lines))
    flags = ["--data-dir", str(tmp_path / "data"), "--model", "rnn", "--size", "32", *TINY.split()]
    assert stories(tmp_path, "train", "--name", "a", *flags) == 0
    run = RunFolder(tmp_path / "stories" / "a")
    assert set(run.results()["test"]) == {"bleu", "baseline_bleu", "exact"}
    assert run.results()["test"]["baseline_bleu"] == pytest.approx(100)

    part = load_stories(data_dir=tmp_path / "data").train
    pairs = encode_pairs(part, "train", (32, 32, 3), SequenceVocabulary("word", ["a", "dog"]), 60)
    feed = Batches(pairs.lengths, pairs.take, 8, seed=1)
    lengths = set()
    for chosen, shape in feed.plan(0):
        pixels = feed.take(chosen, shape)[0]["pixels"]
        real = (pixels != PADDING_PIXEL).any(axis=(2, 3, 4))
        assert real.sum(axis=1).tolist() == [len(part.images[pairs.items[i]]) for i in chosen]
        lengths |= {*real.sum(axis=1)}
    assert lengths == {2, 3, 4}


# Parts


def network(attention=False) -> keras.Model:
    """An untrained network on 25 places; large decoder weights, so that predictions differ."""
    picture = image_encoder("lenet5", (32, 32, 1), width=0.5)
    core = images_to_text(GRU, picture, symbols=9, embedding=4, units=6, attention=attention)
    decoder, random = core.get_layer("decoder"), np.random.default_rng(0)
    decoder.set_weights([random.normal(size=w.shape) for w in decoder.get_weights()])
    return core


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, shape).astype("float32")


def padded(pixels: np.ndarray, count: int) -> np.ndarray:
    """Pad each sequence to `count` images."""
    more = count - pixels.shape[1]
    return np.pad(pixels, [(0, 0), (0, more), *[(0, 0)] * 3], constant_values=PADDING_PIXEL)


def test_without_a_dense_layer_features_are_max_pooled_places():
    picture, pixels = image_encoder("lenet5", (32, 32, 1), width=0.5), pictures(1, 32, 32, 1)
    x = picture.get_layer("scale")(pixels)
    (maps,) = picture.get_layer("lenet5")(x).numpy()  # [10, 10, C]
    expected = maps.reshape(5, 2, 5, 2, -1).max(axis=(1, 3)).reshape(25, -1)
    np.testing.assert_allclose(picture(pixels)[0], expected, rtol=1e-6)


def test_the_words_of_an_image_are_predicted_from_it_alone():
    core, read = network(), tf.constant([[START]])
    several = pictures(1, 3, 32, 32, 1)

    def words(pixels):
        return core({"pixels": tf.constant(pixels), "target": read})["words"][0].numpy()

    each = [words(several[:, [place]])[0] for place in range(3)]
    np.testing.assert_allclose(words(several), each, rtol=1e-5)


@pytest.mark.parametrize(
    ("story", "pictures", "described", "words"),
    [
        ("A runs . B . a c", 3, [], [["a", "runs"], ["b"], ["a", "c"]]),
        ("A runs . B . a c .", 3, [], [["a", "runs"], ["b"], ["a", "c"]]),
        ("a . b", 3, [], [["a"], ["b"], []]),
        ("a . b . c . runs", 2, [], [["a", "b"], ["c", "runs"]]),
        ("a . b", 3, ["b d . c", "", "A a"], [["b", "c"], ["b"], ["a"]]),
    ],
)
def test_the_target_words_of_each_image(story, pictures, described, words):
    images = np.zeros([1, pictures, 32, 32, 1], np.uint8)
    part = ImageTextSplit(images, [[story]], [described], np.zeros(1, bool))
    vocabulary = [".", "a", "b", "c", "runs"]
    pairs = encode_pairs(part, "train", (32, 32, 1), SequenceVocabulary("word", vocabulary), 60)
    _, targets, weights = pairs.take(np.array([0]), (pictures + 1, 12))
    (target,) = targets["words"]
    assert [[vocabulary[k - 4] for k in np.flatnonzero(row)] for row in target] == [*words, []]
    assert weights["words"].tolist() == [[float(bool(some)) for some in [*words, []]]]


def test_single_images_have_the_words_that_they_have_in_their_sequence():
    core, vocabulary = network(), [".", "a", "b", "c", "d"]
    noise = pictures(5, 32, 32, 1).astype(np.uint8)
    part = ImageTextSplit(
        [[*noise[:3]], [*noise[3:]]], [["a . b"], ["c . d"]], [[], ["c", "a b"]], np.zeros(2, bool)
    )
    pairs = encode_pairs(part, "train", (32, 32, 1), SequenceVocabulary("word", vocabulary), 60)
    inputs, targets, weights = pairs.take(np.arange(2), pairs.longest)
    words_of_sequences = core({key: tf.constant(value) for key, value in inputs.items()})["words"]
    ((pixels, words),) = (
        pairs.single_image_batches(pairs.images_with_words(), 4, 0).dataset().as_numpy_iterator()
    )
    result = word_predictor(core)(pixels)
    at = {picture[..., 0].tobytes(): place for place, picture in enumerate(pixels)}
    assert np.argwhere(weights["words"]).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    for item, number in np.argwhere(weights["words"]):
        place = at[inputs["pixels"][item, number, ..., 0].tobytes()]
        np.testing.assert_array_equal(words[place], targets["words"][item, number])
        np.testing.assert_allclose(result[place], words_of_sequences[item, number], atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 32, 32, 1), (2, 3, 32, 32, 1)])
def test_images_without_known_words_are_kept(shape):
    part = ImageTextSplit(np.zeros(shape, np.uint8), [["x"], ["y"]], [[], []], None)
    pairs = encode_pairs(part, "validation", (32, 32, 1), SequenceVocabulary("word", ["a"]), 60)
    ((pixels, words),) = (
        pairs.single_image_batches(pairs.images_with_words(), 2, 0).in_order().as_numpy_iterator()
    )
    assert len(pixels) == 2 and not words.any()


def test_simple_images_are_the_third_with_the_fewest_words_three_times():
    noise = pictures(2, 3, 32, 32, 1).astype(np.uint8)
    part = ImageTextSplit(
        noise, [["a"], ["b"]], [["b c", "c", "a b c"], ["b", "c d a", "b a"]], None
    )
    pairs = encode_pairs(part, "train", (32, 32, 1), SequenceVocabulary("word", [*"abcd"]), 60)
    plain = simple_images(pairs.images_with_words())
    ((pixels, words),) = pairs.single_image_batches(plain, 6, 0).dataset().as_numpy_iterator()
    assert sorted(words.sum(axis=1)) == [1] * 6
    shown = [picture.tobytes() for picture in pixels.astype(np.uint8)]
    assert {shown.count(one.tobytes()) for one in (noise[0, 1], noise[1, 0])} == {3}


def test_padding_does_not_change_batch_normalisation():
    """Padding is replaced by the first image of the sequence."""
    picture = image_encoder("vgg11", (32, 32, 1), width=0.0625)
    core = images_to_text(GRU, picture, symbols=9, embedding=4, units=6)
    short = pictures(2, 2, 32, 32, 1)
    with_padding, again = padded(short, 3), np.concatenate([short, short[:, :1]], axis=1)
    result = [core.get_layer("encoder")(x, training=True)["words"] for x in (with_padding, again)]
    np.testing.assert_allclose(*[words[:, :2] for words in result], rtol=1e-5)


@pytest.mark.parametrize("attention", [False, True])
def test_padding_changes_neither_predictions_nor_gradients(attention):
    core = network(attention)
    short, long = pictures(1, 2, 32, 32, 1), pictures(1, 4, 32, 32, 1)
    read = tf.constant([[START, 4, 7], [START, 8, 5]])

    def gradients(sequences):
        with tf.GradientTape() as tape:
            predictions = [core({"pixels": tf.constant(p), "target": t}) for p, t in sequences]
            outputs = tf.concat([one["next"] for one in predictions], 0)
            loss = tf.reduce_sum(outputs[..., 4:6])
            for (p, _), one in zip(sequences, predictions, strict=True):
                loss += tf.reduce_sum(one["words"][(p != PADDING_PIXEL).any(axis=(2, 3, 4))])
        gradients = tape.gradient(loss, core.trainable_variables)
        return [outputs, *map(tf.convert_to_tensor, gradients)]

    both = np.concatenate([padded(short, 5), padded(long, 5)])
    together, apart = gradients([(both, read)]), gradients([(short, read[:1]), (long, read[1:])])
    for one, other in zip(together, apart, strict=True):
        largest = np.abs(other).max()
        assert largest > 1e-6
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * largest)
    outputs = search(core, tf.constant(both), 3, 0.6, 6)
    for place, alone in enumerate((short, long)):
        expected = search(core, tf.constant(alone), 3, 0.6, 6)
        np.testing.assert_array_equal(outputs["ids"][place], expected["ids"][0])
        np.testing.assert_allclose(outputs["scores"][place], expected["scores"][0], rtol=1e-4)


def test_padding_works_in_any_image_size():
    whole = build_image_serving_model(
        network(), SequenceVocabulary("word", [*"abcde"]), width=2, length_norm=0.6, max_length=5
    )
    alone = pictures(1, 2, 50, 50, 1)
    outputs, expected = whole(padded(alone, 4)), whole(alone)
    np.testing.assert_allclose(outputs["scores"], expected["scores"], rtol=1e-4)


def test_each_place_has_its_features_and_their_change():
    """The recurrent encoder reads a dense layer at each place: here, relu(x + 2 Δx)."""
    core, sequence = network_of_two_places(attention=False)
    encoder = core.get_layer("encoder")
    each, happens = encoder.get_layer("each_place"), encoder.get_layer("rnn_1").input[0]
    x, y = keras.Model(encoder.input, [each.input, happens])(sequence)
    assert x[0].numpy().tolist() == [[[10, 0], [1, 0]], [[14, 4], [1, 0]], [[9, -5], [3, 2]]]
    assert y[0].numpy().tolist() == [[10, 1], [22, 1], [0, 7]]


def test_the_memory_has_an_entry_for_each_place_of_each_image():
    """Features, their change, the dense layer, the position, and the encoder's output."""
    core, sequence = network_of_two_places(attention=True)
    encoder = core.get_layer("encoder")
    outputs = encoder.get_layer("rnn_1").output[0]
    of_pictures = keras.Model(encoder.input, outputs)(sequence)[0].numpy()
    memory = encoder(sequence)["memory"][0].numpy()
    expected = [[10, 0, 10], [1, 0, 1], [14, 4, 22], [1, 0, 1], [9, -5, 0], [3, 2, 7]]
    assert memory[:, :3].tolist() == expected
    assert memory[:, 3:5].tolist() == [[1, 0], [0, 1]] * 3
    np.testing.assert_array_equal(memory[:, 5:], of_pictures.repeat(2, axis=0))


def network_of_two_places(attention: bool) -> tuple[keras.Model, np.ndarray]:
    """A network with two pixels of each image as its places, and a sequence of three images."""
    pixels = keras.Input([3, 3, 1])
    picture = keras.Model(pixels, pixels[:, 1, 1:])
    core = images_to_text(GRU, picture, symbols=5, embedding=2, units=2, attention=attention)
    core.get_layer("encoder").get_layer("each_place").kernel.assign([[1], [2]])
    sequence = np.zeros([1, 3, 3, 3, 1], np.float32)
    sequence[0, :, 1, 1:, 0] = [[10, 1], [14, 1], [9, 3]]
    return core, sequence


def test_attention_ignores_padding():
    core, target = network(attention=True), tf.constant([[START, 4, 7], [START, 8, 5]])
    brightness = np.array([0.01, 1, 0.3, 3], np.float32)[:, None, None, None]
    unlike = brightness * pictures(1, 4, 32, 32, 1)
    both = np.concatenate([padded(pictures(1, 2, 32, 32, 1), 4), unlike])
    weights = alignment(core, tf.constant(both), target).numpy()
    assert weights.shape == (2, 3, 4 * 25)
    np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=1e-5)
    np.testing.assert_array_equal(weights[0, :, 2 * 25 :], 0)
    assert (weights[1] > 0).all()
    assert weights[1].std() > weights[1].mean() / 2


def test_the_output_can_depend_jointly_on_state_and_context():
    """The log odds are not a sum of a function of the state and one of the context."""
    decode = network(attention=True).get_layer("decoder")
    random = np.random.default_rng(0)
    states = random.normal(size=[2, 1, 6]).astype("float32")
    memories = random.normal(size=[2, 1, 1, decode.input["memory"].shape[2]]).astype("float32")

    def odds(state, picture):
        outputs = decode(
            {
                "target": tf.constant([[START]]),
                "states": [tf.constant(states[state])],
                "memory": tf.constant(memories[picture]),
                "valid": tf.constant([[True]]),
            }
        )
        logs = np.log(outputs["probabilities"][0, 0])
        return logs - logs[0]

    together = odds(0, 0) - odds(0, 1) - odds(1, 0) + odds(1, 1)
    assert np.abs(together).max() > 0.1


def test_alignments_of_predicted_words_with_images():
    core = network(attention=True)
    whole = build_image_serving_model(
        core, SequenceVocabulary("word", [*"abcde"]), width=2, length_norm=0.6, max_length=5
    )
    images = [[*pictures(count, 32, 32, 1).astype(np.uint8)] for count in (4, 2)]
    result = alignments(
        whole, ImageTextSplit(images, [["a b"], ["c"]], [[], []], np.zeros(2, bool))
    )
    assert [one.inputs for one in result] == [["1", "2", "3", "4"], ["1", "2"]]
    predictions, _ = best_texts(whole, store_images(images, (32, 32, 1)))
    for alignment_, row in zip(result, predictions, strict=True):
        assert alignment_.outputs == [*row[0].split(), "end"]
        assert alignment_.weights.shape == (len(alignment_.outputs), len(alignment_.inputs))
        np.testing.assert_allclose(alignment_.weights.sum(axis=1), 1, rtol=1e-5)
    shown = tf.constant(store_images(images, (32, 32, 1)).take(np.array([0])))
    ids = [START, *("abcde".index(word) + FIRST_SYMBOL for word in result[0].outputs[:-1])]
    of_places = alignment(core, shown, tf.constant([ids])).numpy()[0]
    expected = of_places.reshape(-1, 4, 25).sum(axis=2)
    np.testing.assert_allclose(result[0].weights, expected, rtol=1e-5)


def test_the_default_name_of_a_run_has_model_and_attention():
    assert StoriesConfig().kind == "gru-attention"
    assert replace(StoriesConfig(), model="lstm", attention=False).kind == "lstm"


# Evaluation


OPENING = "a small seven is in the top left and two large threes are in the top right"
STORY = f"{OPENING} . the seven moves to the bottom right . it grows . the threes shrink"


@pytest.mark.parametrize(
    ("other", "same_order", "same_events"),
    [
        (STORY.replace("it grows", "the seven grows"), True, True),
        (STORY.replace("bottom right", "bottom left"), True, False),
        (STORY.replace("two large threes", "three large threes"), True, False),
        (f"{OPENING} . the threes shrink . the seven moves to the bottom right . it grows", 0, 0),
        (STORY.replace("grows", "leaves"), False, False),
        (STORY.replace("seven", "eight"), False, False),
        (STORY.replace(" . the threes shrink", ""), False, False),
        (STORY.replace("it grows", "it grow"), False, False),
    ],
)
def test_order_and_events_of_a_story(other, same_order, same_events):
    assert other != STORY
    assert (order(other) == order(STORY)) == same_order
    assert (all_events(other) == all_events(STORY)) == same_events


def test_a_text_outside_the_grammar_has_no_events():
    assert order("a dog runs . it jumps") is None
    assert all_events("a dog runs . it jumps") is None
