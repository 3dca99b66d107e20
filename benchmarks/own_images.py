"""Does `errorflow images train --data-dir DIR` learn on the folders that people bring?

    pip install 'errorflow[benchmarks]'
    python benchmarks/own_images.py                                # all folders, three seeds
    python benchmarks/own_images.py --folders shapes-3 --seeds 1   # a part
    python benchmarks/own_images.py --models lenet5 resnet20       # these instead of the default

Each seed draws the folders of `image_folders.py` anew. Each folder is trained on with default
settings, and by a plain Keras CNN of three convolutions with Keras' augmentation layers (Adam 1e-3,
30 epochs, early stopping) on the same training and validation images of the same size. Accuracy and
macro-F1 are those of other images of the same classes, at least 20 of each. Time is the processor
time of `fit`, with compiling, recording and checkpoints. Finished trainings are kept in --results
and not repeated.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import image_folders

PEER = "keras"
TEST_IMAGES = 300  # at least 20 of each class


def options():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folders", nargs="+", default=[*image_folders.FOLDERS])
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 2, 3))
    parser.add_argument("--models", nargs="+", default=("default",), help="networks of the zoo")
    parser.add_argument("--results", type=Path, default=Path("own_images.jsonl"))
    return parser.parse_args()


def stopwatch():
    """Return a Keras callback whose `seconds` are the processor time of `fit`."""
    import keras

    class Stopwatch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.began = time.process_time()

        def on_train_end(self, logs=None):
            self.seconds = time.process_time() - self.began

    return Stopwatch()


def train_ours(model, folder, seed, place):
    """Train as the command does; return the run and the processor time."""
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.core.run_lifecycle import folder_to_train_in, training_in
    from errorflow.pipelines.images import TASK
    from errorflow.pipelines.training import workflow
    from errorflow.pipelines.training.session import start

    settings = {"data_dir": folder, "seed": seed, "run_dir": place, "name": "ours"}
    settings |= {} if model == "default" else {"model": model}
    config = replace(TASK.config(), **settings).resolved()
    config.check()
    session = start(config)
    run, clock = folder_to_train_in(TASK.name, config), stopwatch()
    data = TASK.read_data(config)
    with training_in(run, TASK.name, config, session.environment) as begin:
        workflow.train_in(
            run, TASK, config, data, session.strategy, begin, callbacks=lambda *_: [clock]
        )
    return run, clock.seconds


def ours(model, folder, seed, place):
    """Return a function that predicts labels of images, and the processor time of its training."""
    import numpy as np
    from errorflow.pipelines.models.image_serving import predict_probabilities
    from errorflow.pipelines.models.serving import labels_in, load

    run, seconds = train_ours(model, folder, seed, place)
    serving_model = load(run.best)
    labels = np.array(labels_in(serving_model))

    def predict(images):
        rows = predict_probabilities(serving_model, [(image[None],) for image in images])
        return labels[rows.argmax(axis=1)]

    return predict, seconds


def plain_cnn(shape, classes):
    """Return the plain network: three convolutions with pooling, and two dense layers."""
    import keras

    layers = [
        keras.Input(shape),
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomRotation(0.1),
        keras.layers.RandomZoom(0.1),
        keras.layers.Rescaling(1 / 255),
    ]
    for filters in (32, 64, 128):
        layers += [keras.layers.Conv2D(filters, 3, padding="same", activation="relu")]
        layers += [keras.layers.MaxPooling2D()]
    layers += [keras.layers.Flatten(), keras.layers.Dense(128, activation="relu")]
    model = keras.Sequential([*layers, keras.layers.Dense(classes, activation="softmax")])
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return model


def plain(folder, seed):
    """Train the plain network on the same images as ours; return as `ours` does."""
    import keras
    import numpy as np
    import tensorflow as tf
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.datasets.images.image_data import load_images
    from errorflow.pipelines.datasets.images.resizing import resizing_layer
    from errorflow.pipelines.images import TASK
    from errorflow.pipelines.images.batching import resized
    from errorflow.pipelines.images.choices import image_size

    data, clock = load_images(data_dir=folder, seed=seed), stopwatch()
    size = image_size(replace(TASK.config(), data_dir=folder).resolved(), data)
    keras.utils.set_random_seed(seed)
    model = plain_cnn((*size, data.shape[-1]), len(data.labels))

    def images(split):
        pairs = resized(split, size).map(lambda image, label: (tf.cast(image, tf.float32), label))
        return pairs.cache()

    model.fit(
        images(data.train).shuffle(len(data.train), seed=seed).batch(32).prefetch(1),
        validation_data=images(data.validation).batch(32),
        epochs=30,
        shuffle=False,
        verbose=0,
        callbacks=[keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True), clock],
    )
    layer, labels = resizing_layer(*size), np.array(data.labels)

    def predict(images):
        pixels = tf.stack([layer(tf.cast(image, tf.float32)) for image in images])
        return labels[model.predict(pixels, verbose=0).argmax(axis=1)]

    return predict, clock.seconds


def measure(name, model, seed, place):
    """Return the row of one training."""
    import keras
    from sklearn.metrics import f1_score

    keras.backend.clear_session()
    folder = image_folders.write(name, Path(place) / name, seed)
    count = max(20, TEST_IMAGES // len(image_folders.FOLDERS[name].classes))
    images, true = zip(*image_folders.test_images(name, count, seed), strict=True)
    trained = plain(folder, seed) if model == PEER else ours(model, folder, seed, Path(place))
    predict, seconds = trained
    predicted = predict(images)
    right = [a == b for a, b in zip(true, predicted, strict=True)]
    return {
        "folder": name,
        "model": model,
        "seed": seed,
        "accuracy": round(statistics.mean(right), 4),
        "macro_f1": round(f1_score(true, predicted, average="macro"), 4),
        "seconds": round(seconds, 1),
    }


def read(path):
    """Return {(folder, model, seed): row} of the finished trainings."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return {(row["folder"], row["model"], row["seed"]): row for row in rows}


