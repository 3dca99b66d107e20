"""Tags: the training of a tagger, and its evaluation."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..datasets.tags.tag_data import TagData, TagSplit
from ..datasets.tags.tokens import TOKEN
from ..models import tagger
from ..models.recurrent import GATED, recurrent_layer
from ..models.serving import labels_in, traced
from ..training.batching import Batches
from ..training.class_weights import balanced_loss
from ..training.evaluation import Scores, score_labels
from ..training.export import ExportInputs, Steps
from ..training.export_steps import LOWER, NFC, id_steps, label_steps, step
from ..training.few_examples import fit
from ..training.network_parts import CORE
from ..training.spec import TrainingSpec
from .config import TagsConfig

BATCH = 128  # sentences per batch of an evaluation, or a prediction
TOKENS = 2**14  # of such a batch, with padding
LARGEST_BATCH = 32  # of a training, unless --batch-size is larger
SHOWN = 20  # validation sentences in TensorBoard
UNKNOWN = 1


def build_training(config: TagsConfig, data: TagData) -> TrainingSpec:
    """Return the network, batches, loss and metrics of a training."""
    settings = config.network
    vocabulary = tagger.build_vocabulary(data.train.sentences)
    network = tagger.tagger(
        recurrent_layer(
            settings.model,
            config.recurrent,
            longest=max(len(sentence) for sentence in data.train.sentences),
            seed=config.optimisation.seed,
        ),
        words=len(vocabulary.words) + 2,
        characters=len(vocabulary.characters) + 2,
        labels=len(data.labels),
        embedding=settings.embedding,
        character_units=settings.character_units,
        dropout=settings.dropout,
        word_dropout=settings.word_dropout,
        bidirectional=settings.bidirectional,
        units=settings.units,
        layers=settings.layers,
        normalization=config.recurrent.normalization,
    )
    serving_model = tagger.build_serving_model(network, vocabulary, data.labels)
    read = tagger.tokenizer_in(serving_model)

    fitted = fit(
        config.optimisation.batch_size,
        len(data.train),
        largest=LARGEST_BATCH,
        epochs=TagsConfig().optimisation.epochs,
    )

    def batches(split: TagSplit, size: int, passes: int = 1) -> Batches:
        ids = tagger.sentence_ids(read, split.sentences)

        def take(chosen: np.ndarray, length: int):
            return ids.batch(chosen, length), *padded_targets(split, chosen, length)

        return Batches(ids.lengths, take, size, config.optimisation.seed, passes=passes)

    validation = batches(data.validation, BATCH)
    shown = np.arange(min(SHOWN, len(data.validation)))
    return TrainingSpec(
        network=network,
        serving_model=serving_model,
        train_data=batches(data.train, *fitted),
        validation_data=validation.in_order(),
        loss=balanced_loss(
            np.concatenate(data.train.tags), config.optimisation.balance, len(data.labels)
        ),
        metrics=[],
        weighted_metrics=["accuracy"],
        monitor="val_accuracy",
        sample_predictions=lambda: sample_predictions(
            serving_model, data.validation, data.labels, SHOWN
        ),
        gates_batch=validation.take(shown, int(validation.lengths[shown].max()))[0]
        if settings.model in GATED
        else None,
    )


def padded_targets(
    part: TagSplit, chosen: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return tags [B, T] and, for the metrics, weights [B, T]: 1 for a token, 0 for padding."""
    tags, weights = np.zeros([2, len(chosen), length], np.float32)
    for row, place in enumerate(chosen):
        steps = min(length, len(part.tags[place]))
        tags[row, :steps] = part.tags[place][:steps]
        weights[row, :steps] = 1
    return tags.astype(np.int32), weights


