"""Sentence in, a tag for each token out: the training job, its figures, its samples."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ..core.run_folder import Run
from ..datasets.tags.tag_data import TagData, TagPart
from ..models import tagger
from ..models.recurrent import CELLS, GATED
from ..models.serving import labels_in
from ..training import evaluation as scores
from ..training.batching import Batches
from ..training.export import CORE, Probe
from ..training.loop import Job

if TYPE_CHECKING:
    from . import TagsConfig

BATCH = 128  # sentences at once where nothing is trained
SHOWN = 20  # validation sentences in TensorBoard
UNKNOWN = 1


def make_job(run: Run, config: "TagsConfig", data: TagData) -> Job:
    """Network, batches, loss and metrics of a training."""
    vocabulary = tagger.build_vocabulary(data.train.sentences)
    core = tagger.tagger(
        CELLS[config.model],
        words=len(vocabulary.words) + 2,
        characters=len(vocabulary.characters) + 2,
        labels=len(data.labels),
        embedding=config.embedding,
        character_units=config.character_units,
        dropout=config.dropout,
        word_dropout=config.word_dropout,
        bidirectional=config.bidirectional,
        units=config.units,
        layers=config.layers,
    )
    package = tagger.build_serving_model(core, vocabulary, data.labels)
    read = tagger.tokenizer_in(package)

    def batches(part: TagPart, size: int) -> Batches:
        ids = tagger.sentence_ids(read, part.sentences)

        def take(chosen: np.ndarray, length: int):
            return ids.batch(chosen, length), *_targets(part, chosen, length)

        return Batches(ids.lengths, take, size, config.seed)

    validation = batches(data.validation, BATCH)
    shown = np.arange(min(SHOWN, len(data.validation)))
    return Job(
        run=run,
        config=config,
        core=core,
        package=package,
        feed=batches(data.train, config.batch_size),
        validation=validation.in_order(),
        loss="sparse_categorical_crossentropy",
        metrics=[],
        weighted_metrics=["accuracy"],
        monitor="val_accuracy",
        samples=lambda: sample(package, data.validation, data.labels, SHOWN),
        gates_on=validation.take(shown, int(validation.lengths[shown].max()))[0]
        if config.model in GATED
        else None,
    )


def _targets(part: TagPart, chosen: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Tags [B, T] and, for the metrics, weights [B, T]: 1 for a token, 0 for padding."""
    tags, weights = np.zeros([2, len(chosen), length], np.float32)
    for row, place in enumerate(chosen):
        steps = min(length, len(part.tags[place]))
        tags[row, :steps] = part.tags[place][:steps]
        weights[row, :steps] = 1
    return tags.astype(np.int32), weights


def _answers(package: keras.Model, sentences) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Probabilities [T, K] and word ids [T] of each sentence."""
    core, ids = (
        package.get_layer(CORE),
        tagger.sentence_ids(tagger.tokenizer_in(package), sentences),
    )
    ask = tf.function(core, reduce_retracing=True)
    given: list[Any] = [None] * len(sentences)
    order = np.argsort(ids.lengths, kind="stable")
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        rows = ask(ids.batch(part, int(ids.lengths[part].max()))).numpy()
        for place, row in zip(part, rows, strict=True):
            given[place] = row[: len(sentences[place])]
    return given, ids.words


def measure(package: keras.Model, part: TagPart, labels: list[str]) -> scores.Scores:
    """How many tokens get their tag; of these, words that training never showed.

    `baseline` is the accuracy of the most frequent tag of the split, for comparison.
    """
    given, words = _answers(package, part.sentences)
    true = np.concatenate(part.tags)
    said = np.concatenate([row.argmax(axis=1) for row in given])
    unknown = np.concatenate(words) == UNKNOWN
    found = scores.score(true, said, labels).adding(
        unknown_words=unknown.mean(), baseline=np.bincount(true).max() / len(true)
    )
    if not unknown.any():
        return found
    return found.adding(unknown_accuracy=np.mean((true == said)[unknown]))


def sample(package: keras.Model, part: TagPart, labels: list[str], count: int = 100) -> list[dict]:
    """The first sentences with the tags that the model gives; wrong ones with what is right."""
    sentences = part.sentences[:count]
    given, _ = _answers(package, sentences)
    rows = []
    for tokens, tags, row in zip(sentences, part.tags, given, strict=False):
        said = row.argmax(axis=1)
        words = [
            f"{token}/{labels[s]}" + (f" (right: {labels[t]})" if s != t else "")
            for token, t, s in zip(tokens, tags, said, strict=True)
        ]
        rows.append({"right": f"{np.mean(said == tags):.0%}", "sentence": " ".join(words)})
    return rows


def probe(package: keras.Model) -> Probe:
    """Sentences of all kinds, to compare an exported network's answers on."""
    read = tagger.tokenizer_in(package)
    ids = read(tf.constant(PROBES))
    return Probe(
        inputs=tf.constant(PROBES),
        core_inputs={name: array.numpy().astype(np.int32) for name, array in ids.items()},
        meaning={
            "words": ["", "[UNK]", *read.get_layer("words").get_vocabulary()[2:]],
            "characters": ["", "[UNK]", *read.get_layer("characters").vocabulary],
            "padding": 0,
            "unknown": UNKNOWN,
            "labels": labels_in(package),
        },
        meaning_file="vocabulary.json",
    )


PROBES = ["Time flies like an arrow .", "a", "Ångström's zzzzzzzzzzzzzzzzzzzzzzzz !", "The x"]
