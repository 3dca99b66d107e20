"""What best.keras holds of a classifier: a network that answers in words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras


def answers(probabilities: Any, labels: Sequence[str]) -> dict[str, Any]:
    """Probabilities [B, K] → {"probabilities": [B, K], "label": [B] strings}."""
    words = keras.layers.StringLookup(
        vocabulary=list(labels), num_oov_indices=0, invert=True, name="labels"
    )
    label = words(keras.ops.argmax(probabilities, axis=-1))
    return {"probabilities": probabilities, "label": label}


def load(path: Path) -> keras.Model:
    """A packaged model from a .keras file."""
    from ... import layers  # noqa: F401 - registers what the file may name

    return keras.saving.load_model(path, compile=False)


def labels_in(package: keras.Model) -> list[str]:
    """The labels of a packaged model, in the order of its probabilities."""
    return package.get_layer("labels").get_vocabulary()
