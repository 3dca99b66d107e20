"""What comes before a training that tells of pictures: its convolutions learn first, alone."""

import dataclasses
import sys
import time
from typing import Any

import keras
import numpy as np

from ..layers.paths import walk
from .batches import Batches
from .config import UserError
from .devices import note
from .telling import TellingConfig

RATE = 1e-3  # of learning, at the start


def pretrain(core: keras.Model, feed: Batches, validation: Any, config: TellingConfig) -> None:
    """What looks at a picture learns, alone, which words are told of it.

    Of a sequence's pictures these are the words of its sentence, and of its description by itself
    where there is one: a story tells what is new, and leaves out what has been said (as Huang et
    al. 2016 have both, "descriptions in isolation" and "stories in sequence").

    Vinyals et al. (2015) take convolutions that learned from ImageNet, for the same reason. What is
    normalised over a batch is so here alone: see `hold`.
    """
    hold(core, False)
    encoder = core.get_layer("encoder")  # of which this leaves out what is recurrent
    network = keras.Model(encoder.input, encoder.output["words"], name="pretraining")
    steps = config.pretrain * feed.steps
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.1)
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=config.clip_norm or None)
    network.compile(optimizer, "binary_crossentropy", jit_compile=config.jit == "on")

    def words_only(inputs, answers, weights):
        return inputs["pixels"], answers["words"], weights["words"]

    own = dataclasses.replace(feed, epoch=0)
    network.fit(
        own.dataset().map(words_only),
        validation_data=validation.map(words_only),
        epochs=config.pretrain,
        shuffle=False,
        verbose=int(sys.stdout.isatty()),
        callbacks=[Pretraining(own)],
    )
    hold(core)


def hold(core: keras.Model, held: bool = True) -> None:
    """Batch normalisation keeps its statistics and weights, as is usual where small batches follow
    a pretraining: a picture's features then do not depend on the others in its batch."""
    for _, layer in walk(core):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = not held


class Pretraining(keras.callbacks.Callback):
    """Shuffles anew before each epoch, and says after it how it went."""

    def __init__(self, feed: Batches):
        super().__init__()
        self.feed, self._began = feed, time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self.feed.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if not np.isfinite(logs["loss"]):
            raise UserError("the loss of pretraining is no number: lower --clip-norm")
        note(
            f"pretraining {epoch + 1}/{self.params['epochs']}"
            f"  {time.perf_counter() - self._began:.1f} s  words_loss {logs['loss']:.4f}"
            f"  val_words_loss {logs['val_loss']:.4f}"
        )
