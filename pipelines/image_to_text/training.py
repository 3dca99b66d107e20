"""Image to text: the training of a network, and its evaluation; for captions and stories."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from ...callbacks import CaptionedImage, CaptionedImages
from ..core.errors import UserError
from ..core.run_folder import RunFolder
from ..datasets.image_text.image_text_data import ImageTextData, ImageTextSplit
from ..datasets.image_text.scene_events import BETWEEN
from ..models import text_serving
from ..models.recurrent import GATED
from ..models.sequence_serving import build_image_serving_model, target_vocabulary, traced_search
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
from ..training.export_steps import decoded_image, resized_image, search_steps
from ..training.network_parts import SEARCH, core_in
from ..training.spec import TrainingSpec
from .config import ImageToTextConfig
from .image_store import ImageStore, store_images
from .pairs import encode_pairs
from .pretraining import freeze_normalization, pretrain

BATCH = 64  # images or sequences per batch of an evaluation
SHOWN = 12  # validation images or sequences in TensorBoard
Parser = Callable[[str], Any]  # text → its meaning; None if the embedded grammar does not apply


def build_training(
    config: ImageToTextConfig,
    data: ImageTextData,
    network: Callable[[tuple[int, int, int], int], keras.Model],
    monitor: str,
    mode: Literal["max", "min"],
    joined: Mapping[str, tuple[str, str]] | None = None,
    callbacks: Callable[[RunFolder, keras.Model], Sequence[Any]] = lambda run, model: (),
) -> TrainingSpec:
    """Return the network, batches, loss and metrics of a training.

    Args:
        config: the settings.
        data: the data.
        network: ([H, W, C] of an image, number of symbols) → the network to train.
        monitor, mode, joined: see `TrainingSpec`.
        callbacks: (run, serving model) → callbacks of the task.
    """
    settings, network_settings = config.optimisation, config.network
    target = SequenceVocabulary("word", _vocabulary(data.train, config.data.vocabulary))
    shape, symbols = config.image_shape(data.shape), len(target.symbols) + FIRST_SYMBOL
    core = network(shape, symbols)
    if settings.pretrain:
        freeze_normalization(core)  # also of a pretrained network whose run is resumed
    serving_model = build_image_serving_model(
        core,
        target,
        width=network_settings.beam,
        length_norm=network_settings.length_norm,
        max_length=config.data.max_length,
    )
    train, validation = (
        encode_pairs(split, name, shape, target, config.data.max_length)
        for name, split in (("train", data.train), ("validation", data.validation))
    )
    shown = np.arange(min(SHOWN, len(validation.items)))
    seed = settings.seed
    train_data = Batches(train.lengths, train.take, settings.batch_size, seed, groups=train.items)
    return TrainingSpec(
        network=core,
        serving_model=serving_model,
        train_data=train_data,
        validation_data=Batches(validation.lengths, validation.take, BATCH, seed).in_order(),
        loss={"next": "sparse_categorical_crossentropy", "words": "binary_crossentropy"},
        loss_weights={"next": 1.0, "words": settings.auxiliary * symbols},
        metrics={"next": [ExactMatch(name="right")]},
        weighted_metrics={"next": ["accuracy"]},
        monitor=monitor,
        mode=mode,
        joined=joined or {},
        jit=False,  # XLA takes longer for sequences this short
        sample_predictions=lambda: sample_predictions(
            serving_model, data.validation, data.labels, SHOWN
        ),
        gates_batch=validation.take(shown, validation.longest)[0]
        if network_settings.model in GATED
        else None,
        callbacks=lambda run: [
            CaptionedImages(lambda: captioned_images(serving_model, data.validation), run.logs),
            *callbacks(run, serving_model),
        ],
        pretrain=(lambda: pretrain(core, train, validation, config)) if settings.pretrain else None,
    )


def _vocabulary(split: ImageTextSplit, limit: int) -> list[str]:
    texts = [text for group in [*split.texts, *split.descriptions] for text in group]
    vocabulary = text_serving.build_vocabulary(texts, "word", limit)
    if not vocabulary:
        raise UserError("no word occurs twice in the training texts; give more texts")
    return vocabulary


def longest_text(config: ImageToTextConfig, data: ImageTextData) -> int:
    """Return the number of words of the longest text that is trained on, for recurrent layers."""
    words = (len(text.split()) for texts in data.train.texts for text in texts)
    return min(config.data.max_length, max(words))


def image_shape_of(serving_model: keras.Model) -> tuple[int, int, int]:
    """Return [H, W, C] of the images that the network in a serving model takes."""
    return tuple(core_in(serving_model).input["pixels"].shape[-3:])


def best_texts(
    serving_model: keras.Model, images: ImageStore, width: int | None = None
) -> tuple[list[list[str]], np.ndarray]:
    """Return the best texts [N, W] for images and their scores [N, W], the best first.

    Args:
        width: the beam width W; None: that of the serving model.
    """
    search = traced_search(serving_model, width)
    order = np.argsort(images.counts, kind="stable")  # of similar length: little padding
    batches = []
    for chosen in np.split(order, range(BATCH, len(order), BATCH)):
        batches.append([a.numpy() for a in search(tf.constant(images.take(chosen)))])
    texts, scores = (np.concatenate(kind)[np.argsort(order)] for kind in zip(*batches, strict=True))
    return [[text.decode() for text in row] for row in texts], scores


def evaluate(
    serving_model: keras.Model, split: ImageTextSplit, parsers: Mapping[str, Parser]
) -> Scores:
    """Return the quality of the best texts.

    `bleu`, from 0 to 100, and `exact`, the share of predictions that are one of the reference
    texts. If all references follow the embedded grammar, the name of each parser stands for the
    share of predictions with the same meaning as the reference: of all predictions, of those whose
    combination of facts occurs in training ("seen"), and of the others ("unseen"). `baseline_…` is
    the score of always predicting the split's most frequent text, or meaning.
    """
    text_metrics.check_installed(["sacrebleu"])
    images = store_images(split.images, image_shape_of(serving_model))
    best = [row[0] for row in best_texts(serving_model, images)[0]]
    tokens = target_vocabulary(serving_model).split
    references = [[detokenize(text, tokens) for text in texts] for texts in split.texts]
    baseline = _most_frequent(text for texts in references for text in dict.fromkeys(texts))
    figures = {
        "bleu": text_metrics.bleu(best, references),
        "baseline_bleu": text_metrics.bleu([baseline] * len(references), references),
        "exact": _share(text in texts for text, texts in zip(best, references, strict=True)),
    }
    for name, parse in parsers.items():
        meanings = [parse(texts[0]) for texts in references]
        if None not in meanings:
            figures |= _meaning_figures(name, [parse(text) for text in best], meanings, split)
    return Scores({}).with_figures(**figures)


def _meaning_figures(
    name: str, predicted: Sequence[Any], meanings: Sequence[Any], split: ImageTextSplit
) -> dict[str, float]:
    """Return the share of predictions with the same meaning as the reference."""
    is_correct = np.array([p == meaning for p, meaning in zip(predicted, meanings, strict=True)])
    figures = {name: is_correct.mean()}
    if split.unseen.any():
        figures[f"{name}_seen"] = is_correct[~split.unseen].mean()
        figures[f"{name}_unseen"] = is_correct[split.unseen].mean()
    baseline = _most_frequent(meanings)
    return figures | {f"baseline_{name}": _share(meaning == baseline for meaning in meanings)}


def _most_frequent(items: Any) -> Any:
    ((item, _),) = Counter(items).most_common(1)
    return item


def _share(is_correct: Any) -> float:
    return float(np.mean([*is_correct]))


def sample_predictions(
    serving_model: keras.Model, split: ImageTextSplit, labels: list[str], count: int = 100
) -> list[dict[str, Any]]:
    """Return the first references with the best text, by the place of their images in the split."""
    images = store_images(split.images, image_shape_of(serving_model), count)
    texts, scores = best_texts(serving_model, images)
    return [
        {"place": place, "right": references[0], "given": row[0], "score": f"{score:.2f}"}
        for place, (references, row, score) in enumerate(
            zip(split.texts, texts, scores[:, 0], strict=False)
        )
    ]


def captioned_images(serving_model: keras.Model, split: ImageTextSplit) -> list[CaptionedImage]:
    """Return the first images with the best text and a reference."""
    images = store_images(split.images, image_shape_of(serving_model), SHOWN)
    texts, _ = best_texts(serving_model, images)
    return [
        CaptionedImage(
            shown := [*images[place]],
            sentences_below(row[0], len(shown)),
            sentences_below(references[0], len(shown)),
        )
        for place, (row, references) in enumerate(zip(texts, split.texts, strict=False))
    ]


def sentences_below(story: str, images: int) -> list[str]:
    """Split a story into one sentence per image if the numbers agree; else return it whole."""
    sentences = story.split(BETWEEN)
    return sentences if len(sentences) == images else [story]


def export_inputs(serving_model: keras.Model) -> ExportInputs:
    """Return two images, or sequences, of noise, to compare an exported model's outputs on."""
    core = core_in(serving_model)
    target = target_vocabulary(serving_model)
    height, width, channels = image_shape_of(serving_model)
    shape = [size or 2 for size in core.input["pixels"].shape[1:]]
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.float32)
    return ExportInputs(
        inputs=tf.constant(pixels),
        meaning={
            "pixels": "0 … 255",
            "shape": ["batch", *core.input["pixels"].shape[1:]],
            "target": ["", "[UNK]", "[START]", "[END]", *target.symbols],
        },
        meaning_file="input.json",
        steps=Steps(
            outside=(decoded_image(channels),),
            before=(resized_image(height, width),),
            after=search_steps(serving_model.get_layer(SEARCH), SEPARATOR[target.split]),
        ),
    )
