"""Image in, one label out: the training job, its figures, and what exports are compared on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ...callbacks import FeatureMaps
from ..core.config import UserError
from ..core.devices import note
from ..core.run_folder import Run
from ..datasets.images import augmentation as augment
from ..datasets.images.image_data import ImageData, ImagePart
from ..models import build
from ..models.googlenet import AUXILIARY_WEIGHT, remove_auxiliary_outputs
from ..models.image_serving import build_serving_model, network_inputs, predict_probabilities
from ..models.serving import labels_in
from ..models.zoo import MODELS
from ..training import evaluation as scores
from ..training.export import CORE, Probe
from ..training.loop import Job
from .batching import ImageFeed, mean_and_std, resized

if TYPE_CHECKING:
    from . import ImagesConfig

BATCH = 256  # images at once where nothing is trained


def make_job(run: Run, config: "ImagesConfig", data: ImageData) -> Job:
    """Network, batches, loss and metrics of a training."""
    size = image_size(config, data)
    trained = network(config, (*size, data.shape[-1]), len(data.labels))
    core = remove_auxiliary_outputs(trained)
    images = resized(data.train, size)
    mean, std = mean_and_std(images)
    several = isinstance(trained.output, dict)
    targets: dict[str, Any] = {"target": _for_each(trained.output)} if several else {}

    def feed(images, part, batch, operations=()):
        return ImageFeed(
            images=images,
            count=len(part),
            classes=len(data.labels),
            size=batch,
            seed=config.seed,
            mean=mean,
            std=std,
            operations=operations,
            **targets,
        )

    validation = feed(resized(data.validation, size), data.validation, BATCH).in_order()
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing)
    main = core.layers[-1].name
    return Job(
        run=run,
        config=config,
        core=trained,
        package=build_serving_model(core, data.labels, mean, std),
        feed=feed(images, data.train, config.batch_size, augment.recipe(variation(config, data))),
        validation=validation,
        loss=dict.fromkeys(trained.output, loss) if several else loss,
        loss_weights=_weights(trained.output) if several else None,
        metrics={main: ["accuracy"]} if several else ["accuracy"],
        monitor=f"val_{main}_loss" if several else "val_loss",  # finer than accuracy on few images
        mode="min",
        recurrent=False,
        watchers=feature_maps(run, core, validation),
    )


def _for_each(outputs: dict[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """Each output is to say the same."""
    return lambda one_hot: dict.fromkeys(outputs, one_hot)


def _weights(outputs: dict[str, Any]) -> dict[str, float]:
    return {name: AUXILIARY_WEIGHT if name.startswith("auxiliary") else 1.0 for name in outputs}


def network(config: "ImagesConfig", shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The network that a config describes, images [B, H, W, C] → probabilities [B, K]."""
    try:
        model = build(config.model, shape, classes, **config.options)
    except ValueError as error:
        raise UserError(f"--model {config.model}: {error}") from None
    return keras.Model(model.input, model.output, name=CORE)


def image_size(config: "ImagesConfig", data: ImageData) -> tuple[int, int]:
    """What images are brought to: the size asked for, else their own where they all have one.

    Images of several sizes get the paper's; those that are too small the least that the network
    takes.
    """
    height, width, _ = data.shape
    entry = MODELS[config.model]
    if config.image_size is not None:
        return config.image_size, config.image_size
    if not (height and width) or entry.fixed_size:
        return entry.input_shape[0], entry.input_shape[1]
    if min(height, width) >= entry.min_size:
        return height, width
    size = entry.min_size
    note(f"data: images of {height}×{width} become {size}×{size} for {config.model}")
    return size, size


def variation(config: "ImagesConfig", data: ImageData) -> str:
    """Which images of `augment` to train on."""
    if config.augment != "auto":
        return config.augment
    return augment.kind_for(data.shape[-1], config.dataset)


def feature_maps(run: Run, core: keras.Model, validation: tf.data.Dataset) -> list[Any]:
    """Shows what the first convolution makes of the first validation image."""
    if not any(len(layer.output.shape) == 4 for layer in core.layers if layer.weights):
        return []
    image, _ = next(iter(validation.unbatch().take(1)))
    return [FeatureMaps(image.numpy(), run.logs)]


def measure(package: keras.Model, part: ImagePart, labels: list[str]) -> scores.Scores:
    """How well a packaged model knows the labels of images."""
    given = _answers(package, part)
    found = scores.score(part.labels, given.argmax(axis=1), labels)
    if len(labels) <= scores.TOP:
        return found
    return found.adding(top5=scores.top5(part.labels, given))


def _answers(package: keras.Model, part: ImagePart) -> np.ndarray:
    height, width, _ = package.get_layer(CORE).input_shape[1:]
    return predict_probabilities(package, resized(part, (height, width)).batch(BATCH))


def sample(package: keras.Model, part: ImagePart, labels: list[str], count: int = 100) -> list:
    """What the model says of the first images, by their place in the split."""
    first = ImagePart(part.examples.take(count), part.labels[:count])
    return [
        {
            "image": place,
            "label": labels[true],
            "predicted": labels[row.argmax()],
            "probability": round(float(row.max()), 4),
        }
        for place, (true, row) in enumerate(
            zip(first.labels, _answers(package, first), strict=True)
        )
    ]


def probe(package: keras.Model) -> Probe:
    """Two images of noise, to compare an exported network's answers on."""
    shape = package.get_layer(CORE).input_shape[1:]
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype("float32")
    scale = package.get_layer("scale")
    return Probe(
        inputs=tf.constant(pixels),
        core_inputs=network_inputs(package, pixels),
        meaning={
            "input": "pixels 0 … 255, times scale plus offset, of each channel",
            "shape": ["batch", *shape],
            "scale": scale.scale,
            "offset": scale.offset,
            "labels": labels_in(package),
        },
        meaning_file="input.json",
    )
