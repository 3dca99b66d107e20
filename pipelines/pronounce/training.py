"""Pronounce: the training of the encoder-decoder, and its evaluation."""

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...callbacks import Alignment, AttentionMaps
from ..core.errors import UserError
from ..datasets.pairs.pair_data import PairData, PairSplit
from ..models import text_serving
from ..models.encoder_decoder import encoder_decoder
from ..models.recurrent import GATED, recurrent_layer
from ..models.sequence_serving import (
    build_text_serving_model,
    source_vocabulary,
    target_vocabulary,
)
from ..models.sequence_vocabulary import (
    FIRST_SYMBOL,
    SEPARATOR,
    ExactMatch,
    SequenceVocabulary,
    detokenize,
)
from ..training import text_metrics
from ..training.batching import Batches
from ..training.evaluation import Scores
from ..training.export import ExportInputs, Steps
from ..training.export_steps import NFC, search_steps, text_steps
from ..training.few_examples import fit
from ..training.network_parts import SEARCH
from ..training.spec import TrainingSpec
from .config import PronounceConfig
from .decoding import BATCH, alignments, best_predictions
from .pairs import encode_pairs, note_unknown_symbols

LARGEST_BATCH = 128  # of a training, unless --batch-size is larger
SAMPLES = 20  # validation sources whose predictions TensorBoard shows
ATTENTION_MAPS = 12  # validation sources whose attention it shows


def build_training(config: PronounceConfig, data: PairData) -> TrainingSpec:
    """Return the network, batches, loss and metrics of a training."""
    settings, longest = config.network, config.data.max_length
    source, target = vocabularies(config, data)
    for name in ("validation", "test"):
        note_unknown_symbols(getattr(data, name), name, source)
    train = encode_pairs(data.train, "train", source, target, longest)
    network = build_network(config, len(source.symbols), len(target.symbols), max(train.longest))
    serving_model = build_text_serving_model(
        network,
        source,
        target,
        width=settings.beam,
        length_norm=settings.length_norm,
        max_length=longest,
    )
    validation = encode_pairs(data.validation, "validation", source, target, longest)
    shown = np.arange(min(SAMPLES, len(validation)))
    seed = config.optimisation.seed
    fitted = fit(
        config.optimisation.batch_size,
        len(train),
        largest=LARGEST_BATCH,
        epochs=PronounceConfig().optimisation.epochs,
    )

    def validation_alignments() -> list[Alignment]:
        sources = data.validation.sources[:ATTENTION_MAPS]
        best = [row[0] for row in best_predictions(serving_model, sources)[0]]
        return alignments(serving_model, sources, best)

    return TrainingSpec(
        network=network,
        serving_model=serving_model,
        train_data=Batches(
            train.lengths, train.take, fitted.batch_size, seed, passes=fitted.passes
        ),
        validation_data=Batches(validation.lengths, validation.take, BATCH, seed).in_order(),
        loss="sparse_categorical_crossentropy",
        metrics=[ExactMatch(name="right")],
        weighted_metrics=["accuracy"],
        monitor="val_accuracy",  # per symbol: whole sentences are rarely correct
        joined=joined(config),
        jit=False,  # XLA takes longer for sequences this short
        sample_predictions=lambda: sample_predictions(
            serving_model, data.validation, data.labels, SAMPLES
        ),
        callbacks=lambda run: (
            [AttentionMaps(validation_alignments, run.logs)] if settings.attention else []
        ),
        gates_batch=validation.take(shown, validation.longest)[0]
        if settings.model in GATED
        else None,
    )


def build_network(
    config: PronounceConfig, source_size: int, target_size: int, longest: int
) -> keras.Model:
    """Return the encoder-decoder of a config for vocabularies of these sizes.

    Args:
        longest: the length of the longest sequence, for Chrono initialisation.
    """
    settings, seed = config.network, config.optimisation.seed
    return encoder_decoder(
        recurrent_layer(settings.model, config.recurrent, longest=longest, seed=seed),
        source_symbols=source_size + 2,
        target_symbols=target_size + FIRST_SYMBOL,
        embedding=settings.embedding,
        units=settings.units,
        layers=settings.layers,
        bidirectional=settings.bidirectional,
        reverse=settings.reverse,
        attention=settings.attention,
        dropout=settings.dropout,
        normalization=config.recurrent.normalization,
    )