def run_missing(args):
    for name in args.folders:
        for seed in args.seeds:
            for model in (PEER, *args.models):
                if (name, model, seed) in read(args.results):
                    continue
                with tempfile.TemporaryDirectory() as place:
                    row = measure(name, model, seed, place)
                with args.results.open("a") as file:
                    print(json.dumps(row), file=file)


def table(args):
    """Print, for each folder, our figures and the peer's, and whether the targets are met."""
    rows = read(args.results)
    for model in args.models:
        print(f"\n{model}: accuracy, macro-F1, processor time, in brackets the plain CNN's")
        differences = []
        for name in args.folders:
            mean = {
                (who, key): statistics.mean(rows[name, who, seed][key] for seed in args.seeds)
                for who in (model, PEER)
                for key in ("accuracy", "macro_f1", "seconds")
            }
            worst = min(rows[name, model, seed]["accuracy"] for seed in args.seeds)
            differences.append(mean[model, "accuracy"] - mean[PEER, "accuracy"])
            print(
                f"{name:22}",
                *(f"{mean[model, k]:.3f} ({mean[PEER, k]:.3f})" for k in ("accuracy", "macro_f1")),
                f"{mean[model, 'seconds']:.0f} s ({mean[PEER, 'seconds']:.0f} s)",
                f"ratio {mean[model, 'seconds'] / mean[PEER, 'seconds']:.2f}",
                f"difference {100 * differences[-1]:+.1f} points, worst seed {worst:.3f}",
                f"chance {1 / len(image_folders.FOLDERS[name].classes):.2f}",
                sep="  ",
            )
        print(f"mean difference {100 * statistics.mean(differences):+.2f} points")


def main():
    args = options()
    run_missing(args)
    table(args)


if __name__ == "__main__":
    main()
