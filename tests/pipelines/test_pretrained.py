"""Trained weights as the beginning: of keras.applications, of a run; frozen, searched, missing."""

import shutil

import keras
import numpy as np
import pytest
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.config_files import with_settings
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.datasets.images.image_data import load_images
from errorflow.pipelines.images.config import ImagesConfig
from errorflow.pipelines.images.training import build_training
from errorflow.pipelines.models import build, imagenet_files, vision
from errorflow.pipelines.models.builder import endpoints
from errorflow.pipelines.models.keras_applications import (
    MEAN,
    STD,
    from_keras_applications,
    keras_application,
)
from errorflow.pipelines.models.pretrained import Backbone, copy_weights
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.registry import load_task
from errorflow.pipelines.search.config import tune_config
from errorflow.pipelines.search.plan import read_plan
from keras.src.applications import resnet as keras_resnet
from keras.src.utils import file_utils
from tasks import errorflow, write_images

pytestmark = pytest.mark.usefixtures("undrawn")

SIZE = 64
SLOW = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("vgg16", "vgg19", "resnet101", "resnet152")
]
RANDOM = {  # ranges of the weights that Keras begins with zeros or ones
    **dict.fromkeys(("bias", "beta", "moving_mean"), (-0.2, 0.2)),
    **dict.fromkeys(("gamma", "moving_variance"), (0.5, 1.5)),
}


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """A folder with a run of a residual network, images/a, and its data."""
    folder = tmp_path_factory.mktemp("residual")
    flags = ["--data-dir", str(write_images(folder)), "--model", "resnet20", "--width", "0.25"]
    flags += [
        "--image-size",
        "12",
        "--batch-size",
        "8",
        "--optimizer",
        "adam",
        "--learning-rate",
        "0.01",
    ]
    assert (
        errorflow("images", "train", folder, "--name", "a", "--epochs", "1", "--jit", "off", *flags)
        == 0
    )
    return folder


def random_application(name):
    model, random = keras_application(name, size=SIZE), np.random.default_rng(1)
    for weight in model.weights:
        if weight.name in RANDOM:
            weight.assign(random.uniform(*RANDOM[weight.name], weight.shape))
    return model


@pytest.mark.parametrize("name", ["resnet50", *SLOW])
def test_features_are_those_of_keras_applications(name):
    """float32 rounds to 6e-8; over up to 152 layers, in another order of operations, the largest
    difference grows to 1e-6 to 3e-6 of the largest feature."""
    theirs = random_application(name)
    backbone = Backbone(from_keras_applications(name, theirs), MEAN, STD, "imagenet")
    ours = build(name, (SIZE, SIZE, 3), 5)
    copied = [layer.name for layer in copy_weights(ours, backbone)]
    assert not {"hidden6", "hidden7", "probabilities"} & {*copied}
    pixels = np.random.default_rng(2).integers(0, 256, (2, SIZE, SIZE, 3)).astype("float32")
    module = keras.applications.resnet if "resnet" in name else keras.applications.vgg16
    expected = theirs(module.preprocess_input(pixels.copy()))
    features = keras.Model(ours.input, [*endpoints(ours).values()][-1])
    found = features(((pixels / 255 - MEAN) / STD).astype("float32"))
    if "vgg" in name:
        found = keras.ops.max_pool(found, 2, 2)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_the_files_are_those_that_keras_applications_downloads(monkeypatch):
    asked = {}

    def get_file(name, url, cache_subdir, file_hash):
        asked[name] = (url, cache_subdir, file_hash)
        raise InterruptedError

    monkeypatch.setattr(file_utils, "get_file", get_file)
    for make in (keras.applications.VGG16, keras.applications.VGG19):
        with pytest.raises(InterruptedError):
            make(include_top=False, input_shape=(32, 32, 3))
    for name in ("vgg16", "vgg19"):
        file = imagenet_files.FILES[name]
        assert asked[file.name] == (file.url, "models", file.md5)
    for name in ("resnet50", "resnet101", "resnet152"):
        file = imagenet_files.FILES[name]
        assert file.url == keras_resnet.BASE_WEIGHTS_PATH + file.name
        assert file.md5 == keras_resnet.WEIGHTS_HASHES[name][1]


# What is wrong is said before anything is written


@pytest.mark.parametrize(
    ("task", "flags", "message"),
    [
        ("images", "--freeze", "give --weights too"),
        ("images", "--weights imagenet --model resnet20", "none for --model resnet20; there are"),
        ("images", "--weights imagenet --width 2", "for --width 1, got 2.0"),
        ("captions", "--weights imagenet --cnn googlenet", "none for --cnn googlenet"),
        ("images", "--weights imagenet --model vgg16 --normalization batch", "none with --normal"),
        ("images", "--weights nowhere/x.keras --image-size 9", "nowhere/x.keras: no such file"),
        ("actions", "--weights nowhere", "nowhere: no such file or folder"),
        ("images", "--weights {data}", "not the folder of a trained run"),
        ("images", "--weights {data}/left/0.png", "0.png is not a .keras file"),
        ("images", "--weights {run} --model resnet32", "holds resnet20"),
        ("actions", "--weights {run} --width 3", "has --width 0.25"),
        ("actions", "--weights {run} --freeze", "give --no-motion too"),
        ("actions", "--weights imagenet --freeze", "give --no-motion too"),
        ("images", "--weights {stock}", "does not hold a network on images"),
    ],
)
def test_wrong_weights_are_one_line(where, tmp_path, capsys, task, flags, message):
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(tmp_path / "stock.keras")
    places = {"data": where / "data", "run": where / "images" / "a"}
    flags = flags.format(**places, stock=tmp_path / "stock.keras").split()
    assert errorflow(task, "train", tmp_path, *flags) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / task).exists()


