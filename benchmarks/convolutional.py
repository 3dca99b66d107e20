"""How long does a step of our convolutional networks take, relative to the same network in Keras?

    python benchmarks/convolutional.py

ResNet-50 and VGG-16 are compared with keras.applications (batch 8, 96×96 pixels); GoogLeNet (batch
8, 96×96) and LeNet-5 (batch 64, 32×32) with a functional model of stock Keras layers that performs
the same operations. Training is `fit` with SGD; inference is a call compiled by `tf.function`. The
contestants take turns of a few steps. The script prints the ratio of the median steps (below 1,
ours is faster) and, as a measure of the noise, the same ratio for a second copy of the peer.
"""

import argparse
import os
import time

import turns

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

MODELS = ("resnet50", "vgg16", "googlenet", "lenet5")
TURN = 4  # steps before the next contestant; the first one is not counted


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8, help="turns of each contestant")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    return parser.parse_args()


def plain(name, shape, classes):
    """Return the peer; only ResNet has batch normalisation."""
    import keras

    if name == "resnet50":
        return keras.applications.ResNet50(weights=None, input_shape=shape, classes=classes)
    if name == "vgg16":
        return keras.applications.VGG16(weights=None, input_shape=shape, classes=classes)
    images = keras.Input(shape)
    body = plain_lenet if name == "lenet5" else plain_googlenet
    y = keras.layers.Dense(classes, "softmax")(body(images))
    return keras.Model(images, y)


def plain_lenet(x):
    from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D

    x = MaxPooling2D(2)(Conv2D(6, 5, activation="relu")(x))
    x = MaxPooling2D(2)(Conv2D(16, 5, activation="relu")(x))
    return Dense(84, "relu")(Dense(120, "relu")(Flatten()(x)))


def plain_googlenet(x):
    import tensorflow as tf
    from errorflow.pipelines.models.googlenet import BLOCKS
    from keras.layers import (
        Concatenate,
        Conv2D,
        Dropout,
        GlobalAveragePooling2D,
        Lambda,
        MaxPooling2D,
    )

    def conv(x, filters, size, strides=1):
        return Conv2D(filters, size, strides, "same", activation="relu")(x)

    def pool(x):
        return MaxPooling2D(3, 2, "same")(x)

    def normalize(x):
        return Lambda(lambda x: tf.nn.local_response_normalization(x, 2, 2.0, 1e-4, 0.75))(x)

    x = normalize(pool(conv(x, 64, 7, 2)))
    x = pool(normalize(conv(conv(x, 64, 1), 192, 3)))
    for name, (f1, r3, f3, r5, f5, f_pool) in BLOCKS.items():
        x = pool(x) if name in ("4a", "5a") else x
        branches = [
            conv(x, f1, 1),
            conv(conv(x, r3, 1), f3, 3),
            conv(conv(x, r5, 1), f5, 5),
            conv(MaxPooling2D(3, 1, "same")(x), f_pool, 1),
        ]
        x = Concatenate()(branches)
    return Dropout(0.4)(GlobalAveragePooling2D()(x))


def training(model, x, y):
    """Return a function that trains TURN steps in `fit` and returns their seconds."""
    import keras
    import tensorflow as tf

    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
    return turns.fit_turn(model, tf.data.Dataset.from_tensors((x, y)).cache().repeat(TURN))


def inference(model, x):
    """Return a function that calls the model TURN times and returns the seconds of each call."""
    import tensorflow as tf

    call = tf.function(lambda x: model(x, training=False))

    def step():
        began = time.perf_counter()
        call(x).numpy()
        return time.perf_counter() - began

    return lambda: [step() for _ in range(TURN)]


def main():
    args = options()
    import numpy as np
    import tensorflow as tf
    from errorflow.pipelines.models import build

    for name in args.models:
        shape, batch, classes = ((32, 32, 1), 64, 10) if name == "lenet5" else ((96, 96, 3), 8, 100)
        random = np.random.default_rng(0)
        x = tf.constant(random.normal(size=(batch, *shape)), tf.float32)
        y = tf.constant(random.integers(0, classes, batch))
        models = {
            "ours": build(name, shape, classes, **({"dropout": 0.0} if name == "vgg16" else {})),
            "peer": plain(name, shape, classes),
            "peer, again": plain(name, shape, classes),
        }
        contests = {
            "training": {key: training(model, x, y) for key, model in models.items()},
            "inference": {key: inference(model, x) for key, model in models.items()},
        }
        for phase, contest in contests.items():
            median = {key: ms for key, (ms, _) in turns.race(contest, args.rounds).items()}
            ratio, noise = (median[key] / median["peer"] for key in ("ours", "peer, again"))
            print(
                f"{name:10} {phase:10} {median['ours']:8.1f} ms"
                f"   ours/peer {ratio:.2f}   noise {noise:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
