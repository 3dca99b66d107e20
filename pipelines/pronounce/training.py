"""Sequence in, sequence out, delayed: what is trained, and how it is measured."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ...callbacks import Alignment, AttentionMaps
from ...layers.text.symbols import START
from ..core.console import note
from ..core.errors import UserError
from ..datasets.pairs.pair_data import PairData, PairPart
from ..models import encoder_decoder, text_serving
from ..models.recurrent import CELLS, GATED
from ..models.sequence_serving import (
    build_text_serving_model,
    source_vocabulary,
    target_vocabulary,
    traced_search,
)
from ..models.sequence_vocabulary import (
    FIRST_SYMBOL,
    SEPARATOR,
    ExactMatch,
    SequenceVocabulary,
    detokenize,
    pad,
    shift_right,
    target_ids,
)
from ..training import text_metrics
from ..training.batching import Batches
from ..training.evaluation import Scores
from ..training.export import ExportInputs
from ..training.spec import TrainingSpec
from .config import PronounceConfig

BATCH = 256  # sources at once where nothing is trained
SHOWN, MAPS = 20, 12  # validation sources in TensorBoard; attention maps of some


def build_training(config: PronounceConfig, data: PairData) -> TrainingSpec:
    """Network, batches, loss and metrics of a training."""
    settings, longest = config.network, config.data.max_length
    source, target = vocabularies(config, data)
    for name in ("validation", "test"):
        _note_unknown(getattr(data, name), name, source)
    network = encoder_decoder.encoder_decoder(
        CELLS[settings.model],
        source_symbols=len(source.vocabulary) + 2,
        target_symbols=len(target.vocabulary) + FIRST_SYMBOL,
        embedding=settings.embedding,
        units=settings.units,
        layers=settings.layers,
        bidirectional=settings.bidirectional,
        reverse=settings.reverse,
        attention=settings.attention,
        dropout=settings.dropout,
    )
    serving_model = build_text_serving_model(
        network,
        source,
        target,
        width=settings.beam,
        length_norm=settings.length_norm,
        max_length=longest,
    )
    train = pairs_of(data.train, "train", source, target, longest)
    validation = pairs_of(data.validation, "validation", source, target, longest)
    shown = np.arange(min(SHOWN, len(validation.sources)))
    seed = config.optimisation.seed

    def validation_alignments() -> list[Alignment]:
        sources = data.validation.sources[:MAPS]
        best = [row[0] for row in best_predictions(serving_model, sources)[0]]
        return alignments(serving_model, sources, best)

    return TrainingSpec(
        network=network,
        serving_model=serving_model,
        train_data=Batches(train.lengths, train.take, config.optimisation.batch_size, seed),
        validation_data=Batches(validation.lengths, validation.take, BATCH, seed).in_order(),
        loss="sparse_categorical_crossentropy",
        metrics=[ExactMatch(name="right")],
        weighted_metrics=["accuracy"],
        monitor="val_accuracy",  # of words, hardly a whole target is ever right
        joined=joined(config),
        jit=False,  # XLA takes longer for sequences this short
        sample_predictions=lambda: sample_predictions(
            serving_model, data.validation, data.labels, SHOWN
        ),
        callbacks=lambda run: (
            [AttentionMaps(validation_alignments, run.logs)] if settings.attention else []
        ),
        gates_batch=validation.take(shown, validation.longest)[0]
        if settings.model in GATED
        else None,
    )


def vocabularies(
    config: PronounceConfig, data: PairData
) -> tuple[SequenceVocabulary, SequenceVocabulary]:
    """The symbols of the sources and those of the targets of the training data."""
    settings = config.data
    targets = [target for several in data.train.targets for target in several]
    return (
        _vocabulary(data.train.sources, settings.source, settings.vocabulary),
        _vocabulary(targets, settings.target, settings.vocabulary),
    )


def _note_unknown(part: PairPart, name: str, source: SequenceVocabulary) -> None:
    """Print the number of sources with symbols that the training data do not contain."""
    known = set(source.vocabulary)
    unknown = [
        {*symbols} - known for symbols in text_serving.split_texts(part.sources, source.split)
    ]
    if number := sum(map(bool, unknown)):
        first = next(filter(None, unknown)).pop()
        note(
            f"data: {name}: {number:,} of {len(part):,} sources have a {source.split} that is not"
            f" in the vocabulary, such as {first!r}"
        )


def joined(config: PronounceConfig) -> dict[str, tuple[str, str]]:
    """Each encoder layer with the decoder layer that starts from its states."""
    if not config.network.bidirectional:
        return {f"rnn_{n}": (f"encoder/rnn_{n}", f"decoder/rnn_{n}") for n in _numbers(config)}
    return {
        f"rnn_{n}_{way}": (f"encoder/rnn_{n}/{way}_rnn_{n}", f"decoder/rnn_{n}")
        for n in _numbers(config)
        for way in ("forward", "backward")
    }


def _numbers(config: PronounceConfig) -> range:
    return range(1, config.network.layers + 1)


def _vocabulary(texts: Sequence[str], split: text_serving.Split, limit: int) -> SequenceVocabulary:
    """The symbols of texts; `limit` applies to words only."""
    limit_or_none = limit if split == "word" else None
    vocabulary = text_serving.build_vocabulary(texts, split, limit_or_none)
    if not vocabulary:
        raise UserError(f"no {split} occurs twice in the training pairs; give more pairs")
    return SequenceVocabulary(split, vocabulary)


class Pairs(NamedTuple):
    """N pairs as ids, 0 behind their ends."""

    sources: np.ndarray  # [N, S]
    targets: np.ndarray  # [N, T], their end among them

    @property
    def lengths(self) -> np.ndarray:
        """[N, 2]"""
        return np.stack([(ids != 0).sum(axis=1) for ids in self], axis=1)

    @property
    def longest(self) -> tuple[int, int]:
        return self.sources.shape[1], self.targets.shape[1]

    def take(self, chosen: np.ndarray, shape: tuple[int, int]) -> tuple[Any, ...]:
        """A batch: inputs, targets, and weights of the targets.

        The decoder reads the target shifted by one step, after a start symbol (teacher forcing).
        """
        sources, targets = self.sources[chosen, : shape[0]], self.targets[chosen, : shape[1]]
        inputs = {"source": sources, "target": shift_right(targets)}
        return inputs, targets, (targets != 0).astype(np.float32)


def pairs_of(
    part: PairPart, name: str, source: SequenceVocabulary, target: SequenceVocabulary, longest: int
) -> Pairs:
    """All pairs of a split but those of more than `longest` symbols, whose number is printed."""
    targets = [t for several in part.targets for t in several]
    sources = np.repeat(np.arange(len(part)), [len(several) for several in part.targets])
    ids = text_serving.vectorize(part.sources, source.vocabulary, source.split)[sources]
    wanted = target_ids(targets, target)
    short = ((ids != 0).sum(axis=1) <= longest) & (np.array([*map(len, wanted)]) <= longest + 1)
    if not short.any():
        raise UserError(f"{name}: no pair of at most {longest} symbols; raise --max-length")
    if left_out := int((~short).sum()):
        note(
            f"data: {name}: {left_out:,} of {len(ids):,} pairs have more than {longest} symbols;"
            f" left out of {'training' if name == 'train' else 'the choice of the best epoch'}"
        )
    wanted = [row for row, kept in zip(wanted, short, strict=True) if kept]
    return Pairs(ids[short, :longest], pad(wanted))


def best_predictions(
    serving_model: keras.Model, sources: Sequence[str], width: int | None = None
) -> tuple[list[list[str]], np.ndarray]:
    """The best predictions [N, W] for sources and their scores [N, W], the best first.

    Args:
        width: the beam width W; None: that of the serving model.
    """
    side = source_vocabulary(serving_model)
    ids = text_serving.vectorize(sources, side.vocabulary, side.split)
    ask = traced_search(serving_model, width)
    lengths = np.maximum((ids != 0).sum(axis=1), 1)
    order = np.argsort(lengths, kind="stable")
    batches = []
    for part in np.split(order, range(BATCH, len(order), BATCH)):
        batches.append([a.numpy() for a in ask(tf.constant(ids[part, : lengths[part[-1]]]))])
    texts, scores = (np.concatenate(kind)[np.argsort(order)] for kind in zip(*batches, strict=True))
    return [[text.decode() for text in row] for row in texts], scores


def alignments(
    serving_model: keras.Model, sources: Sequence[str], predictions: Sequence[str]
) -> list[Alignment]:
    """The attention of each symbol of a prediction, and of its end, to the source's symbols."""
    source = source_vocabulary(serving_model)
    target = target_vocabulary(serving_model)
    core = serving_model.get_layer("search").core
    read = text_serving.split_texts(sources, source.split)
    written = [[*symbols, "end"] for symbols in text_serving.split_texts(predictions, target.split)]
    ids = text_serving.vectorize(sources, source.vocabulary, source.split)
    targets = pad(target_ids(predictions, target))
    inputs = tf.constant(ids), tf.constant(shift_right(targets))
    weights = encoder_decoder.alignment(core, *inputs).numpy()
    return [
        Alignment([*symbols], outputs, table[: len(outputs), : len(symbols)])
        for symbols, outputs, table in zip(read, written, weights, strict=True)
    ]


