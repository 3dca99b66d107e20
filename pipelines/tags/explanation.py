"""What each tag of a sentence depends on: ‖dy_t/dx_k‖ of every word."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...callbacks.drawing.explanations import png, tag_table
from ...layers.analysis.saliency import saliencies
from ..models import tagger
from ..models.serving import labels_in
from ..training.explanations import Explanation
from ..training.network_parts import core_in

TOKENS = 2**12  # tokens of a batch
TITLE = 100  # characters of the sentence in the title


def explain(model: keras.Model, words: Sequence[str], row: Mapping[str, Any]) -> Explanation:
    """Draw a table tag × word of what the score of each predicted tag depends on.

    Entry [t, k] is ‖dy_t/dx_k‖, where y_t is the score of the tag of word t, and x_k are the
    vectors that are looked up for word k and for its characters.

    Args:
        model: a serving model.
        words: T tokens.
        row: the prediction for them.

    Returns:
        A picture, and "importance" [T, T].
    """
    if not words:
        return Explanation(row["sentence"], None, {"importance": []})
    labels = labels_in(model)
    tags = np.array([labels.index(tag) for tag in row["tags"]])
    values = tag_gradients(model, words, tags)
    title = f"each tag's score y, by words x: {_shortened(' '.join(words))}"
    note = "‖dy/dx‖; the colours of each row are relative to its largest value"
    picture = png(tag_table(title, values, row["tags"], words, note))
    return Explanation(row["sentence"], picture, {"importance": values.tolist()})


def tag_gradients(model: keras.Model, words: Sequence[str], tags: np.ndarray) -> np.ndarray:
    """Return ‖dy_t/dx_k‖ [T, T] for the indices of T tags.

    The sentence is repeated in a batch, and each copy explains another tag.
    """
    ids = tagger.sentence_ids(tagger.tokenizer_in(model), [words])
    size, rows = max(1, TOKENS // len(words)), []
    for first in range(0, len(words), size):
        steps = np.arange(first, min(first + size, len(words)))
        places = np.stack([np.arange(len(steps)), steps, tags[steps]], axis=1)
        batch = ids.batch(np.zeros(len(steps), int), len(words))
        found = saliencies(core_in(model), batch, _picked(places))
        squares = [one.values.reshape(*one.values.shape[:2], -1) ** 2 for one in found.values()]
        rows.append(np.sqrt(sum(square.sum(axis=2) for square in squares)))
    return np.concatenate(rows)


def _picked(places: np.ndarray) -> Any:
    """Return a function from the scores [B, T, K] to those at places [B, 3]."""
    return lambda scores: tf.gather_nd(scores, places)


def _shortened(text: str) -> str:
    return text if len(text) <= TITLE else f"{text[: TITLE - 1]}…"
