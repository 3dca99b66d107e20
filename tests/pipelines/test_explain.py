"""`predict --explain`: a picture for each input, and numbers equal to those of a plain tape."""

import csv
import io
import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.pipelines.captions.explanation import caption_gradients
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.models.bag_of_ngrams import bag_of_ngrams, contains
from errorflow.pipelines.models.conv1d import conv1d
from errorflow.pipelines.models.serving import labels_in, load
from errorflow.pipelines.models.tagger import sentence_ids, tokenizer_in
from errorflow.pipelines.models.text_serving import build_serving_model
from errorflow.pipelines.registry import load_task
from errorflow.pipelines.text_classification.explanation import explain, grad_cam_of_all_sizes
from errorflow.pipelines.training.network_parts import core_in
from PIL import Image
from tasks import TABLE, errorflow, film

# Documents are explained as names are, and tags have a test of their own.
EXPLAINED = (
    *("names", "images", "actions", "captions"),
    *(pytest.param(task, marks=pytest.mark.slow) for task in ("documents", "tags")),
)


@pytest.fixture(params=EXPLAINED)
def task(request):
    return request.param


def before_softmax(core: keras.Model, layer: keras.layers.Dense) -> keras.Model:
    """The network up to the scores of a dense layer, without its softmax."""
    scores = keras.layers.Dense(layer.units)
    model = keras.Model(core.input, scores(layer.input))
    scores.set_weights(layer.get_weights())
    return model


def rows_of(where, task: str, inputs, **options) -> tuple[keras.Model, list[dict]]:
    run = RunFolder(where / task / "a")
    return load(run.best), [*load_task(task).predict(run, inputs, explain=True, **options)]


# The command


def test_each_input_has_a_picture_of_its_own(task, finished_run, tmp_path, capsys):
    """The paths are in the answers; a second call writes over none of them."""
    inputs = TABLE[task].inputs(tmp_path)[: 1 if task == "captions" else 2]  # 60 words each
    folder = tmp_path / "explanations"
    flags = ["--name", "a", "--explain", "--explain-to", str(folder), "--json"]
    with finished_run(task) as where:
        capsys.readouterr()
        assert errorflow(task, "predict", where, *flags, *inputs) == 0
        out, err = capsys.readouterr()
        first = {path: path.read_bytes() for path in folder.iterdir()}
        assert errorflow(task, "predict", where, *flags, inputs[0]) == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert f"explanations go to {folder}\n" in err
    assert {row["explanation"] for row in rows} == {str(path) for path in first}
    assert len(first) == len(inputs)
    for path, content in first.items():
        with Image.open(path) as picture:
            assert picture.format == "PNG" and picture.width >= 400 and picture.height >= 80
        assert path.read_bytes() == content
    assert len([*folder.iterdir()]) == len(inputs) + 1


def test_lines_name_the_picture_and_what_matters_most(finished_run, tmp_path, capsys, monkeypatch):
    """Texts from stdin; without --explain-to, the pictures go to the folder of the run."""
    with finished_run("names") as where:
        run = RunFolder(where / "names" / "a")
        assert not run.explanations.exists()
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO("Bcd\n../x\n"))
        assert errorflow("names", "predict", where, "--name", "a", "--explain") == 0
        lines = capsys.readouterr().out.splitlines()
        names = sorted(path.name for path in run.explanations.iterdir())
        for path in run.explanations.iterdir():
            path.unlink()
        run.explanations.rmdir()
    assert names == ["Bcd.png", "___x.png"]
    assert lines[2].startswith(f"explanation of Bcd: {run.explanations / 'Bcd.png'}\t")
    parts = lines[2].partition("most important: ")[2].split(", ")
    assert sorted(part[:7] for part in parts) == ["'b' (1)", "'c' (2)", "'d' (3)"]
    assert parts[0].endswith(" 1.00")


def test_an_empty_text_has_no_picture_and_csv_has_the_same_columns(
    finished_run, tmp_path, capsys, monkeypatch
):
    flags = ["--name", "a", "--explain", "--explain-to", str(tmp_path / "out"), "--csv"]
    with finished_run("names") as where:
        monkeypatch.setattr(sys, "stdin", io.StringIO("\nbc\n"))
        assert errorflow("names", "predict", where, *flags) == 0
    empty, other = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (empty["explanation"], empty["symbols"], empty["importance"]) == ("", "", "")
    assert other["explanation"] == str(tmp_path / "out" / "bc.png")
    assert other["symbols"] == "b c" and len(other["importance"].split()) == 2


