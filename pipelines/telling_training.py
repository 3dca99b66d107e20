"""Pictures in, words out: what the training jobs of captions and stories share."""

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ..callbacks import TellPictures
from ..callbacks.told_pictures import Told
from . import edits, scores
from .batches import Batches
from .config import UserError
from .datasets.picture_parts import PictureData, PicturePart
from .datasets.scene_events import BETWEEN
from .devices import note
from .export import Probe, core_in
from .models import encoder_decoder, picture_words, text
from .models.encoder_decoder import FIRST, START, Right, Side
from .models.recurrent import GATED
from .picture_store import Store, store
from .runs import Run
from .telling import TellingConfig
from .train import Job

STOP = BETWEEN.strip()  # between sentences
BATCH = 64  # pictures or sequences at once where nothing is trained
PRETRAINING_RATE = 1e-3  # at the start
SHOWN = 12  # validation pictures or sequences in TensorBoard
Reading = Callable[[str], Any]  # what a text of the embedded grammar says; None: it is none of it


def make_job(
    run: Run,
    config: TellingConfig,
    data: PictureData,
    network: Callable[[tuple[int, int, int], int], keras.Model],
    **more: Any,
) -> Job:
    """Network, batches, loss and metrics of a training.

    Args:
        network: ([H, W, C] of a picture, number of symbols) → the network to train.
        **more: for the `Job`.
    """
    target = Side("word", _vocabulary(data.train, config))
    shape = config.shape(data.shape)
    symbols = len(target.vocabulary) + FIRST
    core = network(shape, symbols)
    package = picture_words.package(
        core,
        target,
        width=config.beam,
        length_norm=config.length_norm,
        longest=config.max_length,
    )
    train, validation = (
        pairs_of(part, name, shape, target, config.max_length)
        for name, part in (("train", data.train), ("validation", data.validation))
    )
    shown = np.arange(min(SHOWN, len(validation.places)))
    feed = Batches(train.lengths, train.take, config.batch_size, config.seed)
    ordered = Batches(validation.lengths, validation.take, BATCH, config.seed).in_order()
    return Job(
        run=run,
        config=config,
        core=core,
        package=package,
        feed=feed,
        validation=ordered,
        loss={"next": "sparse_categorical_crossentropy", "words": "binary_crossentropy"},
        loss_weights={"next": 1.0, "words": config.auxiliary * symbols},
        metrics={"next": [Right(name="right")]},
        weighted_metrics={"next": ["accuracy"]},
        monitor="val_next_loss",  # of several texts that are right, accuracy sees one
        mode="min",
        jit=False,  # XLA takes longer over so short sequences
        samples=lambda: sample(package, data.validation, data.labels, SHOWN),
        gates_on=validation.take(shown, validation.longest)[0] if config.model in GATED else None,
        watchers=[TellPictures(lambda: told(package, data.validation), run.logs)],
        pretrain=(lambda: pretrain(core, feed, ordered, config)) if config.pretrain else None,
        **more,
    )


def pretrain(core: keras.Model, feed: Batches, validation: Any, config: TellingConfig) -> None:
    """What looks at a picture learns, alone, which words are told of it.

    Vinyals et al. (2015) take convolutions that learned from ImageNet, for the same reason.
    """
    network = keras.Model(core.input["pixels"], core.output["words"], name="pretraining")
    steps = config.pretrain * feed.steps
    rate = keras.optimizers.schedules.CosineDecay(PRETRAINING_RATE, steps, alpha=0.1)
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=config.clip_norm or None)
    network.compile(optimizer, "binary_crossentropy")

    def words_only(inputs, answers, weights):
        return inputs["pixels"], answers["words"], weights["words"]

    own = dataclasses.replace(feed, epoch=0)
    network.fit(
        own.dataset().map(words_only),
        validation_data=validation.map(words_only),
        epochs=config.pretrain,
        shuffle=False,
        verbose=int(sys.stdout.isatty()),
        callbacks=[Pretraining(own)],
    )


class Pretraining(keras.callbacks.Callback):
    """Shuffles anew before each epoch, and says after it how it went."""

    def __init__(self, feed: Batches):
        super().__init__()
        self.feed, self._began = feed, time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self.feed.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if not np.isfinite(logs["loss"]):
            raise UserError("the loss of pretraining is no number: lower --clip-norm")
        note(
            f"pretraining {epoch + 1}/{self.params['epochs']}"
            f"  {time.perf_counter() - self._began:.1f} s  words_loss {logs['loss']:.4f}"
            f"  val_words_loss {logs['val_loss']:.4f}"
        )


