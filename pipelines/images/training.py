"""Images: the training of a network, and its evaluation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...callbacks import FeatureMaps
from ...layers.paths import walk
from ..core.console import note
from ..core.errors import UserError
from ..datasets.images import augmentation
from ..datasets.images.image_data import ImageData, ImageSplit
from ..models import build
from ..models.googlenet import AUXILIARY_WEIGHT, remove_auxiliary_outputs
from ..models.hidden_layers import activation_of, initialise
from ..models.image_serving import build_serving_model, predict_probabilities
from ..models.pretrained import Backbone, copy_weights, freeze, load_backbone
from ..models.serving import labels_in
from ..training.class_weights import class_weights
from ..training.evaluation import TOP, Scores, score_labels, top5_accuracy
from ..training.export import ExportInputs
from ..training.export_steps import image_steps
from ..training.network_parts import CORE
from ..training.spec import TrainingSpec
from .batching import ImageBatches, evaluation_batch, mean_and_std, resized
from .choices import image_size, kind_for_folder
from .config import DEFAULT, ImagesConfig, ImagesOptimisation
from .fitting import Fitted, fit, in_one_line, normalization_momentum


def build_training(config: ImagesConfig, data: ImageData) -> TrainingSpec:
    """Return the network, batches, loss and metrics of a training."""
    backbone = trained(config)
    size = own_size(config, backbone) or image_size(config, data)
    fitted = fitted_to(config.optimisation, len(data.train))
    settings = fitted.optimisation
    channels = data.shape[-1] if backbone is None else backbone.channels
    if channels != data.shape[-1]:
        note(f"data: images become {'RGB' if channels == 3 else 'grey'}, as the weights need them")
    network = build_network(config, (*size, channels), len(data.labels), backbone)
    core = remove_auxiliary_outputs(network)
    has_auxiliary = isinstance(network.output, dict)
    target = {"target": _for_each(network.output)} if has_auxiliary else {}
    train_data, validation_data = build_batches(
        config, data, fitted, (*size, channels), backbone, target
    )
    fit_normalization(network, train_data.steps)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
    main, name = core.layers[-1].name, config.network.model or DEFAULT
    return TrainingSpec(
        network=network,
        serving_model=build_serving_model(core, data.labels, train_data.mean, train_data.std, name),
        train_data=train_data,
        validation_data=validation_data,
        loss=dict.fromkeys(network.output, loss) if has_auxiliary else loss,
        loss_weights=_weights(network.output) if has_auxiliary else None,
        metrics={main: ["accuracy"]} if has_auxiliary else ["accuracy"],
        monitor=f"val_{main}_loss" if has_auxiliary else "val_loss",  # finer than the accuracy
        mode="min",
        is_recurrent=False,
        callbacks=lambda run: feature_maps(run.logs, core, validation_data),
        optimisation=settings,
        warmup=fitted.warmup,
    )


def build_batches(
    config: ImagesConfig,
    data: ImageData,
    fitted: Fitted,
    shape: tuple[int, int, int],
    backbone: Backbone | None,
    target: dict[str, Any],
) -> tuple[ImageBatches, tf.data.Dataset]:
    """Return the batches of the training and of the validation split.

    Args:
        config: the settings.
        data: the images.
        fitted: the settings as fitted to their number.
        shape: [H, W, C] of the network's images.
        backbone: trained weights, whose mean and standard deviation are used; None: those of the
            training images.
        target: the argument `target` of `ImageBatches`, if the network has several outputs.
    """
    *size, channels = shape
    settings = fitted.optimisation

    def batches(split: ImageSplit, batch_size: Any, **options: Any) -> ImageBatches:
        return ImageBatches(
            images=resized(split, (size[0], size[1]), channels),
            count=len(split),
            classes=len(data.labels),
            size=batch_size,
            seed=settings.seed,
            **options,
            **target,
        )

    train_data = batches(
        data.train,
        settings.batch_size,
        passes=fitted.passes,
        weights=_class_weights(data, settings.balance),
    )
    # It keeps the images that it has read: statistics and choices do not read the files again.
    own = mean_and_std(train_data.images) if backbone is None else (backbone.mean, backbone.std)
    mean, std = train_data.mean, train_data.std = own
    kind = kind_for_folder(config, data, train_data.images)
    train_data.operations = augmentation.recipe(kind)
    if left_out := train_data.count % train_data.size:
        note(
            f"data: train: batches of {train_data.size}: each pass leaves out {left_out} of"
            f" {train_data.count:,} images, drawn at random"
        )
    shown = batches(data.validation, evaluation_batch(shape), mean=mean, std=std)
    return train_data, shown.in_order()


def fitted_to(settings: ImagesOptimisation, count: int) -> Fitted:
    """Return the settings for `count` training images, and say what was fitted."""
    fitted = fit(settings, count)
    if line := in_one_line(settings, fitted, count):
        note(line)
    return fitted


def fit_normalization(network: keras.Model, steps: int) -> None:
    """Shorten the averages of batch normalisation to epochs of few steps."""
    for _, layer in walk(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = normalization_momentum(layer.momentum, steps)


def _class_weights(data: ImageData, balance: float) -> np.ndarray | None:
    """Return the weight of each class in the loss, [K]; None if all are equal."""
    return class_weights(data.train.labels, balance, len(data.labels)) if balance else None


def _for_each(outputs: dict[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """Return a function that repeats the target for each output."""
    return lambda one_hot: dict.fromkeys(outputs, one_hot)


def _weights(outputs: dict[str, Any]) -> dict[str, float]:
    return {name: AUXILIARY_WEIGHT if name.startswith("auxiliary") else 1.0 for name in outputs}


def own_size(config: ImagesConfig, backbone: Backbone | None) -> tuple[int, int] | None:
    """Return the image size of a trained network whose layers depend on it, if none is chosen."""
    model = config.network.model or DEFAULT
    if backbone is None or config.data.image_size is not None or model not in (DEFAULT, "mlp"):
        return None
    return backbone.network.input_shape[1:3]


def trained(config: ImagesConfig) -> Backbone | None:
    """Return the trained network that `--weights` names, if it does."""
    weights = config.network.weights
    return None if weights is None else load_backbone(weights, config.network.model or DEFAULT)


def build_network(
    config: ImagesConfig,
    shape: tuple[int, int, int],
    classes: int,
    backbone: Backbone | None = None,
) -> keras.Model:
    """Build the network of a config: images [B, H, W, C] → probabilities [B, K].

    Args:
        config: the settings.
        shape: [H, W, C].
        classes: K.
        backbone: the trained network whose weights it begins with.
    """
    name, options = config.network.model or DEFAULT, config.network.options
    if backbone is not None:
        options = backbone.options(name) | options
    if config.network.activation is not None:
        options["activation"] = activation_of(config.network.activation)
    try:
        model = build(name, shape, classes, **options)
    except ValueError as error:
        raise UserError(f"--model {name}: {error}") from None
    initialise(model, config.network.initial_weights)
    if backbone is not None:
        copied = copy_weights(model, backbone)
        freeze(copied if config.network.freeze else [])
    return keras.Model(model.input, model.output, name=CORE)


def feature_maps(logs: Path, core: keras.Model, validation: tf.data.Dataset) -> list[Any]:
    """Return the callback that shows the first convolution's output for a validation image."""
    if not any(len(layer.output.shape) == 4 for layer in core.layers if layer.weights):
        return []
    image, _ = next(iter(validation.unbatch().take(1)))
    return [FeatureMaps(image.numpy(), logs)]


