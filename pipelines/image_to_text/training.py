"""Pictures in, words out: what the training jobs of captions and stories share."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...callbacks import CaptionedImage, CaptionedImages
from ...layers.text.beam_search import START
from ..core.config import UserError
from ..core.run_folder import Run
from ..datasets.image_text.image_text_data import PictureData, PicturePart
from ..datasets.image_text.scene_events import BETWEEN
from ..models import text_serving
from ..models.recurrent import GATED
from ..models.sequence_serving import (
    build_image_serving_model,
    target_vocabulary,
    traced_search,
)
from ..models.sequence_vocabulary import FIRST_SYMBOL, ExactMatch, SequenceVocabulary, detokenize
from ..training import evaluation as scores
from ..training import text_metrics as edits
from ..training.batching import Batches
from ..training.export import Probe, core_in
from ..training.loop import Job
from .config import TellingConfig
from .image_store import Store, store
from .pairs import pairs_of
from .pretraining import hold, pretrain

BATCH = 64  # pictures or sequences at once where nothing is trained
SHOWN = 12  # validation pictures or sequences in TensorBoard
Reading = Callable[[str], Any]  # what a text of the embedded grammar says; None: it is none of it


def make_job(
    run: Run,
    config: TellingConfig,
    data: PictureData,
    network: Callable[[tuple[int, int, int], int], keras.Model],
    monitor: str,
    mode: str,
    **more: Any,
) -> Job:
    """Network, batches, loss and metrics of a training.

    Args:
        network: ([H, W, C] of a picture, number of symbols) → the network to train.
        monitor, mode, **more: as `Job` takes them.
    """
    target = SequenceVocabulary("word", _vocabulary(data.train, config))
    shape = config.shape(data.shape)
    symbols = len(target.vocabulary) + FIRST_SYMBOL
    core = network(shape, symbols)
    if config.pretrain:
        hold(core)  # if what goes on is a run that was pretrained
    package = build_image_serving_model(
        core,
        target,
        width=config.beam,
        length_norm=config.length_norm,
        max_length=config.max_length,
    )
    train, validation = (
        pairs_of(part, name, shape, target, config.max_length)
        for name, part in (("train", data.train), ("validation", data.validation))
    )
    shown = np.arange(min(SHOWN, len(validation.places)))
    feed = Batches(train.lengths, train.take, config.batch_size, config.seed, of=train.places)
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
        metrics={"next": [ExactMatch(name="right")]},
        weighted_metrics={"next": ["accuracy"]},
        monitor=monitor,
        mode=mode,
        jit=False,  # XLA takes longer over so short sequences
        samples=lambda: sample(package, data.validation, data.labels, SHOWN),
        gates_on=validation.take(shown, validation.longest)[0] if config.model in GATED else None,
        watchers=[CaptionedImages(lambda: told(package, data.validation), run.logs)],
        pretrain=(lambda: pretrain(core, train, validation, config)) if config.pretrain else None,
        **more,
    )


def _vocabulary(part: PicturePart, config: TellingConfig) -> list[str]:
    texts = [one for several in [*part.texts, *part.descriptions] for one in several]
    found = text_serving.build_vocabulary(texts, "word", config.vocabulary)
    if not found:
        raise UserError("no word comes twice in the training texts; give more of them")
    return found


def shape_in(package: keras.Model) -> tuple[int, int, int]:
    """[H, W, C] of the pictures that the network in a package takes."""
    return tuple(core_in(package).input["pixels"].shape[-3:])


def answer(
    package: keras.Model, pictures: Store, width: int | None = None
) -> tuple[list[list[str]], np.ndarray]:
    """The best answers [N, W] to pictures and their scores [N, W], the best first.

    width: W, if it is to be another than that of the package.
    """
    ask = traced_search(package, width)
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
    split = target_vocabulary(package).split
    texts = [[detokenize(one, split) for one in several] for several in part.texts]
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


def told(package: keras.Model, part: PicturePart) -> list[CaptionedImage]:
    """The first pictures with what the model says of them, and what is right."""
    shown = store(part.images, shape_in(package), SHOWN)
    answers, _ = answer(package, shown)
    return [
        CaptionedImage(
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
    core, vocabulary = core_in(package), target_vocabulary(package).vocabulary
    shape = [size or 2 for size in core.input["pixels"].shape[1:]]
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.float32)
    read = np.full([2, 4], START, np.int32)
    read[:, 1:] = np.arange(3) % len(vocabulary) + FIRST_SYMBOL
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
