"""The picture of the error through time and an image network shows what was recorded."""

import keras
import numpy as np
import pytest
from errorflow.callbacks import DepthFlow, ErrorFlow, error_path
from errorflow.layers import LSTM
from errorflow.layers.text.each_step import EachStep

FRAMES, STEPS = 3, 11
LAYERS = ["frame/image/conv1", "frame/image/conv2"]


def trained(wrapper):
    """→ the histories of `ErrorFlow` and `DepthFlow` of a training on films of noise"""
    keras.utils.set_random_seed(0)
    image = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(2, 3, activation="tanh", name="conv1"),
            keras.layers.Conv2D(3, 3, activation="tanh", name="conv2"),
            keras.layers.Flatten(),
        ],
        name="image",
    )
    films = keras.Input((FRAMES, 6, 6, 1))
    x = LSTM(3, name="lstm")(wrapper(image, name="frame")(films))
    model = keras.Model(films, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
    flow, depth = ErrorFlow(), DepthFlow()
    x = np.random.default_rng(0).normal(size=(STEPS * 4, FRAMES, 6, 6, 1))
    options = {"batch_size": 4, "verbose": 0, "shuffle": False}
    model.fit(x, x[:, 0, 0, 0], callbacks=[flow, depth], **options)
    return flow.history, depth.history


@pytest.fixture(scope="module")
def histories():
    return trained(EachStep)


def curves(figure):
    """→ {label: values from left to right}"""
    return {
        line.get_label(): line.get_ydata()
        for line in figure.axes[0].get_lines()
        if "training step" in line.get_label()
    }


def test_the_curves_are_the_medians_of_what_was_recorded(histories):
    flow, depth = histories
    figure = error_path(flow["lstm"], depth, LAYERS[::-1])
    of_layers = depth["rms"][:, [depth["layers"].index(name) for name in LAYERS]]
    recorded = np.concatenate([of_layers, flow["lstm"]["hidden"]], axis=1)
    shown = curves(figure)
    assert [*shown] == ["training steps 1 to 3, median", "training steps 9 to 11, median"]
    first, last = shown.values()
    np.testing.assert_allclose(first, np.median(recorded[:3], axis=0), rtol=1e-6)
    np.testing.assert_allclose(last, np.median(recorded[-3:], axis=0), rtol=1e-6)
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert names == ["conv1", "conv2", "2", "1", "0"]


def test_an_image_network_called_for_each_frame_has_the_error_of_a_single_frame(histories):
    once = curves(error_path(histories[0]["lstm"], histories[1], LAYERS))
    flow, depth = trained(keras.layers.TimeDistributed)
    assert f"{LAYERS[0]}:{FRAMES - 1}" in depth["layers"]
    of_each = curves(error_path(flow["lstm"], depth, LAYERS))
    for label, curve in once.items():
        np.testing.assert_allclose(of_each[label], curve, rtol=1e-3)


def test_an_encoder_and_its_decoder_share_the_axis(histories):
    flow, depth = histories
    joined = flow["lstm"] | {"border": np.array(1)}
    axes = error_path(joined, depth, LAYERS).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()[2:]] == ["0", "1", "2"]
    np.testing.assert_allclose(axes.get_lines()[0].get_xdata()[2:], [0, 1, 2])


def test_what_is_skipped_or_not_finite_is_left_out(histories):
    flow, depth = histories
    rms, skipped = depth["rms"].copy(), depth["skipped"].copy()
    rms[:, depth["layers"].index(LAYERS[0])], skipped[0] = np.inf, True
    shown = curves(error_path(flow["lstm"], depth | {"rms": rms, "skipped": skipped}, LAYERS))
    assert [*shown] == ["training steps 2 to 3, median", "training steps 10 to 11, median"]
    assert [np.isnan(curve).tolist() for curve in shown.values()] == [[True] + 4 * [False]] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda flow, depth: ({}, depth, LAYERS), "nothing was recorded"),
        (lambda flow, depth: (flow["lstm"], {}, LAYERS), "nothing was recorded"),
        (lambda flow, depth: (flow, depth, LAYERS), "an entry of ErrorFlow.history"),
        (lambda flow, depth: (flow["lstm"], depth, []), "a list of layers in DepthFlow.history"),
        (lambda flow, depth: (flow["lstm"], depth, LAYERS[0]), "a list of layers"),
        (lambda flow, depth: (flow["lstm"], depth, ["conv9"]), "frame/image/conv1, .*conv9"),
        (
            lambda flow, depth: (flow["lstm"], depth | {"step": depth["step"] + 99}, LAYERS),
            "no training step in common",
        ),
    ],
)
def test_wrong_input_is_one_clear_error(histories, change, message):
    with pytest.raises(ValueError, match=message) as error:
        error_path(*change(*histories))
    assert "\n" not in str(error.value)
