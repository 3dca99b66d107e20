"""Frames in, labels out: the training job, its figures, its samples."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ..core.run_folder import Run
from ..datasets.clips.clip_data import ClipData, ClipPart
from ..models.recurrent import CELLS, GATED
from ..models.serving import label_outputs, labels_in
from ..models.vision import frames_to_labels, image_encoder
from ..training import evaluation as scores
from ..training.batching import Batches
from ..training.export import CORE, Probe
from ..training.loop import Job

if TYPE_CHECKING:
    from . import ActionsConfig

BATCH = 128  # clips at once where nothing is trained
SHOWN = 20  # validation clips in TensorBoard


def make_job(run: Run, config: "ActionsConfig", data: ClipData) -> Job:
    """Network, batches, loss and metrics of a training."""
    core = network(config, data)
    package = build_serving_model(core, data.labels)
    outputs = [*core.output]
    validation = data.validation
    return Job(
        run=run,
        config=config,
        core=core,
        package=package,
        feed=_batches(data.train, config.batch_size, config.seed),
        validation=_batches(validation, BATCH, config.seed).in_order(),
        loss=dict.fromkeys(outputs, "sparse_categorical_crossentropy"),
        metrics=None,
        weighted_metrics={name: ["accuracy"] for name in outputs},
        monitor="val_loss",  # finer than accuracy
        mode="min",
        recurrent=config.model in CELLS,
        samples=lambda: sample(package, validation, data.labels, SHOWN),
        gates_on=validation.clips[:SHOWN].astype(np.float32) if config.model in GATED else None,
    )


def network(config: "ActionsConfig", data: ClipData) -> keras.Model:
    """The network that a config describes."""
    height, width, channels = data.train.clips.shape[2:]
    shape = height, width, channels * (1 + config.motion)
    picture = image_encoder(config.cnn, shape, width=config.width, features=config.features)
    stack = {"layers": config.layers} if config.model in CELLS else {}
    return frames_to_labels(
        CELLS.get(config.model),
        picture,
        labels=len(data.labels),
        frames=data.train.frame_labels is not None,
        motion=config.motion,
        units=config.units,
        dropout=config.dropout,
        **stack,
    )


def build_serving_model(core: keras.Model, labels: Sequence[str]) -> keras.Model:
    """Pixels [B, F, H, W, C] → {"probabilities": [B, K], "label": [B] strings, "frames": …}."""
    clips = keras.Input(core.input_shape[1:], name="clips")
    given = core(clips)
    frames = {name: given[name] for name in given if name != "clip"}
    return keras.Model(clips, label_outputs(given["clip"], labels) | frames, name="serving_model")


def _batches(part: ClipPart, size: int, seed: int) -> Batches:
    """Clips with the labels of clips and frames, and how much each counts."""
    count, frames = part.clips.shape[:2]

    def take(chosen: np.ndarray, length: int) -> tuple[Any, ...]:
        clips = part.clips[chosen, :length].astype(np.float32)
        ones = np.ones(len(chosen), np.float32)
        targets: dict[str, Any] = {"clip": part.labels[chosen]}
        weights: dict[str, Any] = {"clip": ones}
        if part.frame_labels is not None:
            targets["frames"] = part.frame_labels[chosen, :length]
            weights["frames"] = np.outer(ones, part.frame_weights[:length])
        return clips, targets, weights

    return Batches(np.full(count, frames), take, size, seed)


def _answers(package: keras.Model, part: ClipPart) -> dict[str, np.ndarray]:
    """What the network in a package says: "clip" [N, K] and, if any, "frames" [N, F, K]."""
    ask = tf.function(package.get_layer(CORE), reduce_retracing=True)
    given = []
    for start in range(0, len(part), BATCH):
        clips = part.clips[start : start + BATCH].astype(np.float32)
        given.append({name: p.numpy() for name, p in ask(tf.constant(clips)).items()})
    return {name: np.concatenate([batch[name] for batch in given]) for name in given[0]}


def measure(package: keras.Model, part: ClipPart, labels: list[str]) -> scores.Scores:
    """How many clips get their label, and how many frames that show something.

    `baseline` is the share of the split's most frequent label, `frame_baseline` that among frames.
    """
    given = _answers(package, part)
    found = scores.score(part.labels, given["clip"].argmax(axis=1), labels).adding(
        baseline=np.bincount(part.labels).max() / len(part)
    )
    if part.frame_labels is None or "frames" not in given:
        return found
    counts = part.frame_weights > 0
    true = part.frame_labels[:, counts]
    right = given["frames"].argmax(axis=2)[:, counts] == true
    return found.adding(
        frame_accuracy=right.mean(), frame_baseline=np.bincount(true.ravel()).max() / true.size
    )


def sample(package: keras.Model, part: ClipPart, labels: list[str], count: int = 100) -> list[dict]:
    """The first clips with what they show and what the model says, by their place in the split."""
    first = ClipPart(
        part.clips[:count],
        part.labels[:count],
        None if part.frame_labels is None else part.frame_labels[:count],
    )
    given = _answers(package, first)
    rows = []
    for place, (true, row) in enumerate(zip(first.labels, given["clip"], strict=True)):
        said = {"clip": place, "label": labels[true], "predicted": labels[row.argmax()]}
        if first.frame_labels is not None and "frames" in given:
            said["frames"] = in_runs([labels[i] for i in first.frame_labels[place]])
            frames = given["frames"][place].argmax(axis=1)
            said["frames predicted"] = in_runs([labels[i] for i in frames])
        rows.append(said)
    return rows


def in_runs(said: Sequence[str]) -> str:
    """["grow", "grow", "stay"] → grow ×2, stay ×1"""
    runs = [(label, len([*group])) for label, group in itertools.groupby(said)]
    return ", ".join(f"{label} ×{length}" for label, length in runs)


def probe(package: keras.Model) -> Probe:
    """Two clips of noise, to compare an exported network's answers on."""
    shape = package.input_shape[2:]
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, *shape)).astype(np.float32)
    return Probe(
        inputs=tf.constant(clips),
        core_inputs=clips,
        meaning={
            "input": "pixels 0 … 255",
            "shape": ["batch", "frames", *shape],
            "labels": labels_in(package),
        },
        meaning_file="input.json",
    )
