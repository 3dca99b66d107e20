"""What the label of a text depends on: ‖dy/dx‖ of each character or word."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...callbacks.drawing.explanations import coloured_text, png
from ...layers import grad_cam
from ...layers.analysis.saliency import saliency
from ..models import bag_of_ngrams, conv1d
from ..models.serving import labels_in
from ..models.text_serving import ids_of, normalize, split_in, split_texts
from ..training.explanations import Explanation
from ..training.network_parts import core_in

TITLE = 100  # characters of the text in the title


def explain(model: keras.Model, text: str, row: Mapping[str, Any]) -> Explanation:
    """Colour a text by what the score of the predicted label depends on.

    x_k is the vector that is looked up for symbol k. To a bag of n-grams, which reads the mean of
    their vectors x_g, the gradient is the same at each: there, the importance of a symbol is
    |Σ_g dy/dx_g · x_g| over the n-grams g that contain it.

    Args:
        model: a serving model.
        text: the text.
        row: the prediction for it.

    Returns:
        A picture, and "symbols", those that the network reads, with the "importance" of each.
    """
    ids = ids_of(model, tf.constant([normalize(text)])).numpy()  # [1, T]
    split = split_in(model)
    every = split_texts([text], split)[0]
    symbols = [*every[: ids.shape[1]]]
    if not symbols:
        return Explanation(row["text"], None, {"symbols": [], "importance": []})
    network, target = core_in(model), labels_in(model).index(row["label"])
    what, importance = _importance(network, ids, target)
    rows = [(f"{what} of each {split}, y: the score of {row['label']}", importance)]
    if conv1d.last_convolutions(network):
        evidence = grad_cam_of_all_sizes(network, ids, target)
        rows.append(("Grad-CAM of the last convolutions", evidence))
    title = f"{row['label']} {row['probability']:.3f}: {_shortened(' '.join(text.split()))}"
    if len(symbols) < len(every):
        title += f" (the network reads {len(symbols):,} of {len(every):,} {split}s)"
    values = {"symbols": symbols, "importance": importance.tolist()}
    return Explanation(row["text"], png(coloured_text(title, rows, symbols)), values)


def grad_cam_of_all_sizes(network: keras.Model, ids: np.ndarray, target: int) -> np.ndarray:
    """Return Grad-CAM [T] of a text for the feature maps of all kernel sizes, side by side.

    Args:
        network: a `conv1d`.
        ids: [1, T].
        target: the index of the class.
    """
    names = conv1d.last_convolutions(network)
    signed = np.sum([grad_cam(network, ids, name, target).signed[0] for name in names], axis=0)
    return np.maximum(signed[: ids.shape[1]], 0)  # conv1d has a step of padding


def _importance(network: keras.Model, ids: np.ndarray, target: int) -> tuple[str, np.ndarray]:
    """Return what the importance of a symbol is, and that of each symbol, [T]."""
    found, steps = saliency(network, ids, target), ids.shape[1]
    if not bag_of_ngrams.is_bag(network):
        return "‖dy/dx‖", found.values[0, :steps]  # conv1d has a step of padding
    products = (found.gradient[0] * found.x[0]).sum(axis=-1)  # [N], of the n-grams
    sums = bag_of_ngrams.contains(steps, len(products)).T @ products
    return "|Σ dy/dx · x| over the n-grams", np.abs(sums)


def _shortened(text: str) -> str:
    return text if len(text) <= TITLE else f"{text[: TITLE - 1]}…"
