"""Several images in, a story out: the training job, its figures, its samples."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ...callbacks import Alignment, AttentionMaps
from ..core.run_folder import Run
from ..datasets.image_text.image_text_data import PictureData, PicturePart
from ..datasets.image_text.scene_events import PRESENCE, events
from ..image_to_text import training as telling_training
from ..image_to_text.image_store import store
from ..image_to_text.training import SHOWN, answer, probe, sample, shape_in
from ..models import encoder_decoder, text_serving
from ..models.image_to_text import images_to_text
from ..models.recurrent import CELLS
from ..models.sequence_serving import target_vocabulary
from ..models.sequence_vocabulary import pad, shift_right, target_ids
from ..models.vision import image_encoder
from ..training import evaluation as scores
from ..training.export import core_in
from ..training.loop import Job

if TYPE_CHECKING:
    from . import StoriesConfig

__all__ = ["make_job", "measure", "probe", "sample"]


def make_job(run: Run, config: "StoriesConfig", data: PictureData) -> Job:
    """Network, batches, loss and metrics of a training."""

    def network(shape: tuple[int, int, int], symbols: int) -> keras.Model:
        return images_to_text(
            CELLS[config.model],
            image_encoder(config.cnn, shape, width=config.width),
            symbols=symbols,
            embedding=config.embedding,
            units=config.units,
            layers=config.layers,
            attention=config.attention,
            dropout=config.dropout,
        )

    names = [f"rnn_{number}" for number in range(1, config.layers + 1)]
    job = telling_training.make_job(
        run,
        config,
        data,
        network,
        monitor="val_next_accuracy",  # the loss grows with what is told wrongly but surely
        mode="max",
        joined={name: (f"encoder/{name}", f"decoder/{name}") for name in names},
    )
    if config.attention:
        job.watchers.append(AttentionMaps(lambda: aligned(job.package, data.validation), run.logs))
    return job


def measure(package: keras.Model, part: PicturePart, labels: list[str]) -> scores.Scores:
    """`telling_training.measure`; `order` is what happens to which thing, one after the other;
    `events` is all that is told, with places, counts and sizes."""
    return telling_training.measure(package, part, {"order": order, "events": all_events})


def order(story: str) -> tuple[Any, ...] | None:
    """What happens to which thing, in its order."""
    found = events(story)
    if found is None:
        return None
    return tuple((event.kind, event.value) for event in found if event.kind != PRESENCE)


def all_events(story: str) -> tuple[Any, ...] | None:
    """All that a story tells: what is there at first, in whatever order, and then what happens."""
    found = events(story)
    if found is None:
        return None
    return (
        frozenset(event for event in found if event.kind == PRESENCE),
        *(event for event in found if event.kind != PRESENCE),
    )


def aligned(package: keras.Model, part: PicturePart) -> list[Alignment]:
    """Which picture each word of the first answers, and their end, looks at."""
    shown, core = store(part.images, shape_in(package), SHOWN), core_in(package)
    target = target_vocabulary(package)
    best = [row[0] for row in answer(package, shown)[0]]
    targets = pad(target_ids(best, target))
    given = shown.take(np.arange(len(shown))), shift_right(targets)
    weights = encoder_decoder.alignment(core, *map(tf.constant, given)).numpy()
    weights = weights.reshape(*weights.shape[:2], given[0].shape[1], -1).sum(axis=3)  # of places
    said = [[*words, "end"] for words in text_serving.split_texts(best, target.split)]
    return [
        Alignment([str(n + 1) for n in range(count)], words, table[: len(words), :count])
        for count, words, table in zip(shown.counts, said, weights, strict=True)
    ]