def vocabularies(
    config: PronounceConfig, data: PairData
) -> tuple[SequenceVocabulary, SequenceVocabulary]:
    """Return the symbols of the sources and of the targets of the training data."""
    settings = config.data
    targets = itertools.chain.from_iterable(data.train.targets)
    return (
        _vocabulary(data.train.sources, settings.source, settings.vocabulary),
        _vocabulary(targets, settings.target, settings.vocabulary),
    )


def joined(config: PronounceConfig) -> dict[str, tuple[str, str]]:
    """Return each encoder layer with the decoder layer that starts from its states."""
    if not config.network.bidirectional:
        return {f"rnn_{n}": (f"encoder/rnn_{n}", f"decoder/rnn_{n}") for n in _numbers(config)}
    return {
        f"rnn_{n}_{way}": (f"encoder/rnn_{n}/{way}_rnn_{n}", f"decoder/rnn_{n}")
        for n in _numbers(config)
        for way in ("forward", "backward")
    }


def _numbers(config: PronounceConfig) -> range:
    return range(1, config.network.layers + 1)


def _vocabulary(texts: Iterable[str], split: text_serving.Split, limit: int) -> SequenceVocabulary:
    """Return the symbols of texts; `limit` applies to words only."""
    limit_or_none = limit if split == "word" else None
    vocabulary = text_serving.build_vocabulary(texts, split, limit_or_none)
    if not vocabulary:
        raise UserError(f"no {split} occurs twice in the training pairs; give more pairs")
    return SequenceVocabulary(split, vocabulary)


def evaluate(serving_model: keras.Model, split: PairSplit, labels: list[str]) -> Scores:
    """Return edit distances of the best predictions to the nearest target, and the error rate.

    For phones: `per`, edits per phone, and `wer`, the share of wrong predictions. For characters:
    `cer` and `wer`. For words: `wer`, edits per word, `wrong`, the share of wrong predictions, and
    `bleu`. `baseline` is the share of wrong predictions of a model that always predicts the most
    frequent target of the split.
    """
    tokens = target_vocabulary(serving_model).split
    text_metrics.check_installed(text_metrics.needed(tokens))
    best = [row[0] for row in best_predictions(serving_model, split.sources)[0]]
    targets = [[detokenize(text, tokens) for text in texts] for texts in split.targets]
    distances = text_metrics.distances(
        [*text_serving.split_texts(best, tokens)],
        [[*text_serving.split_texts(texts, tokens)] for texts in targets],
    )
    rate, wrong = text_metrics.rates(distances)
    counts = Counter(target for texts in targets for target in {*texts})
    ((_, count),) = counts.most_common(1)
    if tokens == "word":
        figures = {"wer": rate, "wrong": wrong, "bleu": text_metrics.bleu(best, targets)}
    else:
        figures = {"per" if tokens == "phone" else "cer": rate, "wer": wrong}
    return Scores({}).with_figures(**figures, baseline=1 - count / len(split))


def sample_predictions(
    serving_model: keras.Model, split: PairSplit, labels: list[str], count: int = 100
) -> list[dict[str, Any]]:
    """Return the first sources with their targets and the best prediction."""
    texts, scores = best_predictions(serving_model, split.sources[:count])
    return [
        {"source": source, "right": " / ".join(targets), "given": row[0], "score": f"{score:.2f}"}
        for source, targets, row, score in zip(
            split.sources, split.targets, texts, scores[:, 0], strict=False
        )
    ]


def export_inputs(serving_model: keras.Model) -> ExportInputs:
    """Return some sources, to compare an exported model's outputs on."""
    source = source_vocabulary(serving_model)
    target = target_vocabulary(serving_model)
    between = SEPARATOR[source.split]
    inputs = [between.join(source.symbols[:n]) for n in (1, 2, 5)] + ["?"]
    return ExportInputs(
        inputs=tf.constant(inputs),
        meaning={
            "source": ["", "[UNK]", *source.symbols],
            "target": ["", "[UNK]", "[START]", "[END]", *target.symbols],
        },
        meaning_file="vocabulary.json",
        steps=Steps(
            outside=(NFC,),
            before=text_steps(source.split, "source"),
            after=search_steps(serving_model.get_layer(SEARCH), SEPARATOR[target.split]),
        ),
    )
