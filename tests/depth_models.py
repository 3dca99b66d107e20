"""Models for the tests of DepthFlow, and the error at their outputs by a tape of its own."""

import keras
import numpy as np
import tensorflow as tf
from errorflow.callbacks import DepthFlow
from errorflow.layers import ConvUnit2D, InceptionBlock

B, SIZE, CHANNELS, CLASSES = 4, 6, 4, 3
INCEPTION = (2, 2, 1, 2, 1, 1)


def data(steps=2, outputs=1, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(steps * B, SIZE, SIZE, CHANNELS))
    y = [random.normal(size=(steps * B, CLASSES)) for _ in range(outputs)]
    return x, y if outputs > 1 else y[0]


def head(x, name="top"):
    return keras.layers.Dense(CLASSES, name=name)(keras.layers.GlobalAveragePooling2D()(x))


def of_block(block):
    """stem → block → top"""
    x = keras.Input((SIZE, SIZE, CHANNELS))
    h = ConvUnit2D(CHANNELS, 3, normalization="batch", name="stem")(x)
    return keras.Model(x, head(block(h)))


def dense():
    x = keras.Input((SIZE, SIZE, CHANNELS))
    h = keras.layers.Dense(5, "tanh", name="first")(keras.layers.Flatten()(x))
    return keras.Model(x, keras.layers.Dense(CLASSES, name="top")(h))


def with_auxiliary():
    """Two inception blocks; an auxiliary classifier reads the output of the first one."""
    x = keras.Input((SIZE, SIZE, CHANNELS))
    first = InceptionBlock(INCEPTION, name="first")(ConvUnit2D(4, 3, name="stem")(x))
    second = InceptionBlock(INCEPTION, name="second")(first)
    return keras.Model(x, [head(first, "auxiliary"), head(second)])


def nested():
    """A model inside a model, with an Add that meets what two layers read."""
    h = keras.Input((SIZE, SIZE, 5))
    a = keras.layers.Conv2D(5, 3, padding="same", name="convolution")(h)
    a = keras.layers.ReLU(name="active")(keras.layers.BatchNormalization(name="norm")(a))
    b = keras.layers.Conv2D(5, 1, name="branch")(a)
    inner = keras.Model(h, keras.layers.Add(name="sum")([b, a]), name="inner")
    x = keras.Input((SIZE, SIZE, CHANNELS))
    return keras.Model(x, head(inner(keras.layers.Conv2D(5, 1, name="stem")(x))))


def compiled(make, seed=1, rate=0.0, jit_compile=False, **options):
    keras.utils.set_random_seed(seed)
    model = make()
    optimizer = options.pop("optimizer", None) or keras.optimizers.SGD(rate)
    model.compile(optimizer, options.pop("loss", "mse"), jit_compile=jit_compile, **options)
    return model


def fit(model, data, *callbacks, **options):
    x, y = data
    return model.fit(x, y, B, verbose=0, shuffle=False, callbacks=[*callbacks], **options)


def recorded(model, data, flow=None, **options):
    flow = flow or DepthFlow()
    fit(model, data, flow, **options)
    assert flow.failure is None
    return flow.history


def errors(model, outputs, data):
    """δ at each of these symbolic outputs, of each batch: [N][L][B, …], by a tape of its own."""
    whole = keras.Model(model.inputs, [*outputs, *model.outputs])
    x, y = data
    batches = []
    for first in range(0, len(x), B):
        with tf.GradientTape() as tape:
            values = whole(tf.constant(x[first : first + B]), training=True)
            predicted = values[len(outputs) :]
            targets = [of[first : first + B] for of in (y if isinstance(y, list) else [y])]
            losses = [tf.reduce_mean((p - t) ** 2) for p, t in zip(predicted, targets, strict=True)]
            e = B * tf.add_n(losses)
        batches.append((values, tape.gradient(e, values[: len(outputs)])))
    return batches


def norms(error):
    return np.sqrt(np.sum(np.reshape(error, [B, -1]) ** 2, axis=1))


def assert_figures(rms, largest, error, rtol):
    np.testing.assert_allclose(rms, np.sqrt(np.mean(norms(error) ** 2)), rtol=rtol)
    np.testing.assert_allclose(largest, norms(error).max(), rtol=rtol)