def _vocabulary(part: PicturePart, config: TellingConfig) -> list[str]:
    texts = [one for several in part.texts for one in several]
    found = text.vocabulary_of(texts, "word", config.vocabulary)
    if not found:
        raise UserError("no word comes twice in the training texts; give more of them")
    return found


class Pairs(NamedTuple):
    """P pairs of a picture, or a sequence of pictures, and a text."""

    store: Store  # of the pictures
    places: np.ndarray  # [P] in the store
    targets: np.ndarray  # [P, T] ids, the end among them, 0 behind it
    symbols: int  # K, special ids included
    stop: int  # id of what stands between sentences

    @property
    def lengths(self) -> np.ndarray:
        """Of the text, [P]; of several pictures and the text, [P, 2]."""
        words = (self.targets != 0).sum(axis=1)
        if not self.store.several:
            return words
        return np.stack([self.store.counts[self.places], words], axis=1)

    @property
    def longest(self) -> Any:
        longest = self.lengths.max(axis=0)
        return tuple(longest) if self.store.several else int(longest)

    def take(self, chosen: np.ndarray, shape: Any) -> tuple[Any, ...]:
        """What a batch consists of: what the network reads, what it should say, and weights.

        The decoder reads what it should say one step later, after a start (teacher forcing). Which
        words a text has, [B, K], is asked without its order; of several pictures, [B, F, K], which
        words each one's sentence has.
        """
        pictures, steps = shape if self.store.several else (None, shape)
        targets = self.targets[chosen, :steps]
        pixels = self.store.take(self.places[chosen], pictures)
        inputs = {"pixels": pixels, "target": encoder_decoder.shifted(targets)}
        if self.store.several:
            words, asked = self._words_of_sentences(chosen, pixels.shape[1])
        else:
            words, asked = self._words(chosen), np.ones(len(chosen), np.float32)
        weights = (targets != 0).astype(np.float32), asked
        return inputs, *(
            {"next": one, "words": other} for one, other in ((targets, words), weights)
        )

    def _words(self, chosen: np.ndarray) -> np.ndarray:
        """Which words texts have, 0 or 1, [B, K]."""
        words = np.zeros([len(chosen), self.symbols], np.float32)
        np.put_along_axis(words, self.targets[chosen], 1, axis=1)
        words[:, :FIRST] = 0
        return words

    def _words_of_sentences(self, chosen: np.ndarray, pictures: int) -> tuple[np.ndarray, ...]:
        """Which words each picture's sentence has, [B, F, K], and which pictures have one, [B, F].

        The sentence s of S belongs to the picture ⌊s F / S⌋ of F: where there are as many of both,
        to its own.
        """
        ids, counts = self.targets[chosen], self.store.counts[self.places[chosen]]
        told = (ids >= FIRST) & (ids != self.stop)
        sentence = np.cumsum(ids == self.stop, axis=1)  # [B, T]
        sentences = np.where(told, sentence, 0).max(axis=1) + 1
        picture = sentence * counts[:, None] // sentences[:, None]
        words = np.zeros([len(chosen), pictures, self.symbols], np.float32)
        row, step = np.nonzero(told & (picture < pictures))
        words[row, picture[row, step], ids[row, step]] = 1
        return words, words.max(axis=2)


def pairs_of(
    part: PicturePart, name: str, shape: tuple[int, int, int], target: Side, longest: int
) -> Pairs:
    """Every text of a part with its pictures, but texts of more than `longest` words."""
    texts = [one for several in part.texts for one in several]
    places = np.repeat(np.arange(len(part)), [len(several) for several in part.texts])
    ids = encoder_decoder.target_ids(texts, target)
    short = np.array([*map(len, ids)]) <= longest + 1
    if not short.any():
        raise UserError(f"{name}: no text of at most {longest} words; raise --max-length")
    if left_out := int((~short).sum()):
        note(
            f"data: {name}: {left_out:,} of {len(ids):,} texts have more than {longest} words;"
            " left out"
        )
    kept = [row for row, is_short in zip(ids, short, strict=True) if is_short]
    targets = encoder_decoder.padded(kept)
    known = target.vocabulary
    stop = known.index(STOP) + FIRST if STOP in known else -1
    return Pairs(store(part.images, shape), places[short], targets, len(known) + FIRST, stop)


def shape_in(package: keras.Model) -> tuple[int, int, int]:
    """[H, W, C] of the pictures that the network in a package takes."""
    return tuple(core_in(package).input["pixels"].shape[-3:])