def test_a_file_that_cannot_be_downloaded_is_named_with_its_place(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    assert errorflow("images", "train", tmp_path, "--weights", "imagenet") == 2
    line, file = capsys.readouterr().err.splitlines()[-1], imagenet_files.FILES["resnet50"]
    assert f"put {file.url} into {tmp_path / 'cache' / 'models'}" in line
    assert not (tmp_path / "images").exists()


def test_a_damaged_file_is_named_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    file = tmp_path / "models" / imagenet_files.FILES["vgg16"].name
    file.parent.mkdir()
    file.write_bytes(b"half of it")
    with pytest.raises(UserError, match=r"vgg16_weights.*is damaged.*delete it"):
        imagenet_files.weight_file("vgg16")
    assert file.exists()


# Weights of a run


def test_a_frozen_network_has_the_weights_and_the_normalisation_of_the_run(where):
    """Its batch normalisation runs as in use, also while the head is trained."""
    config = replace(ImagesConfig(), data_dir=where / "data", weights=str(where / "images" / "a"))
    config = replace(config, image_size=20, freeze=True).resolved()
    assert (config.network.model, config.network.width) == ("resnet20", 0.25)
    spec = build_training(config, load_images(data_dir=where / "data"))
    trained = load(where / "images" / "a" / "checkpoints" / "best.keras")
    old, new = trained.get_layer("core"), spec.network
    for layer in new.layers[:-1]:
        expected = old.get_layer(layer.name).get_weights()
        for values in zip(layer.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(*values)
    assert not np.array_equal(new.layers[-1].get_weights()[0], old.layers[-1].get_weights()[0])
    scale, expected = (model.get_layer("scale") for model in (spec.serving_model, trained))
    np.testing.assert_allclose(scale.scale, expected.scale, rtol=1e-6)
    np.testing.assert_allclose(scale.offset, expected.offset, rtol=1e-6)
    assert [v.path.split("/")[0] for v in new.trainable_variables] == ["probabilities"] * 2
    images = np.random.default_rng(0).normal(size=(3, 20, 20, 3)).astype("float32")
    np.testing.assert_array_equal(new(images, training=True), new(images))


def test_a_bare_file_names_its_network_and_a_layer_that_does_not_fit(where, tmp_path):
    file = tmp_path / "x.keras"
    shutil.copy(where / "images" / "a" / "checkpoints" / "best.keras", file)
    config = replace(ImagesConfig(), weights=str(file), width=0.5).resolved()
    assert config.network.model == "resnet20"
    with pytest.raises(UserError, match=r"layer conv1 does not fit.*3×3×3×4 there, 3×3×3×8 here"):
        build_training(config, load_images(data_dir=where / "data"))


@pytest.mark.slow
def test_a_frozen_run_is_resumed_without_the_weights(where, tmp_path, capsys):
    shutil.copytree(where / "images" / "a", tmp_path / "source")
    flags = ["--data-dir", str(where / "data"), "--image-size", "12", "--batch-size", "8"]
    flags += ["--weights", str(tmp_path / "source"), "--freeze", "--name", "b", "--jit", "off"]
    assert errorflow("images", "train", tmp_path, *flags, "--epochs", "1") == 0
    assert "17,602 parameters, 102 of them trained" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "source")
    resumed = ["--resume", "--name", "b", "--epochs", "2"]
    assert errorflow("images", "train", tmp_path, *resumed) == 0
    run = RunFolder(tmp_path / "images" / "b")
    assert len(read_history(run)) == 2
    assert not any("learn" in line for line in run.results()["verdict"])


def encoder(where, channels, **options):
    weights = str(where / "images" / "a")
    shape = (12, 12, channels)
    return vision.image_encoder(
        "resnet20", shape, width=0.25, features=3, weights=weights, **options
    )


def test_an_encoder_of_frames_begins_as_if_there_was_no_motion(where):
    frames, motion = np.random.default_rng(0).uniform(0, 255, (2, 4, 12, 12, 3)).astype("float32")
    model = encoder(where, 6, motion=True)
    features = [model(np.concatenate([frames, m], axis=-1)) for m in (motion, 0 * motion)]
    np.testing.assert_allclose(*features, atol=1e-6)
    assert len(model.trainable_variables) > 2
    with pytest.raises(UserError, match="give --no-motion too"):
        encoder(where, 6, motion=True, frozen=True)


def test_an_encoder_takes_grey_images_as_rgb(where):
    keras.utils.set_random_seed(0)
    grey = encoder(where, 1, frozen=True)
    keras.utils.set_random_seed(0)
    colour = encoder(where, 3, frozen=True)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 12, 12, 1)).astype("float32")
    np.testing.assert_allclose(grey(pixels), colour(np.repeat(pixels, 3, axis=-1)), rtol=1e-5)
    assert len(grey.trainable_variables) == 2  # of the dense layer


def test_a_search_on_trained_weights_leaves_the_network_as_it_is(where):
    task = load_task("images")
    settings = {"weights": str(where / "images" / "a")}
    plan = read_plan(task, with_settings(tune_config(task.config)(), settings, "test"))
    assert {*plan.space} == {"learning_rate", "weight_decay", "batch_size", "clip_norm"}
    assert (plan.training.network.model, plan.training.network.width) == ("resnet20", 0.25)
