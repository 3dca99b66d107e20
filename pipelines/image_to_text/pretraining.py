"""Pretraining of the convolutions of an image-to-text network, before the whole network."""

import time
from typing import Any

import keras
import numpy as np

from ...layers.paths import walk
from ..core.console import keras_verbosity, note
from ..core.errors import UserError
from ..core.stop_request import deferred
from ..models.image_to_text import word_predictor
from ..training import over_replicas
from ..training.feeding import fit_data
from ..training.step_end import StopAtStepEnd
from .config import ImageToTextConfig
from .pairs import ImageTextPairs

LEARNING_RATE = 1e-3  # at the start
BATCH_SIZE = 32  # images
SIMPLE_SHARE = 3  # a third of all images is simple


def pretrain(
    core: keras.Model, train: ImageTextPairs, validation: ImageTextPairs, config: ImageToTextConfig
) -> None:
    """Train the image encoder of a network to predict which words the text of an image contains.

    For sequences of images these are the words of each image's description, if there is one:
    Huang et al. (2016) have both, "descriptions in isolation" and "stories in sequence". A sentence
    of a story depends on the image before; with its words as targets, the convolutions learn much
    more slowly.

    The first of several epochs uses simple images only, those with few words. In an image of three
    things the network cannot tell which word belongs to which thing, and takes long to learn any of
    them (Bengio et al. 2009, "Curriculum Learning").

    Vinyals et al. (2015) use convolutions pretrained on ImageNet for the same reason. Batch
    normalisation uses the statistics of batches here only, see `freeze_normalization`.

    Args:
        core: the network, whose weights change.
        train, validation: the pairs of the splits.
        config: `optimisation.pretrain` is the number of epochs.
    """
    settings = config.optimisation
    freeze_normalization(core, config.network.freeze)
    network, jit_compile = over_replicas.make_model(
        word_predictor(core), config.hardware.jit == "on"
    )
    images = train.images_with_words()
    train_data = train.single_image_batches(images, BATCH_SIZE, settings.seed)
    simple = train.single_image_batches(simple_images(images), BATCH_SIZE, settings.seed)
    validation_data = validation.single_image_batches(
        validation.images_with_words(), BATCH_SIZE, settings.seed
    ).in_order()
    schedule = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE, settings.pretrain * train_data.steps, alpha=0.1
    )
    optimizer = over_replicas.make_optimizer(
        keras.optimizers.Adam, learning_rate=schedule, global_clipnorm=settings.clip_norm or None
    )
    network.compile(
        over_replicas.with_loss_scale(optimizer, network),
        over_replicas.make_loss("binary_crossentropy"),
        jit_compile=jit_compile,
    )
    progress = PretrainingProgress(settings.pretrain)
    for epoch in range(settings.pretrain):
        batches = simple if epoch == 0 and settings.pretrain > 1 else train_data
        batches.epoch = epoch
        with deferred():
            network.fit(
                **fit_data(network.distribute_strategy, batches, validation_data),
                initial_epoch=epoch,
                epochs=epoch + 1,
                shuffle=False,
                verbose=keras_verbosity(),
                callbacks=[progress, StopAtStepEnd()],
            )
    freeze_normalization(core)


def simple_images(images: np.ndarray) -> np.ndarray:
    """Return the first 1 / `SIMPLE_SHARE` of the images, repeated to about as many: [M', 2].

    Args:
        images: [M, 2], those with the fewest words first.
    """
    return np.tile(images[: -(-len(images) // SIMPLE_SHARE)], [SIMPLE_SHARE, 1])


def freeze_normalization(core: keras.Model, frozen: bool = True) -> None:
    """Freeze the statistics and weights of batch normalisation, or unfreeze them.

    Freezing is usual where small batches follow pretraining: the features of an image then do not
    depend on the other images in its batch.
    """
    for _, layer in walk(core):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = not frozen


class PretrainingProgress(keras.callbacks.Callback):
    """Print the losses after each epoch of pretraining."""

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs, self._start = epochs, time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        if not np.isfinite(logs["loss"]):
            raise UserError(
                "the loss of pretraining is not a number: --clip-norm 1 may help, or --pretrain 0"
            )
        note(
            f"pretraining {epoch + 1}/{self.epochs}"
            f"  {time.perf_counter() - self._start:.1f} s  words_loss {logs['loss']:.4f}"
            f"  val_words_loss {logs['val_loss']:.4f}"
        )
