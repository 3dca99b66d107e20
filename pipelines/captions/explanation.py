"""What a caption, and each of its words, depends on: d log p/dx of each pixel, and Grad-CAM."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ...callbacks.drawing.explanations import heat, image_sheet, overlaid, png
from ...layers import saliency
from ..image_to_text.image_store import store_images
from ..image_to_text.training import image_shape_of
from ..models.sequence_serving import target_vocabulary
from ..models.sequence_vocabulary import shift_right, target_ids
from ..training.explained_images import grad_cam_if_any, panels
from ..training.explanations import Explanation
from ..training.network_parts import core_in

COPIES = 8  # of the image in a batch, each for another word
SHOWN = 20  # words that have a picture of their own


class Gradients(NamedTuple):
    """The explanation of a caption (row 0) and of its first N words (the other rows).

    Attributes:
        scores: y, [1 + N].
        gradient: dy/dx, [1 + N, H, W, C].
        evidence: Grad-CAM of y, [1 + N, h, w]; None without a convolution.
        layer: the layer of Grad-CAM.
    """

    scores: np.ndarray
    gradient: np.ndarray
    evidence: np.ndarray | None
    layer: str


def explain(
    model: keras.Model, images: Sequence[np.ndarray], row: Mapping[str, Any]
) -> Explanation:
    """Draw what the best caption depends on, and each of its words.

    y is the log-probability of the caption, the sum of those of its words, each given the words
    before it: with E = −y, this is the loss of the training. x are the pixels, from 0 to 255.

    Args:
        model: a serving model.
        images: one image [H, W, C].
        row: the prediction for it.
    """
    text, path = row["predictions"][0][0], Path(row["path"]).absolute()
    pixels = store_images([*images], image_shape_of(model)).take([0])  # [1, H, W, C]
    found, image = caption_gradients(model, pixels, text), pixels[0].astype(np.uint8)
    sizes = np.abs(found.gradient).max(axis=-1)  # [1 + N, H, W]
    whole = None if found.evidence is None else found.evidence[0]
    height, width = image.shape[:2]
    first = panels(image, sizes[0], whole, found.layer, f"network input, {height} × {width}")
    words = [*text.split(), "(end)"]
    maps = sizes if found.evidence is None else found.evidence
    each = [
        (
            heat(values) if found.evidence is None else overlaid(image, values),
            f"{word}  {np.exp(y):.3f}",
        )
        for word, values, y in zip(words, maps[1:], found.scores[1:], strict=False)
    ]
    note = (
        f"y: the log-probability of the caption, {found.scores[0]:.2f}; below, of each word given"
        f" those before it: {'max |dy/dx|' if found.evidence is None else 'Grad-CAM'}"
    )
    if len(words) > SHOWN:
        note += f"; the first {SHOWN} words"
    return Explanation(path.stem, png(image_sheet(f"{path.name}: {text}", [first, each], note)))


def caption_gradients(model: keras.Model, pixels: np.ndarray, text: str) -> Gradients:
    """Return the gradients of the log-probability of a caption, and of each of its first words.

        y_t = log p(w_t | w_1 … w_{t-1}, image)        y_0 = Σ_t y_t

    The end of the caption counts as a word.

    Args:
        model: a serving model.
        pixels: [1, H, W, C].
        text: words of the network's vocabulary.
    """
    (ids,) = target_ids([text], target_vocabulary(model))
    if len(ids) > model.get_layer("search").longest:
        ids = ids[:-1]  # the search ended there, not the network
    chosen = np.concatenate([np.ones([1, len(ids)]), np.eye(len(ids))[:SHOWN]]).astype(np.float32)
    parts = [
        _of_sums(core_in(model), pixels, ids, chosen[first : first + COPIES])
        for first in range(0, len(chosen), COPIES)
    ]
    scores, gradients, evidence, layers = zip(*parts, strict=True)
    maps = None if evidence[0] is None else np.concatenate(evidence)
    return Gradients(np.concatenate(scores), np.concatenate(gradients), maps, layers[0])


def _of_sums(network: keras.Model, pixels: np.ndarray, ids: np.ndarray, chosen: np.ndarray) -> Any:
    """The gradients of sums of log-probabilities, one for each copy of the image.

    Args:
        pixels: [1, H, W, C].
        ids: of the words, [T].
        chosen: 1 for the words of each sum, [B, T].
    """
    read, count = shift_right(ids[None]), len(chosen)
    x = {"pixels": np.repeat(pixels, count, axis=0), "target": np.repeat(read, count, axis=0)}

    def score(outputs: Any) -> Any:
        every = tf.nn.log_softmax(outputs["next"])  # [B, T, K]
        picked = tf.gather(every, np.tile(ids, (count, 1)), batch_dims=2)  # [B, T]
        return tf.reduce_sum(chosen * picked, axis=1)

    found = saliency(network, x, score, input="pixels")
    evidence = grad_cam_if_any(network, x, score)
    maps, layer = (None, "") if evidence is None else (evidence.values, evidence.layer)
    return found.scores, found.gradient, maps, layer
