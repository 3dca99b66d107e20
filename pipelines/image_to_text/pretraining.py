"""What comes before a training that tells of pictures: its convolutions learn first, alone."""

import time

import keras
import numpy as np

from ...layers.paths import walk
from ..core.console import keras_verbosity, note
from ..core.errors import UserError
from ..models.image_to_text import word_predictor
from .config import ImageToTextConfig
from .pairs import Pairs

RATE = 1e-3  # of learning, at the start
PICTURES = 32  # per step
PLAIN = 3  # a third of all pictures is plain


def pretrain(core: keras.Model, pairs: Pairs, validation: Pairs, config: ImageToTextConfig) -> None:
    """What looks at a picture learns, alone, which words are told of it: see `Pairs.take`.

    Of a sequence's pictures these are the words of its description by itself where there is one, as
    Huang et al. (2016) have both, "descriptions in isolation" and "stories in sequence". What a
    sentence says depends on the picture before; if its words are asked for too, convolutions learn
    to read much more slowly.

    The first of several passes is through plain pictures alone, those of which few words are told:
    of one that shows three things a network does not know which word is of which, and takes long to
    begin with any (Bengio et al. 2009, Curriculum Learning).

    Vinyals et al. (2015) take convolutions that learned from ImageNet, for the same reason. What is
    normalised over a batch is so here alone: see `hold`.
    """
    settings = config.optimisation
    hold(core, False)
    network = word_predictor(core)
    told = pairs.told()
    feed = pairs.one_by_one(told, PICTURES, settings.seed)
    plain = pairs.one_by_one(plain_of(told), PICTURES, settings.seed)
    ordered = validation.one_by_one(validation.told(), PICTURES, settings.seed).in_order()
    rate = keras.optimizers.schedules.CosineDecay(RATE, settings.pretrain * feed.steps, alpha=0.1)
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=settings.clip_norm or None)
    network.compile(optimizer, "binary_crossentropy", jit_compile=config.hardware.jit == "on")
    teller = Pretraining(settings.pretrain)
    for number in range(settings.pretrain):
        now = plain if number == 0 and settings.pretrain > 1 else feed
        now.epoch = number
        network.fit(
            now.dataset(),
            validation_data=ordered,
            initial_epoch=number,
            epochs=number + 1,
            shuffle=False,
            verbose=keras_verbosity(),
            callbacks=[teller],
        )
    hold(core)


def plain_of(told: np.ndarray) -> np.ndarray:
    """The first 1 / `PLAIN` of the pictures, so often that there are about as many: [M', 2]."""
    return np.tile(told[: -(-len(told) // PLAIN)], [PLAIN, 1])


def hold(core: keras.Model, held: bool = True) -> None:
    """Batch normalisation keeps its statistics and weights, as is usual where small batches follow
    a pretraining: a picture's features then do not depend on the others in its batch."""
    for _, layer in walk(core):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = not held


class Pretraining(keras.callbacks.Callback):
    """Says after each pass how it went."""

    def __init__(self, passes: int):
        super().__init__()
        self.passes, self._began = passes, time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if not np.isfinite(logs["loss"]):
            raise UserError(
                "the loss of pretraining is no number: --clip-norm 1 may help, or --pretrain 0"
            )
        note(
            f"pretraining {epoch + 1}/{self.passes}"
            f"  {time.perf_counter() - self._began:.1f} s  words_loss {logs['loss']:.4f}"
            f"  val_words_loss {logs['val_loss']:.4f}"
        )
