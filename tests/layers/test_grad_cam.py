"""Grad-CAM against a plain tape between the two halves of a model, and a closed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.layers import BottleneckBlock, ConvUnit2D, InceptionBlock, ResidualBlock, grad_cam
from errorflow.layers.analysis.grad_cam import GradCam
from errorflow.layers.text.each_step import EachStep

RANDOM = np.random.default_rng(0)
SHAPE = (8, 8, 3)


def images(count=2):
    return RANDOM.normal(size=(count, *SHAPE)).astype("float32")


def by_tape(below, above, x, classes):
    """The maps of the output of one model, with the scores that another computes from it."""
    rows = []
    for example, chosen in zip(x, classes, strict=True):
        maps = tf.convert_to_tensor(below(example[None], training=False))
        with tf.GradientTape() as tape:
            tape.watch(maps)
            score = above(maps, training=False)[0, chosen]
        gradient = tape.gradient(score, maps)[0].numpy()
        alpha = gradient.reshape(-1, gradient.shape[-1]).mean(axis=0)
        rows.append(np.maximum(maps[0].numpy() @ alpha, 0))
    return np.stack(rows)


def head(shape, activation="softmax"):
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(5, activation, name="classes"),
        ],
        name="head",
    )


BELOW = {  # layers up to the feature maps; the name of the layer that `layer=None` finds
    "conv": ([keras.layers.Conv2D(4, 3, activation="relu", name="conv")], "conv"),
    "normalised": (
        [
            keras.layers.Conv2D(4, 3, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.ReLU(name="relu"),
        ],
        "relu",
    ),
    "residual": ([ResidualBlock(4, strides=2, name="block")], "block"),
    "bottleneck": ([BottleneckBlock(2, name="block")], "block"),
    "inception": ([InceptionBlock((2, 2, 3, 2, 2, 2), name="block")], "block"),
    "unit": ([ConvUnit2D(4, 3, normalization="batch", name="unit")], "unit"),
}


@pytest.mark.parametrize("name", BELOW)
def test_the_default_is_the_last_feature_maps_also_of_nested_models(name):
    layers, expected = BELOW[name]
    pixels = keras.Input(SHAPE, name="pixels")
    below = keras.Sequential([keras.Input(SHAPE), *layers], name="below")
    above, bare = (head(below.output_shape[1:], a) for a in ("softmax", None))
    bare.set_weights(above.get_weights())
    model = keras.Model(pixels, above(below(pixels)))
    x = images()
    result = grad_cam(model, x)
    assert result.layer == f"below/{expected}"
    np.testing.assert_array_equal(result.classes, model(x).numpy().argmax(axis=1))
    maps = by_tape(below, bare, x, result.classes)
    np.testing.assert_allclose(result.values, maps, rtol=1e-4, atol=1e-6)
    assert result.values.any()
    for layer in ("below", expected, f"below/{expected}"):
        np.testing.assert_allclose(grad_cam(model, x, layer).values, maps, rtol=1e-4, atol=1e-6)
    other = grad_cam(model, x, target=3).values
    np.testing.assert_allclose(other, by_tape(below, bare, x, [3, 3]), rtol=1e-4, atol=1e-6)


def test_after_global_average_pooling_it_is_the_class_activation_map():
    """z_c = Σ_k w_kc · mean A_k, so α_k = w_kc / Z (Zhou et al. 2016)."""
    model = keras.Sequential(
        [
            keras.Input(SHAPE, dtype="float64"),
            keras.layers.Conv2D(6, 3, name="conv", dtype="float64"),
            keras.layers.GlobalAveragePooling2D(dtype="float64"),
            keras.layers.Dense(4, "softmax", name="classes", dtype="float64"),
        ]
    )
    x = RANDOM.normal(size=(3, *SHAPE))
    result = grad_cam(model, x, target=[0, 1, 2])
    maps = model.get_layer("conv")(x).numpy()
    weights = model.get_layer("classes").kernel.numpy().T[:3] / 36
    np.testing.assert_allclose(result.weights, weights, rtol=1e-10)
    expected = np.maximum(np.einsum("bijk,bk->bij", maps, weights), 0)
    np.testing.assert_allclose(result.values, expected, rtol=1e-10, atol=1e-12)


def test_layers_inside_a_block_can_be_chosen():
    block = ResidualBlock(4, name="block")
    model = keras.Sequential([keras.Input(SHAPE), block, keras.layers.Flatten()])
    model.add(keras.layers.Dense(3))
    x = images(1)
    inside = grad_cam(model, x, "block/conv1")
    assert inside.values.shape == (1, 8, 8) and inside.layer == "block/conv1"
    with pytest.raises(ValueError, match="several layers have the name 'convolution': block/conv1"):
        grad_cam(model, x, "convolution")


def test_maps_of_one_position_are_passed_over_and_pooling_ends_the_search():
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(4, 3, name="wide"),
            keras.layers.MaxPooling2D(6),
            keras.layers.Conv2D(3, 1, name="single"),
            keras.layers.Flatten(),
        ]
    )
    assert grad_cam(model, images()).layer == "wide"


def test_a_network_on_every_frame_has_a_map_for_each():
    encoder = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Conv2D(2, 3, name="conv"), keras.layers.Flatten()],
        name="encoder",
    )
    clips = keras.Input((None, *SHAPE))
    x = keras.layers.LSTM(4)(EachStep(encoder, name="each")(clips))
    model = keras.Model(clips, keras.layers.Dense(2)(x))
    clip = RANDOM.normal(size=(2, 3, *SHAPE)).astype("float32")
    result = grad_cam(model, clip)
    assert result.layer == "each/encoder/conv" and result.values.shape == (6, 6, 6)
    assert result._repr_html_().count("<img") == 1
    np.testing.assert_allclose(  # the examples are independent of each other
        grad_cam(model, clip[1:], target=result.classes[1:]).values,
        result.values[3:],
        rtol=1e-3,
        atol=1e-5,
    )


def test_steps_of_a_text_have_maps_too():
    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            keras.layers.Embedding(5, 3),
            keras.layers.Conv1D(4, 2, name="conv"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(2),
        ]
    )
    result = grad_cam(model, np.array([[1, 2, 3, 4, 0, 1]]))
    assert result.values.shape == (1, 5)
    assert [*result.to_frame().columns] == ["example", "step", "grad_cam"]
    assert result.plot()._repr_png_().startswith(b"\x89PNG")


def test_layers_that_do_not_fit_are_refused_with_the_names_of_those_that_do():
    shared = keras.layers.Conv2D(3, 3, padding="same", name="shared")
    pixels = keras.Input(SHAPE, name="pixels")
    y = keras.layers.Flatten(name="flat")(shared(shared(pixels)))
    model, x = keras.Model(pixels, y), images()
    with pytest.raises(ValueError, match="grad_cam: no layer 'none'; there are: shared"):
        grad_cam(model, x, "none")
    with pytest.raises(ValueError, match=r"layer 'flat' returns no feature maps .* are: shared"):
        grad_cam(model, x, "flat")
    with pytest.raises(ValueError, match="layer 'shared' is called 2 times, not once"):
        grad_cam(model, x, "shared")
    dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"has no convolution with more than one position.*: none"):
        grad_cam(dense, np.zeros([1, 3]))
    with pytest.raises(ValueError, match="grad_cam: `target` must be from 0 to 1, not 2"):
        grad_cam(dense, np.zeros([1, 3]), target=2)


def result(values):
    values = np.float32(values)
    ones = np.ones([len(values), 1], np.float32)
    return GradCam(values, values, ones, ones[:, 0], np.ones(len(values), int), None, "conv")


SENTENCES = {
    "conv: Grad-CAM of class 1 is largest at row 2, column 1 (4) of 2 × 2; 2 of 4 positions are "
    "above 0": result([[[1, 0], [4, 0]]]),
    "conv: 0.38 of the positions are above 0, on average over 2 maps": result(
        [[[1, 0], [4, 0]], [[0, 1], [0, 0]]]
    ),
    "conv: Grad-CAM is 0 at every position": result([[[0, 0]]]),
    "conv: Grad-CAM is not a finite number at every position": result([[[np.inf, 0]]]),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_sentence_is_true_of_the_numbers_and_the_picture_can_be_drawn(sentence):
    assert SENTENCES[sentence].sentence == sentence
    assert SENTENCES[sentence]._repr_html_().count("<img") == 1
