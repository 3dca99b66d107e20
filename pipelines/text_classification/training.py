"""Text in, one label out: the training job, its figures, and its view of one text."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ...layers import leaky_relu
from ..core.config import UserError
from ..core.run_folder import Run
from ..datasets.text.text_data import Part, TextData
from ..models import text_serving
from ..models.bag_of_ngrams import bag_of_ngrams
from ..models.conv1d import conv1d
from ..models.recurrent import CELLS, GATED, sequence_to_label
from ..models.serving import labels_in
from ..training import evaluation as scores
from ..training.batching import Batches
from ..training.export import Probe
from ..training.loop import Job

if TYPE_CHECKING:
    from ..documents import DocumentsConfig
    from ..names import NamesConfig

    Config = NamesConfig | DocumentsConfig

SHOWN = 20  # validation texts in TensorBoard: what the network says of them, its gates on them
EXCERPT = 300  # characters of a long text in samples


def build(
    config: "Config",
    vocabulary_size: int,
    labels: int,
    *,
    recurrent: Callable[..., Any] | None = None,
    every_step: bool = False,
) -> keras.Model:
    """The network a config describes, ids [B, T] → probabilities [B, C].

    Args:
        recurrent: a layer class in place of the one that `config.model` names.
        every_step: answer after every character, [B, T, C].
    """
    shared = {
        "vocabulary_size": vocabulary_size,
        "labels": labels,
        "units": config.units,
        "layers": config.layers,
        "dropout": config.dropout,
        "activation": leaky_relu if config.activation == "leaky_relu" else config.activation,
    }
    if config.model == "bag":
        return bag_of_ngrams(**shared, max_n={"character": 3, "word": 1}[config.split])
    if config.model == "conv1d":
        return conv1d(**shared, embedding=config.embedding, kernel_sizes=config.sizes)
    return sequence_to_label(
        recurrent or CELLS[config.model],
        embedding=config.embedding,
        bidirectional=config.bidirectional,
        every_step=every_step,
        **shared,
    )


def make_job(
    run: Run, config: "Config", data: TextData, recurrent: Callable[..., Any] | None = None
) -> Job:
    """Network, batches, loss and metrics of a training; `recurrent` as in `build`."""
    split, longest = config.split, config.max_length
    vocabulary = text_serving.build_vocabulary(data.train.texts, split, config.vocabulary)
    core = build(config, len(vocabulary) + 2, len(data.labels), recurrent=recurrent)
    package = text_serving.build_serving_model(core, vocabulary, data.labels, split, longest)
    gated = config.model in GATED and recurrent is None
    size = config.batch_size
    size = {"online": 1, "full": len(data.train.texts)}[size] if isinstance(size, str) else size
    weights = class_weights(data.train.labels, config.balance)[data.train.labels]

    def batches(part, size, weights=None):
        ids = text_serving.vectorize(part.texts, vocabulary, split, longest)
        one_hot = np.eye(len(data.labels), dtype=np.float32)[part.labels]

        def take(chosen, length):
            batch = ids[chosen, :length], one_hot[chosen]
            return batch if weights is None else (*batch, weights[chosen])

        return Batches((ids != 0).sum(axis=1), take, size, config.seed)

    shown = data.validation.texts[:SHOWN]
    return Job(
        run=run,
        config=config,
        core=core,
        package=package,
        feed=batches(data.train, size, weights),
        validation=batches(data.validation, 256).in_order(),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        metrics=["accuracy", keras.metrics.F1Score(average="macro", name="macro_f1")],
        monitor="val_macro_f1",
        recurrent=recurrent is not None or config.model in CELLS,
        samples=lambda: sample(package, data.validation, data.labels, SHOWN),
        gates_on=text_serving.vectorize(shown, vocabulary, split, longest) if gated else None,
    )


def class_weights(labels: np.ndarray, balance: float) -> np.ndarray:
    """w_c ∝ n_c^-balance with mean 1 over the examples, [C] float32."""
    counts = np.maximum(np.bincount(labels), 1)
    weights = counts**-balance
    return (weights / weights[labels].mean()).astype(np.float32)


def measure(package: keras.Model, part: Part, labels: list[str]) -> scores.Scores:
    """How well a packaged model knows the labels of texts."""
    answers = text_serving.predict_probabilities(package, part.texts).argmax(axis=1)
    return scores.score(part.labels, answers, labels)


def sample(package: keras.Model, part: Part, labels: list[str], count: int = 100) -> list[dict]:
    """The first texts with what they are and what the model says."""
    given = text_serving.predict_probabilities(package, part.texts[:count])
    return [
        {
            "text": item if len(item) <= EXCERPT else f"{item[:EXCERPT]}…",
            "label": labels[true],
            "predicted": labels[row.argmax()],
            "probability": round(float(row.max()), 4),
        }
        for item, true, row in zip(part.texts, part.labels, given, strict=False)
    ]


def every_step_twin(config: "NamesConfig", package: keras.Model) -> keras.Model:
    """The same network with the same weights, answering after every character."""
    if config.model == "bag" or config.bidirectional:
        raise UserError(
            "bptt needs a network that reads one way, step by step:"
            f" this run is {'a bag' if config.model == 'bag' else 'bidirectional'}"
        )
    vocabulary, labels = text_serving.vocabulary_in(package), labels_in(package)
    twin = build(config, len(vocabulary) + 2, len(labels), every_step=True)
    twin.set_weights(package.get_layer("core").get_weights())
    return twin


def probe(package: keras.Model) -> Probe:
    """Texts of all kinds, to compare an exported network's answers on."""
    vocabulary, split = text_serving.vocabulary_in(package), text_serving.split_in(package)
    return Probe(
        inputs=tf.constant([text_serving.normalize(t) for t in PROBES]),
        core_inputs=text_serving.vectorize(PROBES, vocabulary, split),
        meaning={
            "ids": ["", "[UNK]", *vocabulary],
            "padding": 0,
            "unknown": 1,
            "lower_case": True,
            "split": split,
            "labels": labels_in(package),
        },
        meaning_file="vocabulary.json",
    )


PROBES = ["a", "nowak", "garcia", "o'neill", "van der berg", "zzz", "Ångström", "x" * 40]