def evaluate(serving_model: keras.Model, split: PairPart, labels: list[str]) -> Scores:
    """Edit distances of the best predictions to the nearest target, and the share of wrong ones.

    Of phones: `per`, edits per phone, and `wer`, the share of wrong predictions; of characters
    `cer` and `wer`; of words `wer`, edits per word, `wrong`, the share of wrong predictions, and
    `bleu`. `baseline` is the share of wrong ones if the split's most frequent target is always
    predicted.
    """
    tokens = target_vocabulary(serving_model).split
    text_metrics.check_installed(text_metrics.needed(tokens))
    best = [row[0] for row in best_predictions(serving_model, split.sources)[0]]
    targets = [[detokenize(target, tokens) for target in several] for several in split.targets]
    distances = text_metrics.distances(
        [*text_serving.split_texts(best, tokens)],
        [[*text_serving.split_texts(several, tokens)] for several in targets],
    )
    rate, wrong = text_metrics.rates(distances)
    counts = Counter(target for several in targets for target in {*several})
    ((_, most),) = counts.most_common(1)
    if tokens == "word":
        figures = {"wer": rate, "wrong": wrong, "bleu": text_metrics.bleu(best, targets)}
    else:
        figures = {"per" if tokens == "phone" else "cer": rate, "wer": wrong}
    return Scores({}).with_figures(**figures, baseline=1 - most / len(split))


