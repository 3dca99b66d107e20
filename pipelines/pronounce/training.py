"""Sequence in, sequence out, delayed: the training job, its figures, its samples."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ...callbacks import Alignment, AttentionMaps
from ...layers.text.beam_search import START
from ..core.config import UserError
from ..core.devices import note
from ..core.run_folder import Run
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
from ..training import evaluation as scores
from ..training import text_metrics as edits
from ..training.batching import Batches
from ..training.export import Probe
from ..training.loop import Job

if TYPE_CHECKING:
    from . import PronounceConfig

BATCH = 256  # sources at once where nothing is trained
SHOWN, MAPS = 20, 12  # validation sources in TensorBoard; attention maps of some


def make_job(run: Run, config: "PronounceConfig", data: PairData) -> Job:
    """Network, batches, loss and metrics of a training."""
    targets = [target for several in data.train.targets for target in several]
    source = SequenceVocabulary(
        config.source, _known(data.train.sources, config.source, config.vocabulary)
    )
    target = SequenceVocabulary(config.target, _known(targets, config.target, config.vocabulary))
    for name in ("validation", "test"):
        _tell_unseen(getattr(data, name), name, source)
    core = encoder_decoder.encoder_decoder(
        CELLS[config.model],
        source_symbols=len(source.vocabulary) + 2,
        target_symbols=len(target.vocabulary) + FIRST_SYMBOL,
        embedding=config.embedding,
        units=config.units,
        layers=config.layers,
        bidirectional=config.bidirectional,
        reverse=config.reverse,
        attention=config.attention,
        dropout=config.dropout,
    )
    package = build_text_serving_model(
        core,
        source,
        target,
        width=config.beam,
        length_norm=config.length_norm,
        max_length=config.max_length,
    )
    train = pairs_of(data.train, "train", source, target, config.max_length)
    validation = pairs_of(data.validation, "validation", source, target, config.max_length)
    shown = np.arange(min(SHOWN, len(validation.sources)))

    def look():
        sources = data.validation.sources[:MAPS]
        return aligned(package, sources, [several[0] for several in answer(package, sources)[0]])

    return Job(
        run=run,
        config=config,
        core=core,
        package=package,
        feed=Batches(train.lengths, train.take, config.batch_size, config.seed),
        validation=Batches(validation.lengths, validation.take, BATCH, config.seed).in_order(),
        loss="sparse_categorical_crossentropy",
        metrics=[ExactMatch(name="right")],
        weighted_metrics=["accuracy"],
        monitor="val_accuracy",  # of words, hardly a whole target is ever right
        joined=joined(config),
        jit=False,  # XLA takes longer over so short sequences
        samples=lambda: sample(package, data.validation, data.labels, SHOWN),
        watchers=[AttentionMaps(look, run.logs)] if config.attention else [],
        gates_on=validation.take(shown, validation.longest)[0] if config.model in GATED else None,
    )


def _tell_unseen(part: PairPart, name: str, source: SequenceVocabulary) -> None:
    """Says how many sources hold what the network knows nothing of."""
    known = set(source.vocabulary)
    strange = [
        {*symbols} - known for symbols in text_serving.split_texts(part.sources, source.split)
    ]
    if number := sum(map(bool, strange)):
        first = next(filter(None, strange)).pop()
        note(
            f"data: {name}: {number:,} of {len(part):,} sources have a {source.split} that is not"
            f" in the vocabulary, as {first!r}"
        )


def joined(config: "PronounceConfig") -> dict[str, tuple[str, str]]:
    """Each layer of the encoder with the one of the decoder that begins with its states."""
    if not config.bidirectional:
        return {f"rnn_{n}": (f"encoder/rnn_{n}", f"decoder/rnn_{n}") for n in _numbers(config)}
    return {
        f"rnn_{n}_{way}": (f"encoder/rnn_{n}/{way}_rnn_{n}", f"decoder/rnn_{n}")
        for n in _numbers(config)
        for way in ("forward", "backward")
    }


def _numbers(config: "PronounceConfig") -> range:
    return range(1, config.layers + 1)


def _known(texts: Sequence[str], split: text_serving.Split, most: int | None) -> list[str]:
    """The vocabulary of sources or targets; `most` limits words alone."""
    found = text_serving.build_vocabulary(texts, split, most if split == "word" else None)
    if not found:
        raise UserError(f"no {split} comes twice in the training pairs; give more of them")
    return found


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
        """What a batch consists of: what the network reads, what it should say, and weights.

        The decoder reads what it should say one step later, after a start (teacher forcing).
        """
        sources, targets = self.sources[chosen, : shape[0]], self.targets[chosen, : shape[1]]
        inputs = {"source": sources, "target": shift_right(targets)}
        return inputs, targets, (targets != 0).astype(np.float32)


def pairs_of(
    part: PairPart, name: str, source: SequenceVocabulary, target: SequenceVocabulary, longest: int
) -> Pairs:
    """Every pair of a part, but those with more than `longest` symbols, which are told."""
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


def answer(
    package: keras.Model, sources: Sequence[str], width: int | None = None
) -> tuple[list[list[str]], np.ndarray]:
    """The best answers [N, W] to sources and their scores [N, W], the best first.

    width: W, if it is to be another than that of the package.
    """
    side = source_vocabulary(package)
    ids = text_serving.vectorize(sources, side.vocabulary, side.split)
    ask = traced_search(package, width)
    lengths = np.maximum((ids != 0).sum(axis=1), 1)
    order = np.argsort(lengths, kind="stable")
    given = []
    for part in np.split(order, range(BATCH, len(order), BATCH)):
        given.append([a.numpy() for a in ask(tf.constant(ids[part, : lengths[part[-1]]]))])
    answers, found = (np.concatenate(kind)[np.argsort(order)] for kind in zip(*given, strict=True))
    return [[one.decode() for one in row] for row in answers], found


def aligned(
    package: keras.Model, sources: Sequence[str], answers: Sequence[str]
) -> list[Alignment]:
    """Which symbols of the source each symbol of an answer, and its end, looks at."""
    source, target = source_vocabulary(package), target_vocabulary(package)
    core = package.get_layer("search").core
    read = text_serving.split_texts(sources, source.split)
    said = [[*symbols, "end"] for symbols in text_serving.split_texts(answers, target.split)]
    ids = text_serving.vectorize(sources, source.vocabulary, source.split)
    targets = pad(target_ids(answers, target))
    given = tf.constant(ids), tf.constant(shift_right(targets))
    weights = encoder_decoder.alignment(core, *given).numpy()
    return [
        Alignment([*one], other, table[: len(other), : len(one)])
        for one, other, table in zip(read, said, weights, strict=True)
    ]


def measure(package: keras.Model, part: PairPart, labels: list[str]) -> scores.Scores:
    """How far the best answers are from the nearest target, and how many are none of them.

    Of phones: `per`, edits per phone, and `wer`, the share of wrong answers; of characters `cer`
    and `wer`; of words `wer`, edits per word, `wrong`, the share of wrong answers, and `bleu`.
    `baseline` is the share that is wrong if the split's most frequent target is always the answer.
    """
    split = target_vocabulary(package).split
    edits.check_installed(edits.needed(split))
    best = [several[0] for several in answer(package, part.sources)[0]]
    targets = [[detokenize(target, split) for target in several] for several in part.targets]
    found = edits.distances(
        [*text_serving.split_texts(best, split)],
        [[*text_serving.split_texts(several, split)] for several in targets],
    )
    rate, wrong = edits.rates(found)
    (_, most), *_ = Counter(one for several in targets for one in {*several}).most_common(1)
    if split == "word":
        figures = {"wer": rate, "wrong": wrong, "bleu": edits.bleu(best, targets)}
    else:
        figures = {"per" if split == "phone" else "cer": rate, "wer": wrong}
    return scores.Scores({}).adding(**figures, baseline=1 - most / len(part))


def sample(package: keras.Model, part: PairPart, labels: list[str], count: int = 100) -> list[dict]:
    """The first sources with what is right and what the network says."""
    answers, best = answer(package, part.sources[:count])
    return [
        {"source": source, "right": " / ".join(targets), "given": said[0], "score": f"{score:.2f}"}
        for source, targets, said, score in zip(
            part.sources, part.targets, answers, best[:, 0], strict=False
        )
    ]


def probe(package: keras.Model) -> Probe:
    """Some sources, to compare an exported network's answers on."""
    source, target = source_vocabulary(package), target_vocabulary(package)
    between = SEPARATOR[source.split]
    inputs = [between.join(source.vocabulary[:n]) for n in (1, 2, 5)] + ["?"]
    ids = text_serving.vectorize(inputs, source.vocabulary, source.split)
    read = np.full([len(ids), 4], START, np.int32)
    read[:, 1:] = np.arange(3) % len(target.vocabulary) + FIRST_SYMBOL
    return Probe(
        inputs=tf.constant(inputs),
        core_inputs={"source": ids, "target": read},
        meaning={
            "source": ["", "[UNK]", *source.vocabulary],
            "target": ["", "[UNK]", "[START]", "[END]", *target.vocabulary],
            "padding": 0,
        },
        meaning_file="vocabulary.json",
        answer="scores",
    )
