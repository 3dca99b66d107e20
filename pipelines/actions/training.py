"""Actions: the training of a network, and its evaluation."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..datasets.clips.clip_data import ClipData, ClipSplit
from ..models.recurrent import CELLS, GATED, recurrent_layer
from ..models.serving import label_outputs, labels_in, make_serving_model, traced
from ..models.vision import frames_to_labels, image_encoder
from ..training.batching import Batches
from ..training.class_weights import balanced_loss
from ..training.evaluation import Scores, score_labels
from ..training.export import ExportInputs, Steps
from ..training.export_steps import decoded_image, label_steps, resized_image
from ..training.few_examples import fit
from ..training.network_parts import CORE
from ..training.spec import TrainingSpec
from .config import ActionsConfig

BATCH = 128  # clips per batch of an evaluation
LARGEST_BATCH = 32  # of a training, unless --batch-size is larger
SHOWN = 20  # validation clips in TensorBoard


def build_training(config: ActionsConfig, data: ClipData) -> TrainingSpec:
    """Return the network, batches, loss and metrics of a training."""
    network, settings = build_network(config, data), config.optimisation
    served = build_serving_model(network, data.labels)
    outputs, validation, model = [*network.output], data.validation, config.network.model
    labels = {"clip": data.train.labels, "frames": data.train.counted_frame_labels}
    count = len(data.labels)
    fitted = fit(
        settings.batch_size,
        len(data.train),
        largest=LARGEST_BATCH,
        epochs=ActionsConfig().optimisation.epochs,
    )
    return TrainingSpec(
        network=network,
        serving_model=served,
        train_data=clip_batches(data.train, fitted.batch_size, settings.seed, fitted.passes),
        validation_data=clip_batches(validation, BATCH, settings.seed).in_order(),
        loss={name: balanced_loss(labels[name], settings.balance, count) for name in outputs},
        metrics=None,
        weighted_metrics={name: ["accuracy"] for name in outputs},
        monitor="val_loss",  # finer than accuracy
        mode="min",
        is_recurrent=model in CELLS,
        sample_predictions=lambda: sample_predictions(served, validation, data.labels, SHOWN),
        gates_batch=validation.clips[:SHOWN].astype(np.float32) if model in GATED else None,
    )


def build_network(config: ActionsConfig, data: ClipData) -> keras.Model:
    """Build the network of a config."""
    settings, (frames, height, width, channels) = config.network, data.train.clips.shape[1:]
    shape = height, width, channels * (1 + settings.motion)
    encoder = image_encoder(
        settings.cnn,
        shape,
        width=settings.width,
        features=settings.features,
        weights=settings.weights,
        frozen=settings.freeze,
        motion=settings.motion,
    )
    layer, stack = None, {}
    if settings.model in CELLS:
        seed = config.optimisation.seed
        layer = recurrent_layer(settings.model, config.recurrent, longest=frames, seed=seed)
        stack = {"layers": settings.layers, "normalization": config.recurrent.normalization}
    return frames_to_labels(
        layer,
        encoder,
        labels=len(data.labels),
        frames=data.train.frame_labels is not None,
        motion=settings.motion,
        units=settings.units,
        dropout=settings.dropout,
        **stack,
    )


def build_serving_model(network: keras.Model, labels: Sequence[str]) -> keras.Model:
    """Pixels [B, F, H, W, C] → {"probabilities": [B, K], "label": [B] strings, "frames": …}."""
    clips = keras.Input(network.input_shape[1:], name="clips")

    def answer(clips: Any) -> dict[str, Any]:
        outputs = network(clips)
        frames = {name: outputs[name] for name in outputs if name != "clip"}
        return label_outputs(outputs["clip"], labels) | frames

    return make_serving_model(clips, answer)


def clip_batches(split: ClipSplit, size: int, seed: int, passes: int = 1) -> Batches:
    """Return batches of clips with the labels of clips and frames, and their weights."""
    count, frames = split.clips.shape[:2]

    def take(chosen: np.ndarray, length: int) -> tuple[Any, ...]:
        clips = split.clips[chosen, :length].astype(np.float32)
        ones = np.ones(len(chosen), np.float32)
        targets: dict[str, Any] = {"clip": split.labels[chosen]}
        weights: dict[str, Any] = {"clip": ones}
        if split.frame_labels is not None:
            targets["frames"] = split.frame_labels[chosen, :length]
            weights["frames"] = np.outer(ones, split.frame_weights[:length])
        return clips, targets, weights

    return Batches(np.full(count, frames), take, size, seed, passes=passes)


def _probabilities(serving_model: keras.Model, split: ClipSplit) -> dict[str, np.ndarray]:
    """Return the probabilities "clip" [N, K] and, if frames have labels, "frames" [N, F, K]."""
    call = traced(serving_model.get_layer(CORE))
    batches = []
    for start in range(0, len(split), BATCH):
        clips = split.clips[start : start + BATCH].astype(np.float32)
        batches.append({name: p.numpy() for name, p in call(tf.constant(clips)).items()})
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def evaluate(serving_model: keras.Model, split: ClipSplit, labels: list[str]) -> Scores:
    """Return accuracy, macro-F1 and confusion matrix of clips; the former of frames with a weight.

    `baseline` and `frame_baseline` are the accuracies of always predicting the most frequent label.
    """
    outputs = _probabilities(serving_model, split)
    scores = score_labels(split.labels, outputs["clip"].argmax(axis=1), labels).with_figures(
        baseline=np.bincount(split.labels).max() / len(split)
    )
    if split.frame_labels is None or "frames" not in outputs:
        return scores
    true = split.counted_frame_labels.ravel()
    predicted = outputs["frames"].argmax(axis=2)[:, split.frame_weights > 0].ravel()
    of_frames = score_labels(true, predicted, labels).figures
    return scores.with_figures(
        frame_accuracy=of_frames["accuracy"],
        frame_macro_f1=of_frames["macro_f1"],
        frame_baseline=np.bincount(true).max() / true.size,
    )


def sample_predictions(
    serving_model: keras.Model, split: ClipSplit, labels: list[str], count: int = 100
) -> list[dict[str, Any]]:
    """Return the first clips, by their place in the split, with true and predicted labels."""
    first = ClipSplit(
        split.clips[:count],
        split.labels[:count],
        None if split.frame_labels is None else split.frame_labels[:count],
    )
    outputs = _probabilities(serving_model, first)
    rows = []
    for place, (label, row) in enumerate(zip(first.labels, outputs["clip"], strict=True)):
        shown = {"clip": place, "label": labels[label], "predicted": labels[row.argmax()]}
        if first.frame_labels is not None and "frames" in outputs:
            shown["frames"] = in_runs([labels[i] for i in first.frame_labels[place]])
            predicted = outputs["frames"][place].argmax(axis=1)
            shown["frames predicted"] = in_runs([labels[i] for i in predicted])
        rows.append(shown)
    return rows


def in_runs(labels: Sequence[str]) -> str:
    """Shorten repeated labels: ["grow", "grow", "stay"] → "grow ×2, stay ×1"."""
    runs = [(label, len([*group])) for label, group in itertools.groupby(labels)]
    return ", ".join(f"{label} ×{length}" for label, length in runs)


def export_inputs(serving_model: keras.Model) -> ExportInputs:
    """Return two clips of noise, to compare an exported model's outputs on."""
    shape = height, width, channels = serving_model.input_shape[2:]
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, *shape)).astype(np.float32)
    return ExportInputs(
        inputs=tf.constant(clips),
        meaning={
            "input": "pixels 0 … 255",
            "shape": ["batch", "frames", *shape],
            "labels": labels_in(serving_model),
        },
        meaning_file="input.json",
        steps=Steps(
            outside=(
                decoded_image(channels),
                resized_image(
                    height, width, interpolation="area in video files, bilinear in others"
                ),
            ),
            after=label_steps("clip"),
        ),
    )