def sample_predictions(
    serving_model: keras.Model, split: PairPart, labels: list[str], count: int = 100
) -> list[dict[str, Any]]:
    """The first sources with their targets and the best prediction."""
    texts, scores = best_predictions(serving_model, split.sources[:count])
    return [
        {"source": source, "right": " / ".join(targets), "given": row[0], "score": f"{score:.2f}"}
        for source, targets, row, score in zip(
            split.sources, split.targets, texts, scores[:, 0], strict=False
        )
    ]


def export_inputs(serving_model: keras.Model) -> ExportInputs:
    """Some sources, to compare an exported model's outputs on."""
    source = source_vocabulary(serving_model)
    target = target_vocabulary(serving_model)
    between = SEPARATOR[source.split]
    inputs = [between.join(source.vocabulary[:n]) for n in (1, 2, 5)] + ["?"]
    ids = text_serving.vectorize(inputs, source.vocabulary, source.split)
    read = np.full([len(ids), 4], START, np.int32)
    read[:, 1:] = np.arange(3) % len(target.vocabulary) + FIRST_SYMBOL
    return ExportInputs(
        inputs=tf.constant(inputs),
        core_inputs={"source": ids, "target": read},
        meaning={
            "source": ["", "[UNK]", *source.vocabulary],
            "target": ["", "[UNK]", "[START]", "[END]", *target.vocabulary],
            "padding": 0,
        },
        meaning_file="vocabulary.json",
        output="scores",
    )