def test_a_broken_input_leaves_the_others(finished_run, tmp_path, capsys):
    inputs = [*TABLE["images"].inputs(tmp_path), str(tmp_path / "broken.png")]
    (tmp_path / "broken.png").write_bytes(b"no image")
    folder = tmp_path / "out"
    flags = ["--name", "a", "--explain", "--explain-to", str(folder)]
    with finished_run("images") as where:
        assert errorflow("images", "predict", where, *flags, *inputs) == 3
    assert sorted(path.name for path in folder.iterdir()) == ["large.png", "small.png"]
    assert "broken.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "flags", "message"),
    [
        ("names", ["--explain-to", "x"], "--explain-to is the folder of --explain: give both"),
        ("lags", ["--explain"], "--explain"),
        ("pronounce", ["--explain"], "--explain"),
        ("stories", ["--explain"], "--explain"),
    ],
)
def test_flags_that_do_not_fit_are_refused(task, flags, message, tmp_path, capsys):
    assert errorflow(task, "predict", tmp_path, *flags, "x") == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_that_cannot_be_made_is_one_line(finished_run, tmp_path, capsys):
    (tmp_path / "file").touch()
    flags = ["--name", "a", "--explain", "--explain-to", str(tmp_path / "file" / "x")]
    with finished_run("names") as where:
        capsys.readouterr()
        assert errorflow("names", "predict", where, *flags, "abc") == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines()[-1].startswith(f"errorflow: cannot write {tmp_path / 'file' / 'x'}: ")


# The numbers


def slices(tape: tf.GradientTape, score, table) -> np.ndarray:
    """The gradient of each vector that was looked up in a table, in its order."""
    return np.asarray(tape.gradient(score, table).values)


def test_the_importance_of_characters_is_that_of_a_plain_tape(finished_run, tmp_path):
    """The gradient with respect to the table of an embedding has a slice for each look-up."""
    with finished_run("names") as where:
        model, (row,) = rows_of(where, "names", ["Aeioub"], explain_to=tmp_path)
    core, labels = core_in(model), labels_in(model)
    vocabulary = model.get_layer("characters").get_vocabulary()
    ids = np.array([[vocabulary.index(sign) for sign in "aeioub"]])
    scores = before_softmax(core, core.get_layer("probabilities"))
    with tf.GradientTape() as tape:
        score = scores(ids, training=False)[0, labels.index(row["label"])]
    vectors = slices(tape, score, core.get_layer("embedding").embeddings)
    assert row["symbols"] == [*"aeioub"]
    np.testing.assert_allclose(row["importance"], np.linalg.norm(vectors, axis=1), rtol=1e-4)


def test_the_importance_of_words_for_each_tag_is_that_of_a_plain_tape(finished_run, tmp_path):
    """Of a word and of its characters, for one tag after the other."""
    with finished_run("tags") as where:
        model, (row,) = rows_of(where, "tags", ["The bed, badly."], explain_to=tmp_path)
    core, labels, words = core_in(model), labels_in(model), row["tokens"]
    batch = sentence_ids(tokenizer_in(model), [words]).batch(np.array([0]), len(words))
    scores = before_softmax(core, core.get_layer("probabilities"))
    tables = [core.get_layer(f"{kind}_embedding").embeddings for kind in ("word", "character")]
    for step, tag in enumerate(row["tags"]):
        with tf.GradientTape(persistent=True) as tape:
            score = scores(batch, training=False)[0, step, labels.index(tag)]
        squares = [
            (slices(tape, score, table).reshape(len(words), -1) ** 2).sum(1) for table in tables
        ]
        expected = np.sqrt(sum(squares))
        np.testing.assert_allclose(row["importance"][step], expected, rtol=1e-3, atol=1e-6)


