"""The images pipeline from end to end, on a folder of small images."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from errorflow.pipelines import cli
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.images import ImagesConfig
from errorflow.pipelines.images.training import augmentation_kind, image_size
from errorflow.pipelines.models import build
from errorflow.pipelines.models.image_serving import build_serving_model
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.models.zoo import MODELS
from event_files import read
from PIL import Image

LABELS = ["across", "bright", "dark", "down", "left", "right"]
SMALL = ["--model", "resnet20", "--width", "0.25", "--batch-size", "8"]
SMALL += ["--image-size", "12", "--optimizer", "adam", "--learning-rate", "0.01"]


def image_of(label, random):
    """A small colour image; the labels are easy to distinguish."""
    height, width = 12, random.integers(12, 16)
    rows, columns = np.mgrid[:height, :width]
    shapes = {
        "across": rows % 4 < 2,
        "down": columns % 4 < 2,
        "left": columns < width / 2,
        "right": columns >= width / 2,
        "bright": np.ones_like(rows, bool),
        "dark": np.zeros_like(rows, bool),
    }
    pixels = np.where(shapes[label], 200, 40)[..., None] + random.integers(0, 40, (1, 1, 3))
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def where(tmp_path_factory) -> Path:
    """A folder with the data and one finished run, images/a."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for label in LABELS:
        (folder / "data" / label).mkdir(parents=True)
        for number in range(12):
            image_of(label, random).save(folder / "data" / label / f"{number}.png")
    flags = ["--name", "a", "--run-dir", str(folder), "--data-dir", str(folder / "data")]
    assert cli.main(["images", "train", *flags, *SMALL, "--epochs", "2"]) == 0
    return folder


@pytest.fixture
def run(where) -> RunFolder:
    return RunFolder(where / "images" / "a")


def errorflow(where: Path, verb: str, *arguments: str) -> int:
    return cli.main(["images", verb, "--run-dir", str(where), *arguments])


def test_a_run_folder_contains_all_files_and_results(run):
    for name in ("best.keras", "last.keras"):
        assert (run.path / "checkpoints" / name).stat().st_size > 0
    for name in ("curves", "layer_gradients", "confusion"):
        assert (run.plots / f"{name}.png").stat().st_size > 0
    results = run.results()
    assert run.status == "finished"
    assert set(results["test"]) == {"accuracy", "top5", "macro_f1"}
    assert results["test"]["top5"] >= results["test"]["accuracy"]
    rows = list(csv.DictReader((run.samples / "test.csv").open()))
    assert {row["label"] for row in rows} == set(LABELS)


def test_tensorboard_shows_the_gradient_over_depth_and_the_feature_maps(run):
    tags = {
        tag
        for folder in ("layer_gradients", "feature_maps")
        for step in read(run.logs / folder)[0].values()
        for tag in step
    }
    assert {"layer_gradients/heat_map", "layer_gradients/global_norm", "feature_maps"} <= tags


def test_evaluate_reproduces_the_results_of_training(where, run, capsys):
    expected = run.results()["test"]
    assert errorflow(where, "evaluate") == 0
    assert f"top5 {expected['top5']:.4f}" in capsys.readouterr().out
    assert run.results()["test"] == expected


def test_predict_takes_files_of_any_size(where, tmp_path, capsys):
    large = image_of("left", np.random.default_rng(1)).resize((300, 280))
    large.convert("CMYK").save(tmp_path / "large.jpg")
    large.convert("L").resize((7, 9)).save(tmp_path / "small.png")
    files = [str(tmp_path / name) for name in ("large.jpg", "small.png")]
    assert errorflow(where, "predict", *files, "--top", "6") == 0
    for line, file in zip(capsys.readouterr().out.splitlines(), files, strict=True):
        given, *answers = line.split("\t")
        assert given.strip() == file
        assert {answer.split()[0] for answer in answers} == set(LABELS)
        assert sum(float(answer.split()[1]) for answer in answers) == pytest.approx(1, abs=0.01)


def test_best_is_a_plain_keras_model_on_pixels(run):
    model = keras.saving.load_model(run.best)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 30, 20, 3)).astype("float32")
    answer = model(pixels)
    words = [label.decode() for label in answer["label"].numpy()]
    assert words == [LABELS[i] for i in np.argmax(answer["probabilities"], axis=1)]


def test_exported_models_have_the_same_outputs(where, run, capsys):
    pytest.importorskip("onnxruntime")
    assert errorflow(where, "export", "--format", "keras,saved_model,onnx") == 0
    assert capsys.readouterr().out.count("read back") == 3
    meaning = json.loads((run.path / "export" / "onnx" / "input.json").read_text())
    assert meaning["labels"] == LABELS
    assert meaning["shape"] == ["batch", 12, 12, 3]


def test_auxiliary_classifiers_are_trained_and_then_removed(where):
    flags = ["--name", "aux", "--data-dir", str(where / "data"), "--epochs", "1"]
    flags += ["--model", "googlenet", "--width", "0.1", "--auxiliary", "true"]
    flags += ["--image-size", "65", "--batch-size", "16", "--learning-rate", "0.001"]
    assert errorflow(where, "train", *flags) == 0
    run = RunFolder(where / "images" / "aux")
    history = next(csv.DictReader(run.history_file.open()))
    assert {"auxiliary1_loss", "auxiliary2_loss", "val_probabilities_accuracy"} <= set(history)
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
        (["--data-dir", "/nowhere"], "/nowhere: no such folder"),
        (["--dataset", "imdb_reviews"], "no image-classification set"),
        (["--width", "0"], "above 0"),
    ],
)
def test_an_error_is_one_line_and_leaves_nothing(where, tmp_path, capsys, flags, message):
    source = [] if {"--data-dir", "--dataset"} & {*flags} else ["--data-dir", str(where / "data")]
    assert errorflow(tmp_path, "train", *source, *flags) == 2
    errors = capsys.readouterr().err.splitlines()
    assert message in errors[-1]
    assert errors[-1].startswith("errorflow: ")
    assert not list((tmp_path / "images").glob("*"))


def test_a_file_that_is_not_an_image_is_a_one_line_error(where, tmp_path, capsys):
    (tmp_path / "x.png").write_text("no")
    assert errorflow(where, "predict", str(tmp_path / "x.png")) == 2
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
    ],
)
def test_images_keep_their_size_if_the_network_accepts_it(model, own, image_size_flag, expected):
    data = SimpleNamespace(shape=(*own, 1))
    assert (
        image_size(replace(ImagesConfig(), model=model, image_size=image_size_flag), data)
        == expected
    )