def predict_probabilities(
    serving_model: keras.Model, sentences: Sequence[Sequence[str]]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the probabilities [T, K] and word ids [T] of each sentence of tokens."""
    ids = tagger.sentence_ids(tagger.tokenizer_in(serving_model), sentences)
    predict = traced(serving_model.get_layer(CORE))
    probabilities: list[Any] = [None] * len(sentences)
    for chosen in _similar_lengths(ids.lengths):
        rows = predict(ids.batch(chosen, int(ids.lengths[chosen].max()))).numpy()
        for place, row in zip(chosen, rows, strict=True):
            probabilities[place] = row[: len(sentences[place])]
    return probabilities, ids.words


def _similar_lengths(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the places of sentences in batches, the shortest first; fewer of long ones."""
    order = np.argsort(lengths, kind="stable")
    while len(order):
        shortest = order[:BATCH]
        tokens = np.arange(1, 1 + len(shortest)) * lengths[shortest]
        size = max(1, int(np.searchsorted(tokens, TOKENS, side="right")))
        yield order[:size]
        order = order[size:]


def evaluate(serving_model: keras.Model, split: TagSplit, labels: list[str]) -> Scores:
    """Return accuracy and confusion matrix of the tags, and the accuracy on unknown words.

    `baseline` is the accuracy of always predicting the most frequent tag of the split.
    """
    probabilities, words = predict_probabilities(serving_model, split.sentences)
    tags = np.concatenate(split.tags)
    predicted = np.concatenate([row.argmax(axis=1) for row in probabilities])
    is_unknown = np.concatenate(words) == UNKNOWN
    scores = score_labels(tags, predicted, labels).with_figures(
        unknown_words=is_unknown.mean(), baseline=np.bincount(tags).max() / len(tags)
    )
    if not is_unknown.any():
        return scores
    return scores.with_figures(unknown_accuracy=np.mean((tags == predicted)[is_unknown]))


def sample_predictions(
    serving_model: keras.Model, split: TagSplit, labels: list[str], count: int = 100
) -> list[dict[str, Any]]:
    """Return the first sentences with the predicted tags, and the true ones where they differ."""
    sentences = split.sentences[:count]
    probabilities, _ = predict_probabilities(serving_model, sentences)
    rows = []
    for tokens, tags, row in zip(sentences, split.tags, probabilities, strict=False):
        predicted = row.argmax(axis=1)
        words = [
            f"{token}/{labels[p]}" + (f" (right: {labels[t]})" if p != t else "")
            for token, t, p in zip(tokens, tags, predicted, strict=True)
        ]
        rows.append({"right": f"{np.mean(predicted == tags):.0%}", "sentence": " ".join(words)})
    return rows


def export_inputs(serving_model: keras.Model) -> ExportInputs:
    """Return sentences of all kinds, to compare an exported model's outputs on."""
    read = tagger.tokenizer_in(serving_model)
    return ExportInputs(
        inputs=tf.constant(EXAMPLES),
        meaning={
            "words": ["", "[UNK]", *read.get_layer("words").get_vocabulary()[2:]],
            "characters": ["", "[UNK]", *read.get_layer("characters").vocabulary],
            "labels": labels_in(serving_model),
        },
        meaning_file="vocabulary.json",
        steps=_export_steps(),
    )


def _export_steps() -> Steps:
    """Return the steps of `tagger.tokenizer`, and those around it."""
    characters = {"for": "characters"}
    return Steps(
        outside=(
            NFC,
            step("find_tokens", pattern=TOKEN.pattern, pattern_of="Python's re"),
            step("join", by=" "),
        ),
        before=(
            step("split", at=" "),
            *({**one, "for": "words"} for one in LOWER),
            *id_steps("words", **{"for": "words"}),
            step("split", into="characters", **characters),
            step("cut", max_length=tagger.LONGEST_WORD, keep="first", **characters),
            *id_steps("characters", **characters),
        ),
        after=label_steps(),
    )


EXAMPLES = ["Time flies like an arrow .", "a", "Ångström's zzzzzzzzzzzzzzzzzzzzzzzz !", "The x"]
