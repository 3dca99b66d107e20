"""Predictions of a trained encoder-decoder, and their attention to the source."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from ...callbacks import Alignment
from ..models import encoder_decoder
from ..models.sequence_serving import source_vocabulary, target_vocabulary, traced_search
from ..models.sequence_vocabulary import pad, shift_right, target_ids
from ..models.text_serving import split_texts, vectorize

BATCH = 256  # sources per batch


def best_predictions(
    serving_model: keras.Model, sources: Sequence[str], width: int | None = None
) -> tuple[list[list[str]], np.ndarray]:
    """Return the best predictions [N, W] for sources and their scores [N, W], the best first.

    Args:
        serving_model: the trained model.
        sources: N strings.
        width: beam width W (default: that of the serving model).
    """
    vocabulary = source_vocabulary(serving_model)
    ids = vectorize(sources, vocabulary.symbols, vocabulary.split)
    search = traced_search(serving_model, width)
    lengths = np.maximum((ids != 0).sum(axis=1), 1)
    order = np.argsort(lengths, kind="stable")  # similar lengths share a batch
    batches = []
    for chosen in np.split(order, range(BATCH, len(order), BATCH)):
        inputs = tf.constant(ids[chosen, : lengths[chosen[-1]]])
        batches.append([outputs.numpy() for outputs in search(inputs)])
    texts, scores = (np.concatenate(kind)[np.argsort(order)] for kind in zip(*batches, strict=True))
    return [[text.decode() for text in row] for row in texts], scores


def alignments(
    serving_model: keras.Model, sources: Sequence[str], predictions: Sequence[str]
) -> list[Alignment]:
    """Return the attention of each symbol of a prediction, and of its end, to the source."""
    source = source_vocabulary(serving_model)
    target = target_vocabulary(serving_model)
    inputs = split_texts(sources, source.split)
    outputs = [[*symbols, "end"] for symbols in split_texts(predictions, target.split)]
    source_ids = tf.constant(vectorize(sources, source.symbols, source.split))
    decoder_inputs = tf.constant(shift_right(pad(target_ids(predictions, target))))
    core = serving_model.get_layer("search").core
    weights = encoder_decoder.alignment(core, source_ids, decoder_inputs).numpy()
    return [
        Alignment([*read], written, table[: len(written), : len(read)])
        for read, written, table in zip(inputs, outputs, weights, strict=True)
    ]
