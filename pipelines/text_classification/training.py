"""Text classification: the training of a network, and its evaluation."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..core.errors import UserError
from ..datasets.ragged import Ragged
from ..datasets.text.text_data import TextData, TextSplit
from ..models import text_serving
from ..models.bag_of_ngrams import bag_of_ngrams
from ..models.conv1d import conv1d
from ..models.hidden_layers import activation_of, initialise
from ..models.recurrent import CELLS, GATED, recurrent_layer, sequence_to_label
from ..models.serving import labels_in
from ..training.batching import Batches
from ..training.class_weights import class_weights
from ..training.evaluation import Scores, score_labels
from ..training.export import ExportInputs, Steps
from ..training.export_steps import NFC, label_steps, max_length_in, text_steps
from ..training.few_examples import fit
from ..training.spec import TrainingSpec
from .config import TextClassificationConfig

SHOWN = 20  # validation texts in TensorBoard: predictions and gates
EXCERPT = 300  # characters of a long text in samples


def build(
    config: TextClassificationConfig,
    vocabulary_size: int,
    labels: int,
    *,
    recurrent: Callable[..., Any] | None = None,
    every_step: bool = False,
    longest: int | None = None,
) -> keras.Model:
    """Build the network of a config: ids [B, T] → probabilities [B, C].

    Args:
        config: the settings.
        vocabulary_size: number of ids, with 0 for padding and 1 for unknown symbols.
        labels: C.
        recurrent: a layer class that replaces the one of `config.network.model`.
        every_step: classify after every symbol, [B, T, C].
        longest: the length of the longest text, for Chrono initialisation (default: the maximum).
    """
    settings = config.resolved().network
    shared = {
        "vocabulary_size": vocabulary_size,
        "labels": labels,
        "units": settings.units,
        "layers": settings.layers,
        "dropout": settings.dropout,
        "activation": activation_of(settings.activation),
    }
    if settings.model not in CELLS:
        network = _feed_forward(config, shared)
        initialise(network, settings.initial_weights)
        return network
    layer = recurrent or recurrent_layer(
        settings.model,
        config.recurrent,
        longest=longest or config.data.max_length,
        seed=config.optimisation.seed,
    )
    return sequence_to_label(
        layer,
        embedding=settings.embedding,
        bidirectional=settings.bidirectional,
        every_step=every_step,
        normalization=config.recurrent.normalization,
        **shared,
    )


def _feed_forward(config: TextClassificationConfig, shared: dict[str, Any]) -> keras.Model:
    settings = config.resolved().network
    if settings.model == "bag":
        return bag_of_ngrams(**shared, max_n={"character": 3, "word": 1}[config.data.tokens])
    return conv1d(**shared, embedding=settings.embedding, kernel_sizes=settings.sizes)


def build_training(
    config: TextClassificationConfig,
    data: TextData,
    recurrent: Callable[..., Any] | None = None,
) -> TrainingSpec:
    """Return the network, batches, loss and metrics of a training; `recurrent` as in `build`."""
    tokens, longest = config.data.tokens, config.data.max_length
    vocabulary = text_serving.build_vocabulary(
        data.train.texts, tokens, config.data.vocabulary_limit
    )
    train_ids = text_serving.encode(data.train.texts, vocabulary, tokens, longest)
    network = build(
        config,
        len(vocabulary) + 2,
        len(data.labels),
        recurrent=recurrent,
        longest=int(train_ids.lengths.max()),
    )
    serving_model = text_serving.build_serving_model(
        network, vocabulary, data.labels, tokens, longest
    )
    model, settings = config.network.model, config.optimisation
    weights = class_weights(data.train.labels, settings.balance)[data.train.labels]

    validation_ids = text_serving.encode(data.validation.texts, vocabulary, tokens, longest)
    default: Any = type(config)
    fitted = fit(
        settings.batch_size,
        len(data.train),
        largest=config.largest_batch,
        epochs=default().optimisation.epochs,
    )

    batches = functools.partial(_batches, labels=len(data.labels), seed=settings.seed)
    has_gates = model in GATED and recurrent is None
    shown = data.validation.texts[:SHOWN]
    return TrainingSpec(
        network=network,
        serving_model=serving_model,
        train_data=batches(data.train, train_ids, fitted.batch_size, weights, fitted.passes),
        validation_data=batches(data.validation, validation_ids, 256).in_order(),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy", keras.metrics.F1Score(average="macro", name="macro_f1")],
        monitor="val_macro_f1",
        is_recurrent=recurrent is not None or model in CELLS,
        sample_predictions=lambda: sample_predictions(
            serving_model, data.validation, data.labels, SHOWN
        ),
        gates_batch=text_serving.vectorize(shown, vocabulary, tokens, longest)
        if has_gates
        else None,
    )


def _batches(
    split: TextSplit,
    ids: Ragged,
    size: int,
    weights: Any = None,
    passes: int = 1,
    *,
    labels: int,
    seed: int,
) -> Batches:
    """Return batches of ids [B, T], labels [B, C] and, if there are any, weights [B]."""
    one_hot = np.eye(labels, dtype=np.float32)

    def take(chosen, length):
        batch = ids.padded(chosen, length), one_hot[split.labels[chosen]]
        return batch if weights is None else (*batch, weights[chosen])

    return Batches(ids.lengths, take, size, seed, passes=passes)


def evaluate(serving_model: keras.Model, split: TextSplit, labels: list[str]) -> Scores:
    """Return accuracy, macro-F1 and confusion matrix of a serving model on texts."""
    predicted = text_serving.predict_probabilities(serving_model, split.texts).argmax(axis=1)
    return score_labels(split.labels, predicted, labels)


def sample_predictions(
    serving_model: keras.Model, split: TextSplit, labels: list[str], count: int = 100
) -> list[dict[str, Any]]:
    """Return the first texts with their label and the predicted one."""
    probabilities = text_serving.predict_probabilities(serving_model, split.texts[:count])
    return [
        {
            "text": item if len(item) <= EXCERPT else f"{item[:EXCERPT]}…",
            "label": labels[label],
            "predicted": labels[row.argmax()],
            "probability": round(float(row.max()), 4),
        }
        for item, label, row in zip(split.texts, split.labels, probabilities, strict=False)
    ]


def every_step_twin(config: TextClassificationConfig, serving_model: keras.Model) -> keras.Model:
    """Return the same network with the same weights, but with an output after every character.

    Its errors are carried back to the first character. Truncation would count from the end of the
    whole text, and not from the character after which an output stands.

    Raises:
        UserError: the network is a bag or bidirectional.
    """
    settings = config.network
    if settings.model == "bag" or settings.bidirectional:
        raise UserError(
            "bptt needs a network that reads one way, step by step:"
            f" this run is {'a bag' if settings.model == 'bag' else 'bidirectional'}"
        )
    vocabulary, labels = text_serving.vocabulary_in(serving_model), labels_in(serving_model)
    whole = dataclasses.replace(
        config, recurrent=dataclasses.replace(config.recurrent, truncate=None)
    )
    twin = build(whole, len(vocabulary) + 2, len(labels), every_step=True)
    twin.set_weights(serving_model.get_layer("core").get_weights())
    return twin


def export_inputs(serving_model: keras.Model) -> ExportInputs:
    """Return texts of all kinds, to compare an exported model's outputs on."""
    vocabulary, split = (
        text_serving.vocabulary_in(serving_model),
        text_serving.split_in(serving_model),
    )
    return ExportInputs(
        inputs=tf.constant([text_serving.normalize(t) for t in EXAMPLES]),
        meaning={
            "ids": ["", "[UNK]", *vocabulary],
            "labels": labels_in(serving_model),
        },
        meaning_file="vocabulary.json",
        steps=Steps(
            outside=(NFC,),
            before=text_steps(split, "ids", max_length_in(serving_model)),
            after=label_steps(),
        ),
    )


EXAMPLES = ["a", "nowak", "garcia", "o'neill", "van der berg", "zzz", "Ångström", "x" * 40]
