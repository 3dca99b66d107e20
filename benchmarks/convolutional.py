"""How long do our convolutional networks take, as a share of the same networks written plainly?

    python benchmarks/convolutional.py

ResNet-50 and VGG-16 run against keras.applications (batch 8, 96×96), GoogLeNet (batch 8, 96×96) and
LeNet-5 (batch 64, 32×32) against a functional model of single Keras layers with the same
operations. Training is `fit` with SGD, inference a compiled call. The contestants take turns, a few
steps each, round after round; printed is the ratio of the median steps and, as the noise of the
machine, that of a second copy of the peer; below 1, ours is faster.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

MODELS = ("resnet50", "vgg16", "googlenet", "lenet5")
TURN = 4  # steps before the other model takes over; the first is not counted


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    return parser.parse_args()


def plain(name, shape, classes):
    """The peer: probabilities, no batch normalisation but ResNet's."""
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

    def normalised(x):
        return Lambda(lambda x: tf.nn.local_response_normalization(x, 2, 2.0, 1e-4, 0.75))(x)

    x = normalised(pool(conv(x, 64, 7, 2)))
    x = pool(normalised(conv(conv(x, 64, 1), 192, 3)))
    for name, (f1, r3, f3, r5, f5, f_pool) in BLOCKS.items():
        x = pool(x) if name in ("4a", "5a") else x
        views = [
            conv(x, f1, 1),
            conv(conv(x, r3, 1), f3, 3),
            conv(conv(x, r5, 1), f5, 5),
            conv(MaxPooling2D(3, 1, "same")(x), f_pool, 1),
        ]
        x = Concatenate()(views)
    return Dropout(0.4)(GlobalAveragePooling2D()(x))


def training(model, x, y):
    """A function that trains TURN steps in `fit` and returns their times."""
    import keras
    import tensorflow as tf

    class Clock(keras.callbacks.Callback):
        def on_train_batch_begin(self, step, logs=None):
            self.began = time.perf_counter()

        def on_train_batch_end(self, step, logs=None):
            self.times.append(time.perf_counter() - self.began)

    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
    data = tf.data.Dataset.from_tensors((x, y)).cache().repeat(TURN)
    clock = Clock()

    def turn():
        clock.times = []
        model.fit(data, verbose=0, shuffle=False, callbacks=[clock])
        return clock.times

    return turn


def inference(model, x):
    import tensorflow as tf

    run = tf.function(lambda x: model(x, training=False))

    def step():
        began = time.perf_counter()
        run(x).numpy()
        return time.perf_counter() - began

    return lambda: [step() for _ in range(TURN)]


def race(turns, rounds):
    """{name: median step in ms}, the contestants taking turns."""
    times = {name: [] for name in turns}
    for turn in turns.values():
        turn()
    for _ in range(rounds):
        for name, turn in turns.items():
            times[name] += turn()[1:]
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


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
        for what, contest in (
            ("training", {n: training(m, x, y) for n, m in models.items()}),
            ("inference", {n: inference(m, x) for n, m in models.items()}),
        ):
            found = race(contest, args.rounds)
            ratio, noise = (found[n] / found["peer"] for n in ("ours", "peer, again"))
            told = f"ours/peer {ratio:.2f}   noise {noise:.2f}"
            print(f"{name:10} {what:10} {found['ours']:8.1f} ms   {told}", flush=True)


if __name__ == "__main__":
    main()
