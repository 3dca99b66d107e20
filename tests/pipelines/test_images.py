"""Tests of the images pipeline alone, on a folder of small pictures."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.images import ImagesConfig
from errorflow.pipelines.images.choices import augmentation_kind, image_size
from errorflow.pipelines.models import build
from errorflow.pipelines.models.image_serving import build_serving_model
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.models.zoo import MODELS
from event_files import read
from tasks import SHAPES, errorflow, image_files

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def where(finished_run):
    with finished_run("images") as folder:
        yield folder


@pytest.fixture
def run(where) -> RunFolder:
    return RunFolder(where / "images" / "a")


def images(run_dir: Path, verb: str, *flags: str) -> int:
    return errorflow("images", verb, run_dir, *flags)


def test_top5_is_at_least_the_accuracy(run):
    figures = run.results()["test"]
    assert figures["top5"] >= figures["accuracy"]
    rows = csv.DictReader((run.samples / "test.csv").open())
    assert {row["label"] for row in rows} == {*SHAPES}


def test_tensorboard_shows_gradient_and_error_over_depth_and_the_feature_maps(run):
    tags = {tag for step in read(run.logs / "train")[0].values() for tag in step}
    assert {"layer_gradients/heat_map", "layer_gradients/global_norm", "feature_maps"} <= tags
    assert {"depth_flow/heat_map", "depth_flow/first_to_last"} <= tags


def test_predict_takes_files_of_any_size(where, tmp_path, capsys):
    files = image_files(tmp_path)
    assert images(where, "predict", "--name", "a", *files, "--top", "6") == 0
    for line, file in zip(capsys.readouterr().out.splitlines(), files, strict=True):
        shown, *predictions = line.split("\t")
        assert shown.strip() == file
        assert {prediction.split()[0] for prediction in predictions} == {*SHAPES}
        probabilities = [float(prediction.split()[1]) for prediction in predictions]
        assert sum(probabilities) == pytest.approx(1, abs=0.01)


def test_best_takes_pixels_of_any_size(run):
    model = keras.saving.load_model(run.best)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 30, 20, 3)).astype("float32")
    outputs = model(pixels)
    labels = [label.decode() for label in outputs["label"].numpy()]
    assert labels == [SHAPES[i] for i in np.argmax(outputs["probabilities"], axis=1)]


def test_onnx_comes_with_labels_and_shape(where, tmp_path):
    pytest.importorskip("onnxruntime")
    flags = ["--name", "a", "--format", "onnx", "--to", str(tmp_path)]
    assert images(where, "export", *flags) == 0
    meaning = json.loads((tmp_path / "onnx" / "input.json").read_text())
    assert meaning["labels"] == SHAPES
    assert meaning["shape"] == ["batch", 12, 12, 3]


@pytest.mark.slow
def test_auxiliary_classifiers_are_trained_and_then_removed(where, tmp_path):
    flags = ["--name", "aux", "--data-dir", str(where / "data"), "--epochs", "1"]
    flags += ["--model", "googlenet", "--width", "0.1", "--auxiliary", "true", "--jit", "off"]
    flags += ["--image-size", "65", "--batch-size", "16", "--learning-rate", "0.001"]
    assert images(tmp_path, "train", *flags) == 0
    run = RunFolder(tmp_path / "images" / "aux")
    figures = {*read_history(run)[0]}
    assert {"auxiliary1_loss", "auxiliary2_loss", "val_probabilities_accuracy"} <= figures
    names = {layer.name for layer in load(run.best).get_layer("core").layers}
    assert not any(name.startswith("auxiliary") for name in names)


def test_recipes_set_only_settings_without_a_value():
    config = replace(ImagesConfig(), model="vgg16", epochs=3).resolved()
    settings = config.optimisation
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (3, 256, 0.01)
    config = replace(ImagesConfig(), model="vgg16", optimizer="adam").resolved()
    assert config.optimisation.learning_rate == 1e-3
    config = replace(ImagesConfig(), model="resnet110").resolved()
    assert config.optimisation.learning_rate == 0.01
    for model in MODELS:
        settings = replace(ImagesConfig(), model=model).resolved().optimisation
        assert None not in (settings.epochs, settings.batch_size, settings.weight_decay)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "lenet"], "lenet"),
        (["--model", "resnet18", "--image-size", "16"], "32 or more for resnet18"),
        (["--model", "lenet5", "--skip", "false"], "lenet5 has no option 'skip'"),
        (["--model", "lenet5_original"], "bitmaps of 10 digits"),
        (["--data-dir", "/nowhere"], "/nowhere: no such file or folder"),
        (["--dataset", "imdb_reviews"], "not a dataset of images with a class"),
        (["--width", "0"], "above 0"),
    ],
)
def test_an_error_is_one_line_and_leaves_nothing(where, tmp_path, capsys, flags, message):
    source = [] if {"--data-dir", "--dataset"} & {*flags} else ["--data-dir", str(where / "data")]
    assert images(tmp_path, "train", *source, *flags) == 2
    errors = capsys.readouterr().err.splitlines()
    assert message in errors[-1]
    assert errors[-1].startswith("errorflow: ")
    assert not list((tmp_path / "images").glob("*"))


def test_a_file_that_is_not_an_image_is_a_one_line_error(where, tmp_path, capsys):
    (tmp_path / "x.png").write_text("no")
    assert images(where, "predict", str(tmp_path / "x.png")) == 3
    assert "not an image that can be read" in capsys.readouterr().err


def test_a_serving_model_runs_in_inference_mode_by_default():
    """Keras' preprocessing layers switch the layers after them to training mode by default."""
    core = build("resnet20", (8, 8, 3), 4, width=0.25)
    model = build_serving_model(core, list("abcd"), np.zeros(3), np.ones(3))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 9, 8, 3)).astype("float32")
    expected = model(pixels, training=False)["probabilities"]
    np.testing.assert_array_equal(model(pixels)["probabilities"], expected)


def test_augmentation_does_not_depend_on_the_name_of_a_folder():
    photos = SimpleNamespace(shape=(None, None, 3), source="/home/mnist/digits/cats (2 classes)")
    config = replace(ImagesConfig(), data_dir=Path("/home/mnist/digits/cats"))
    assert augmentation_kind(config, photos) == "photos"
    assert augmentation_kind(replace(ImagesConfig(), augment="none"), photos) == "none"


@pytest.mark.parametrize(
    ("model", "own", "image_size_flag", "expected"),
    [
        ("lenet5", (28, 28), None, (32, 32)),
        ("resnet18", (48, 64), None, (48, 64)),
        ("resnet18", (28, 20), None, (32, 32)),
        ("resnet18", (None, None), None, (224, 224)),
        ("resnet18", (None, 64), 96, (96, 96)),
        ("lenet5_original", (64, 64), None, (32, 32)),
        ("convnet", (28, 24), None, (28, 24)),
        ("convnet", (400, 600), None, (96, 144)),
        ("convnet", (6, 12), None, (8, 12)),
        ("convnet", (400, 400), 200, (200, 200)),
    ],
)
def test_images_keep_their_size_if_the_network_accepts_it(model, own, image_size_flag, expected):
    data = SimpleNamespace(shape=(*own, 1))
    assert (
        image_size(replace(ImagesConfig(), model=model, image_size=image_size_flag), data)
        == expected
    )