def evaluate(serving_model: keras.Model, split: ImageSplit, labels: list[str]) -> Scores:
    """Return accuracy, macro-F1, confusion matrix and, with many classes, top-5 accuracy."""
    rows = _probabilities(serving_model, split)
    scores = score_labels(split.labels, rows.argmax(axis=1), labels)
    if len(labels) <= TOP:
        return scores
    return scores.with_figures(top5=top5_accuracy(split.labels, rows))


def _probabilities(serving_model: keras.Model, split: ImageSplit) -> np.ndarray:
    height, width, channels = serving_model.get_layer(CORE).input_shape[1:]
    images = resized(split, (height, width), channels)
    batches = images.batch(evaluation_batch((height, width, channels)))
    return predict_probabilities(serving_model, batches)


def sample_predictions(
    serving_model: keras.Model, split: ImageSplit, labels: list[str], count: int = 100
) -> list[dict[str, Any]]:
    """Return the first images, by their place in the split, with true and predicted labels."""
    first = ImageSplit(split.examples.take(count), split.labels[:count])
    rows = _probabilities(serving_model, first)
    return [
        {
            "image": place,
            "label": labels[label],
            "predicted": labels[row.argmax()],
            "probability": round(float(row.max()), 4),
        }
        for place, (label, row) in enumerate(zip(first.labels, rows, strict=True))
    ]


def export_inputs(serving_model: keras.Model) -> ExportInputs:
    """Return two images of noise, to compare an exported model's outputs on."""
    shape = serving_model.get_layer(CORE).input_shape[1:]
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype("float32")
    scale = serving_model.get_layer("scale")
    return ExportInputs(
        inputs=tf.constant(pixels),
        meaning={
            "input": "pixels 0 … 255, times scale plus offset, of each channel",
            "shape": ["batch", *shape],
            "scale": scale.scale,
            "offset": scale.offset,
            "labels": labels_in(serving_model),
        },
        meaning_file="input.json",
        steps=image_steps(*shape),
    )
