"""DepthFlow records the error that a tape computes at every output, in every training step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from depth_models import (
    CHANNELS,
    CLASSES,
    SIZE,
    assert_figures,
    compiled,
    data,
    dense,
    errors,
    fit,
    head,
    nested,
    of_block,
    recorded,
    with_auxiliary,
)
from errorflow.callbacks import DepthFlow
from errorflow.layers import ResidualBlock

MODELS = {
    "dense": (dense, ["first", "top"]),
    "residual": (lambda: of_block(ResidualBlock(CHANNELS, name="block")), ["stem", "block", "top"]),
    "auxiliary": (with_auxiliary, ["stem", "first", "second", "top", "auxiliary"]),
    "nested": (nested, ["stem", "inner/active", "inner/sum", "top"]),
}


@pytest.mark.parametrize("kind", MODELS)
def test_the_errors_and_outputs_of_every_layer_are_those_of_a_tape(kind):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    make, layers = MODELS[kind]
    batches = data(outputs=2 if kind == "auxiliary" else 1)
    history = recorded(compiled(make), batches)
    assert history["layers"] == layers
    model = compiled(make)
    if kind == "nested":  # the same graph, flat
        inner = model.get_layer("inner")
        through = keras.Model(inner.input, [inner.get_layer("active").output, inner.output])
        a, b = through(model.get_layer("stem").output)
        model = keras.Model(model.input, model.layers[-1](model.layers[-2](b)))
        outputs = [model.get_layer("stem").output, a, b, model.output]
    else:
        outputs = [model.get_layer(name).output for name in layers]
    for row, (values, of_layers) in enumerate(errors(model, outputs, batches)):
        for column, error in enumerate(of_layers):
            figures = {name: history[name][row, column] for name in ("rms", "max", "mean", "std")}
            value = np.asarray(values[column])
            assert_figures(figures["rms"], figures["max"], error, 1e-6)
            np.testing.assert_allclose(figures["mean"], value.mean(), rtol=1e-6)
            np.testing.assert_allclose(figures["std"], value.std(), rtol=1e-6)
            dead = (value == 0).all(axis=tuple(range(value.ndim - 1))).mean()
            np.testing.assert_allclose(history["dead"][row, column], dead, rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [pytest.param(False, marks=pytest.mark.slow), True])
def test_training_is_bitwise_the_same_as_without_the_callback(jit_compile):
    make = with_auxiliary if not jit_compile else MODELS["residual"][0]
    batches = data(3, outputs=1 if jit_compile else 2)
    plain, seen = (compiled(make, rate=0.1, jit_compile=jit_compile) for _ in range(2))
    losses = fit(plain, batches).history["loss"]
    flow = DepthFlow()
    assert fit(seen, batches, flow).history["loss"] == losses
    for a, b in zip(plain.get_weights(), seen.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    alone = recorded(compiled(make, rate=0.1), batches)
    np.testing.assert_allclose(flow.history["rms"], alone["rms"], rtol=1e-4)
    np.testing.assert_allclose(flow.history["path_max"], alone["path_max"], rtol=1e-4)
    np.testing.assert_allclose(flow.history["dead"], alone["dead"])


@pytest.mark.parametrize(
    ("options", "every"),
    [
        ({"steps_per_execution": 3}, 1),
        ({"steps_per_execution": 2}, 2),
        ({"run_eagerly": True}, 2),
        ({"loss": keras.losses.MeanSquaredError(reduction="sum")}, 1),
    ],
)
def test_the_figures_do_not_depend_on_how_the_steps_are_run(options, every):
    alone = recorded(compiled(nested), data(6))
    together = recorded(compiled(nested, **options), data(6), DepthFlow(every=every))
    np.testing.assert_array_equal(together["step"], np.arange(every, 7, every))
    assert together["layers"] == alone["layers"]
    for name in ("rms", "max", "mean", "std", "path_rms"):
        np.testing.assert_allclose(together[name], alone[name][every - 1 :: every], rtol=1e-4)


def test_each_batch_of_an_accumulated_gradient_has_its_row():
    alone = recorded(compiled(dense), data(4))
    optimizer = keras.optimizers.SGD(0.0, gradient_accumulation_steps=2)
    history = recorded(compiled(dense, optimizer=optimizer), data(4))
    np.testing.assert_array_equal(history["step"], [1, 2, 3, 4])
    np.testing.assert_allclose(history["rms"], alone["rms"], rtol=1e-6)


def test_a_step_that_the_loss_scale_skips_is_marked_and_the_others_are_unscaled():
    alone = recorded(compiled(nested), data(3))
    keras.config.set_dtype_policy("mixed_float16")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.0), initial_scale=2**24)
    history = recorded(compiled(nested, optimizer=optimizer), data(30))
    assert history["skipped"][0]
    assert not history["skipped"][-1]
    assert np.isinf(history["rms"][0]).any()
    first = np.flatnonzero(~history["skipped"])[0]
    assert first < 30
    again = recorded(compiled(nested), data(30))
    assert again["layers"] == alone["layers"]
    np.testing.assert_allclose(history["rms"][first], again["rms"][first], rtol=0.02)


def test_two_replicas_record_the_same_as_one(two_replicas):
    alone = recorded(compiled(dense, rate=0.1), data(3))
    with two_replicas.scope():
        model = compiled(dense, rate=0.1)
    together = recorded(model, data(3))
    for name in ("rms", "max", "mean", "std"):
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-4)


def test_named_layers_and_names_that_do_not_exist():
    layers = ["inner/norm", "inner/branch"]
    history = recorded(compiled(nested), data(1), DepthFlow(layers=layers))
    assert history["layers"] == layers
    with pytest.raises(ValueError, match=r"no layer 'norm'.*inner/norm"):
        fit(compiled(nested), data(1), DepthFlow(layers=["norm"]))
    with pytest.raises(TypeError, match="list of paths"):
        DepthFlow(layers="inner/norm")


def test_a_layer_that_is_called_twice_has_an_entry_for_each_call():
    def make():
        x = keras.Input((SIZE, SIZE, CHANNELS))
        shared = keras.layers.Conv2D(CHANNELS, 3, padding="same", name="shared")
        return keras.Model(x, head(shared(shared(x))))

    history = recorded(compiled(make), data(1))
    assert history["layers"] == ["shared", "shared:1", "top"]
    assert history["rms"][0, 0] != history["rms"][0, 1]


def test_very_small_errors_are_not_zero():
    def make():
        x = keras.Input((SIZE, SIZE, CHANNELS))
        far = keras.layers.Dense(1, name="far")(keras.layers.Flatten()(x))
        return keras.Model(x, far * 1e-25)

    history = recorded(compiled(make, loss=lambda y, p: p), data(1))
    np.testing.assert_allclose(history["rms"], [[1e-25]], rtol=1e-5)


def test_a_frozen_part_has_no_error_until_it_is_trained():
    model, flow = compiled(dense), DepthFlow()
    first = model.get_layer("first")
    first.trainable = False
    model.compile("sgd", "mse", jit_compile=False)
    assert recorded(model, data(2), flow)["layers"] == ["top"]
    first.trainable = True
    model.compile("sgd", "mse", jit_compile=False)
    history = recorded(model, data(3), flow)
    assert history["layers"] == ["first", "top"]
    np.testing.assert_array_equal(np.isnan(history["rms"][:, 0]), [1, 1, 0, 0, 0])


def test_a_subclassed_model_built_by_its_first_batch():
    class Lazy(keras.Model):
        def __init__(self):
            super().__init__()
            self.convolution = keras.layers.Conv2D(2, 3, name="convolution")
            self.flat = keras.layers.Flatten()
            self.top = keras.layers.Dense(CLASSES, name="top")

        def call(self, x):
            return self.top(self.flat(self.convolution(x)))

    history = recorded(compiled(Lazy, rate=0.1), data(2))
    assert history["layers"] == ["convolution", "top"]
    assert (history["rms"] > 0).all()


def test_a_layer_in_a_loop_of_the_graph_is_named_in_the_findings():
    class Loop(keras.Model):
        def __init__(self):
            super().__init__()
            self.again = keras.layers.Dense(CHANNELS, "tanh", name="again")
            self.again.build((None, SIZE, SIZE, CHANNELS))
            self.top = keras.layers.Dense(CLASSES, name="top")

        def call(self, x):
            _, x = tf.while_loop(
                lambda count, _: count < 2, lambda count, h: (count + 1, self.again(h)), (0, x)
            )
            return self.top(tf.reduce_mean(x, axis=(1, 2)))

    flow = DepthFlow(layers=["again", "top"])
    assert recorded(compiled(Loop, rate=0.1), data(2), flow)["layers"] == ["top"]
    assert "again" in flow.findings()[0].text


def test_event_files_figures_and_table(tmp_path):
    flow = DepthFlow(tmp_path)
    history = recorded(compiled(nested, rate=0.1), data(12), flow)
    assert flow.findings() == []
    labels = [t.get_text() for t in flow.plot("path_rms").axes[1].get_xticklabels()]
    assert labels == ["active (branch)", "active (sum)"]
    frame = flow.to_frame()
    assert len(frame) == 12 * 6
    assert frame[frame["name"] == "top"]["rms"].tolist() == history["rms"][:, -1].tolist()

    model, later = compiled(nested, rate=0.1), DepthFlow(tmp_path)
    later.resume(flow.state())
    model.optimizer.iterations.assign(12)
    resumed = recorded(model, data(2), later)
    np.testing.assert_array_equal(resumed["step"], np.arange(1, 15))
    np.testing.assert_array_equal(resumed["rms"][:12], history["rms"])
    assert np.isfinite(resumed["path_rms"]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("ResNet50", "conv2_block1_out", 32),
        ("VGG16", "block3_conv2", 32),
        ("InceptionV3", "mixed0", 75),
        ("MobileNetV2", "block_2_add", 32),
    ],
)
def test_models_of_keras_applications(name, layer, size):
    x = keras.Input((size, size, 3))
    base = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(size, size, 3), pooling="avg"
    )
    model = keras.Model(x, keras.layers.Dense(2, name="top")(base(x)))
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
    random, flow = np.random.default_rng(0), DepthFlow()
    y = random.normal(size=(4, 2))
    model.fit(random.normal(size=(4, size, size, 3)), y, 2, verbose=0, callbacks=[flow])
    history = flow.history
    assert f"{base.name}/{layer}" in history["layers"]
    assert np.isfinite(history["rms"]).all()
    assert {*history["adds_to"]} <= {*history["layers"], *history["paths"]}
