"""The image models: published numbers, agreement with keras.applications, and their options."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.pipelines.models import build
from errorflow.pipelines.models.builder import endpoints
from errorflow.pipelines.models.googlenet import remove_auxiliary_outputs
from errorflow.pipelines.models.zoo import MODELS
from model_cost import multiply_adds, trained_parameters

LARGE = ("vgg11", "vgg13", "vgg16", "resnet44", "resnet56", "resnet101", "resnet110", "resnet152")
EACH = [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in MODELS]


@pytest.fixture
def no_random(monkeypatch):
    """Initialise weights with zeros to save time: VGG-19 has 144 million."""
    kinds = (keras.initializers.HeNormal, keras.initializers.GlorotUniform)
    for kind in (*kinds, keras.initializers.RandomNormal):
        zeros = keras.initializers.Zeros()
        monkeypatch.setattr(kind, "__call__", lambda self, *a, zeros=zeros, **k: zeros(*a, **k))


@pytest.mark.usefixtures("no_random")
@pytest.mark.parametrize("name", EACH)
def test_parameters_and_multiply_adds_are_those_of_the_table(name):
    model = build(name)
    assert trained_parameters(model) == MODELS[name].parameters
    assert multiply_adds(model) == MODELS[name].multiply_adds


@pytest.mark.usefixtures("no_random")
def test_googlenet_with_auxiliary_classifiers_has_13378280_parameters():
    model = build("googlenet", auxiliary=True)
    assert trained_parameters(model) == 13_378_280
    assert trained_parameters(remove_auxiliary_outputs(model)) == 6_998_552
    normalised = build("googlenet", auxiliary=True, normalization="batch")
    assert trained_parameters(normalised) == 13_385_816
    assert trained_parameters(build("googlenet", normalization="batch")) == 7_005_832


@pytest.mark.usefixtures("no_random")
def test_googlenet_agrees_with_table_1_of_the_paper():
    """Output size and operations in millions of each row. The paper's own sizes give 118 for
    convolution 1 and 51 for inception 5a, where it prints 34 and 54."""
    table = {
        "conv1": ((112, 112, 64), 118),
        "pool1": ((56, 56, 64), 0),
        "conv2": ((56, 56, 192), 347),
        "pool2": ((28, 28, 192), 0),
        "inception_3a": ((28, 28, 256), 128),
        "inception_3b": ((28, 28, 480), 304),
        "pool3": ((14, 14, 480), 0),
        "inception_4a": ((14, 14, 512), 74),
        "inception_4b": ((14, 14, 512), 88),
        "inception_4c": ((14, 14, 512), 100),
        "inception_4d": ((14, 14, 528), 119),
        "inception_4e": ((14, 14, 832), 170),
        "pool4": ((7, 7, 832), 0),
        "inception_5a": ((7, 7, 832), 51),
        "inception_5b": ((7, 7, 1024), 71),
        "pool5": ((1024,), 0),
        "probabilities": ((1000,), 1),
    }
    assert layer_table(build("googlenet"), table) == table
    reduced, full = table["inception_3a"][0], table["inception_3b"][0]
    assert list(endpoints(build("googlenet")))[-3:] == [
        "inception_3b",
        "inception_4e",
        "inception_5b",
    ]
    assert reduced[:2] == full[:2]


@pytest.mark.usefixtures("no_random")
def test_alexnet_agrees_with_section_3_of_the_paper():
    """Neurons of layers 2 to 8: 186,624 64,896 64,896 43,264 4096 4096 1000."""
    table = {
        "conv1": ((55, 55, 96), 105),
        "pool1": ((27, 27, 96), 0),
        "conv2": ((27, 27, 256), 224),
        "pool2": ((13, 13, 256), 0),
        "conv3": ((13, 13, 384), 150),
        "conv4": ((13, 13, 384), 112),
        "conv5": ((13, 13, 256), 75),
        "pool5": ((6, 6, 256), 0),
        "hidden6": ((4096,), 38),
        "hidden7": ((4096,), 17),
        "probabilities": ((1000,), 4),
    }
    model = build("alexnet")
    assert layer_table(model, table) == table
    neurons = [
        np.prod(model.get_layer(name).output.shape[1:]) for name in table if "pool" not in name
    ]
    assert neurons[1:] == [186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]


def layer_table(model, table):
    """{layer: (output shape, millions of multiply-adds)}"""
    rows = {}
    for name in table:
        layer = model.get_layer(name)
        millions = multiply_adds(keras.Model(layer.input, layer.output)) / 1e6
        rows[name] = (tuple(layer.output.shape[1:]), round(millions))
    return rows


def random_images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_vgg16_has_the_logits_of_keras_applications():
    keras_model = keras.applications.VGG16(
        weights=None, input_shape=(32, 32, 3), classes=10, classifier_activation=None
    )
    model = build("vgg16", (32, 32, 3), 10, head="logits")
    model.set_weights(keras_model.get_weights())
    x = random_images(2, 32, 32, 3)
    np.testing.assert_allclose(model(x), keras_model(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", EACH)
def test_every_model_takes_images_of_its_minimum_size_and_no_smaller_ones(name):
    size, channels = MODELS[name].min_size, MODELS[name].input_shape[-1]
    width = {} if name == "lenet5_original" else {"width": 0.125}
    model = build(name, (size, size, channels), 10, **width)
    assert model.output_shape == (None, 10)
    if size > 1:
        message = f"{name} takes images of at least {size}×{size} pixels"
        with pytest.raises(ValueError, match=message):
            build(name, (size - 1, size, channels), 10, **width)


@pytest.mark.parametrize(
    "name",
    [
        *("mlp", "lenet5", "lenet5_original", "alexnet", "resnet20"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("googlenet", "resnet18")),
    ],
)
def test_training_steps_lower_the_loss_of_their_batch(name):
    size, channels = MODELS[name].min_size, MODELS[name].input_shape[-1]
    keras.utils.set_random_seed(1)
    small = {} if name == "lenet5_original" else {"width": 0.25}
    model = build(name, (size, size, channels), 10, head="logits", **small)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, run_eagerly=True)  # faster than tracing
    x, y = random_images(8, size, size, channels), np.arange(8)
    losses = [float(model.train_on_batch(x, y)) for _ in range(6)]
    assert np.isfinite(losses).all()
    assert min(losses[1:]) < losses[0]


def test_a_saved_and_loaded_model_has_the_same_outputs(tmp_path):
    model = build("googlenet", (65, 65, 3), 4, width=0.125, auxiliary=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = random_images(2, 65, 65, 3)
    for key, value in model(x).items():
        np.testing.assert_array_equal(loaded(x)[key], value)
    assert list(model(x)) == ["auxiliary1", "auxiliary2", "probabilities"]


def test_heads_are_probabilities_logits_or_linear_outputs():
    x = random_images(3, 32, 32, 1)
    heads = {}
    for head in ("softmax", "logits", "identity"):
        keras.utils.set_random_seed(0)
        model = build("lenet5", num_classes=4, head=head)
        heads[model.layers[-1].name] = model(x)
    np.testing.assert_allclose(heads["probabilities"], tf.nn.softmax(heads["logits"]), rtol=1e-5)
    np.testing.assert_array_equal(heads["outputs"], heads["logits"])


def test_the_plain_resnet_has_the_parameters_of_the_residual_one():
    plain = build("resnet20", skip=False)
    assert trained_parameters(plain) == MODELS["resnet20"].parameters


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "lenet"}, "unknown model 'lenet'; choose one of convnet, mlp"),
        ({"name": "lenet5", "head": "sigmoid"}, "head must be softmax, logits or identity"),
        ({"name": "lenet5", "skip": False}, "lenet5 has no option 'skip'"),
        ({"name": "lenet5_original", "num_classes": 7}, "bitmaps of 10 digits"),
        (
            {"name": "googlenet", "input_shape": (64, 64, 3), "auxiliary": True},
            "at least 65×65 pixels, got 64×64",
        ),
    ],
)
def test_error_messages_name_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)
