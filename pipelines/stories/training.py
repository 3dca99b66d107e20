"""Stories: the training of an encoder-decoder, and its evaluation."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...callbacks import Alignment, AttentionMaps
from ..datasets.image_text.image_text_data import ImageTextData, ImageTextSplit
from ..datasets.image_text.scene_events import PRESENCE, parse_story
from ..image_to_text import training
from ..image_to_text.image_store import store_images
from ..image_to_text.training import (
    SHOWN,
    best_texts,
    export_inputs,
    image_shape_of,
    sample_predictions,
)
from ..models import encoder_decoder, text_serving
from ..models.image_to_text import images_to_text
from ..models.recurrent import recurrent_layer
from ..models.sequence_serving import target_vocabulary
from ..models.sequence_vocabulary import pad, shift_right, target_ids
from ..models.vision import image_encoder
from ..training.evaluation import Scores
from ..training.network_parts import core_in
from ..training.spec import TrainingSpec
from .config import StoriesConfig

__all__ = ["build_training", "evaluate", "export_inputs", "sample_predictions"]


def build_training(config: StoriesConfig, data: ImageTextData) -> TrainingSpec:
    """Return the network, batches, loss and metrics of a training."""
    settings = config.network

    def network(shape: tuple[int, int, int], symbols: int) -> keras.Model:
        return images_to_text(
            recurrent_layer(
                settings.model,
                config.recurrent,
                longest=training.longest_text(config, data),
                seed=config.optimisation.seed,
            ),
            image_encoder(
                settings.cnn,
                shape,
                width=settings.width,
                weights=settings.weights,
                frozen=settings.freeze,
            ),
            symbols=symbols,
            embedding=settings.embedding,
            units=settings.units,
            layers=settings.layers,
            attention=settings.attention,
            dropout=settings.dropout,
            normalization=config.recurrent.normalization,
        )

    def callbacks(run: Any, serving_model: keras.Model) -> list[AttentionMaps]:
        if not settings.attention:
            return []
        return [AttentionMaps(lambda: alignments(serving_model, data.validation), run.logs)]

    names = [f"rnn_{number}" for number in range(1, settings.layers + 1)]
    return training.build_training(
        config,
        data,
        network,
        monitor="val_next_accuracy",  # confident mistakes increase the loss
        mode="max",
        joined={name: (f"encoder/{name}", f"decoder/{name}") for name in names},
        callbacks=callbacks,
    )


def evaluate(serving_model: keras.Model, split: ImageTextSplit, labels: list[str]) -> Scores:
    """Return BLEU, exact matches, and the share of stories with the correct events.

    `order` compares the kinds of events and their things, in order; `events` compares everything,
    including places, counts and sizes.
    """
    return training.evaluate(serving_model, split, {"order": order, "events": all_events})


def order(story: str) -> tuple[Any, ...] | None:
    """Return the kind and thing of each event, in order; None outside the embedded grammar."""
    parsed = parse_story(story)
    if parsed is None:
        return None
    return tuple((event.kind, event.value) for event in parsed if event.kind != PRESENCE)


def all_events(story: str) -> tuple[Any, ...] | None:
    """Return the things at the start, in any order, then all events; None outside the grammar."""
    parsed = parse_story(story)
    if parsed is None:
        return None
    return (
        frozenset(event for event in parsed if event.kind == PRESENCE),
        *(event for event in parsed if event.kind != PRESENCE),
    )


def alignments(serving_model: keras.Model, split: ImageTextSplit) -> list[Alignment]:
    """Return the attention of each word of the first stories, and of their end, to the images."""
    images = store_images(split.images, image_shape_of(serving_model), SHOWN)
    target = target_vocabulary(serving_model)
    best = [row[0] for row in best_texts(serving_model, images)[0]]
    targets = pad(target_ids(best, target))
    inputs = images.take(np.arange(len(images))), shift_right(targets)
    weights = encoder_decoder.alignment(core_in(serving_model), *map(tf.constant, inputs)).numpy()
    steps, places = weights.shape[:2], inputs[0].shape[1]
    weights = weights.reshape(*steps, places, -1).sum(axis=3)  # over the places of an image
    written = [[*words, "end"] for words in text_serving.split_texts(best, target.split)]
    return [
        Alignment([str(n + 1) for n in range(count)], words, table[: len(words), :count])
        for count, words, table in zip(images.counts, written, weights, strict=True)
    ]