def test_the_importance_of_frames_is_that_of_a_plain_tape(finished_run, tmp_path):
    with finished_run("actions") as where:
        task, run = load_task("actions"), RunFolder(where / "actions" / "a")
        video = str(film(tmp_path / "a.gif", 1))
        clip = task.predictor(run, top=1).prepare(video)
        model, (row,) = rows_of(where, "actions", [video], explain_to=tmp_path)
    core = core_in(model)
    scores = before_softmax(core, core.get_layer("clip"))
    x = tf.constant(clip[None].astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = scores(x, training=False)[0, labels_in(model).index(row["label"])]
    gradient = tape.gradient(score, x).numpy()[0]
    expected = np.linalg.norm(gradient.reshape(len(gradient), -1), axis=1)
    np.testing.assert_allclose(row["importance"], expected, rtol=1e-3, atol=1e-7)


def test_the_gradients_of_a_caption_are_those_of_a_plain_tape(finished_run, tmp_path):
    """Of all its words together, and of a single one."""
    with finished_run("captions") as where:
        run = RunFolder(where / "captions" / "a")
        model, inputs = load(run.best), TABLE["captions"].inputs(tmp_path)[:1]
        (row,) = load_task("captions").predict(run, inputs, to=tmp_path)
    text, core = row["predictions"][0][0], core_in(model)
    pixels = np.asarray(Image.open(inputs[0]), np.float32)[None, :, :, None]
    assert pixels.shape[1:] == core.input["pixels"].shape[1:]
    found = caption_gradients(model, pixels, text)
    vocabulary = ["", "?", "START", "END", *model.get_layer("answers_of_words").vocabulary]
    ids = [vocabulary.index(word) for word in ["START", *text.split(), "END"]]
    ids = ids[: model.get_layer("search").longest + 1]  # the search ended there
    x, read = tf.constant(pixels), tf.constant([ids[:-1]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        outputs = core({"pixels": x, "target": read}, training=False)
        y = tf.math.log(tf.gather_nd(outputs["next"][0], tf.constant([*enumerate(ids[1:])])))
        total, single = tf.reduce_sum(y), y[1]
    np.testing.assert_allclose(found.scores[0], total, rtol=1e-4)
    np.testing.assert_allclose(found.scores[1:], y[: len(found.scores) - 1], rtol=1e-4)
    for place, score in ((0, total), (2, single)):
        gradient = np.asarray(tape.gradient(score, x))[0]
        np.testing.assert_allclose(found.gradient[place], gradient, rtol=1e-3, atol=1e-9)
    assert found.evidence.shape[0] == len(found.scores) and (found.evidence >= 0).all()


def test_a_bag_is_explained_by_the_ngrams_that_contain_a_symbol():
    """The sum of dy/dx · x over them, with the slices and rows of the table."""
    keras.utils.set_random_seed(0)
    core = bag_of_ngrams(vocabulary_size=5, labels=2, units=3, max_n=3)
    model = build_serving_model(core, ["a", "b", "c"], ["one", "two"], "character")
    found = explain(model, "abca", {"text": "abca", "label": "two", "probability": 0.5})
    table, scores = (
        core.get_layer("hidden_1").embeddings,
        before_softmax(core, core.get_layer("probabilities")),
    )
    with tf.GradientTape() as tape:
        score = scores(np.array([[2, 3, 4, 2]]), training=False)[0, 1]
    gradient = tape.gradient(score, table)
    rows = tf.gather(table, gradient.indices)
    products = tf.reduce_sum(gradient.values * rows, axis=1).numpy().reshape(3, 6)
    expected = [  # unigrams, bigrams and trigrams, each with two symbols of padding before the text
        products[0, k + 2] + products[1, k + 1 : k + 3].sum() + products[2, k : k + 3].sum()
        for k in range(4)
    ]
    assert found.values["symbols"] == [*"abca"]
    np.testing.assert_allclose(found.values["importance"], np.abs(expected), rtol=1e-4)


def test_grad_cam_of_a_text_is_that_of_all_kernel_sizes_side_by_side():
    """The ReLU comes after the sum over all feature maps, those of the three kernel sizes."""
    keras.utils.set_random_seed(0)
    core = conv1d(vocabulary_size=9, labels=2, embedding=3, units=4, layers=2)
    ids = np.array([[2, 3, 4, 5, 6, 7, 8]])
    names = ["size_3_2", "size_4_2", "size_5_2"]
    head = before_softmax(core, core.get_layer("probabilities"))
    inside = keras.Model(core.input, [core.get_layer(name).output for name in names])
    maps = tf.concat(inside(ids, training=False), axis=-1)  # [1, T + 1, 3F]
    dense = head.layers[-1]
    with tf.GradientTape() as tape:
        tape.watch(maps)
        score = dense(tf.reduce_max(maps[:, :-1], axis=1))[0, 1]
    alpha = tf.reduce_mean(tape.gradient(score, maps)[0], axis=0)
    expected = tf.nn.relu(tf.linalg.matvec(maps[0], alpha))[:-1]
    found = grad_cam_of_all_sizes(core, ids, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert found.any() and (found == 0).any()


def test_ngrams_contain_their_symbols():
    """The table of an untrained bag tells which n-grams a changed symbol is in."""
    network = bag_of_ngrams(vocabulary_size=9, labels=2, units=3, max_n=3)
    ngrams = keras.Model(network.input, network.get_layer("hidden_1").input)
    ids = np.array([[3, 4, 5, 6]])
    numbers = ngrams(ids).numpy()[0]
    expected = []
    for step in range(4):
        other = ids.copy()
        other[0, step] = 8
        expected.append(ngrams(other).numpy()[0] != numbers)
    np.testing.assert_array_equal(contains(4, len(numbers)).T, expected)