def answer(
    package: keras.Model, pictures: Store, width: int | None = None
) -> tuple[list[list[str]], np.ndarray]:
    """The best answers [N, W] to pictures and their scores [N, W], the best first.

    width: W, if it is to be another than that of the package.
    """
    ask = encoder_decoder.asking(package, width)
    order = np.argsort(pictures.counts, kind="stable")  # of like length, so that few are filled up
    given = []
    for part in np.split(order, range(BATCH, len(order), BATCH)):
        given.append([a.numpy() for a in ask(tf.constant(pictures.take(part)))])
    answers, found = (np.concatenate(kind)[np.argsort(order)] for kind in zip(*given, strict=True))
    return [[one.decode() for one in row] for row in answers], found


def measure(
    package: keras.Model, part: PicturePart, readings: Mapping[str, Reading]
) -> scores.Scores:
    """How good the best answers are.

    `bleu`, from 0 to 100, and `exact`, the share of answers that are one of the texts; and where
    all texts are of the embedded grammar, by the name of each reading, the share that says the same
    as the texts, of all, of what training shows too ("seen") and of what it never shows.
    `baseline_…` is what the split's most frequent text, or what it says, would get.
    """
    edits.check_installed(["sacrebleu"])
    best = [row[0] for row in answer(package, store(part.images, shape_in(package)))[0]]
    split = encoder_decoder.target_in(package).split
    texts = [[encoder_decoder.spell(one, split) for one in several] for several in part.texts]
    most = _most_frequent(one for several in texts for one in dict.fromkeys(several))
    figures = {
        "bleu": edits.bleu(best, texts),
        "baseline_bleu": edits.bleu([most] * len(texts), texts),
        "exact": _share(one in several for one, several in zip(best, texts, strict=True)),
    }
    for name, read in readings.items():
        true = [read(several[0]) for several in texts]
        if None in true:
            continue
        right = np.array([read(one) == said for one, said in zip(best, true, strict=True)])
        figures[name] = right.mean()
        if part.unseen.any():
            figures |= {
                f"{name}_seen": right[~part.unseen].mean(),
                f"{name}_unseen": right[part.unseen].mean(),
            }
        most = _most_frequent(true)
        figures[f"baseline_{name}"] = _share(said == most for said in true)
    return scores.Scores({}).adding(**figures)


def _most_frequent(things: Any) -> Any:
    ((most, _),) = Counter(things).most_common(1)
    return most


def _share(right: Any) -> float:
    return float(np.mean([*right]))


def sample(
    package: keras.Model, part: PicturePart, labels: list[str], count: int = 100
) -> list[dict]:
    """The first texts with what the model says, by the place of their pictures in the split."""
    answers, best = answer(package, store(part.images, shape_in(package), count))
    return [
        {"place": place, "right": texts[0], "given": said[0], "score": f"{score:.2f}"}
        for place, (texts, said, score) in enumerate(
            zip(part.texts, answers, best[:, 0], strict=False)
        )
    ]


def told(package: keras.Model, part: PicturePart) -> list[Told]:
    """The first pictures with what the model says of them, and what is right."""
    shown = store(part.images, shape_in(package), SHOWN)
    answers, _ = answer(package, shown)
    return [
        Told(
            pictures := [*shown[place]],
            below(said[0], len(pictures)),
            below(texts[0], len(pictures)),
        )
        for place, (said, texts) in enumerate(zip(answers, part.texts, strict=False))
    ]


def below(said: str, pictures: int) -> list[str]:
    """A text as it stands below so many pictures: a sentence to each, if there are as many."""
    sentences = said.split(BETWEEN)
    return sentences if len(sentences) == pictures else [said]


def probe(package: keras.Model) -> Probe:
    """Two pictures of noise, or sequences of some, to compare an exported network's answers on."""
    core, vocabulary = core_in(package), encoder_decoder.target_in(package).vocabulary
    shape = [size or 2 for size in core.input["pixels"].shape[1:]]
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.float32)
    read = np.full([2, 4], START, np.int32)
    read[:, 1:] = np.arange(3) % len(vocabulary) + FIRST
    return Probe(
        inputs=tf.constant(pixels),
        core_inputs={"pixels": pixels, "target": read},
        meaning={
            "pixels": "0 … 255",
            "shape": ["batch", *core.input["pixels"].shape[1:]],
            "target": ["", "[UNK]", "[START]", "[END]", *vocabulary],
            "padding": 0,
        },
        meaning_file="input.json",
        answer="scores",
    )
