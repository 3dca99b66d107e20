"""The one-dimensional convolutional network for texts (Kim 2014)."""

from collections.abc import Sequence
from typing import Any

import keras

from ...layers import ConvUnit1D
from .recurrent import probabilities


def conv1d(
    *,
    vocabulary_size: int,
    labels: int,
    embedding: int,
    units: int,
    layers: int = 1,
    dropout: float = 0.0,
    activation: Any = "relu",
    kernel_sizes: Sequence[int] = (3, 4, 5),
) -> keras.Model:
    """Convolutions over time, of each filter the largest value: ids [B, T] → probabilities [B, C].

    Args:
        vocabulary_size: of the ids, 0 for padding included.
        labels: C.
        embedding: size of a word's vector.
        units: filters of each kernel size. layers: convolutions on top of each other, of each size.
        dropout: share left out of the embeddings and of the largest values.
        activation: of the convolutions.
        kernel_sizes: words that a filter sees at once.
    """
    ids = keras.Input([None], dtype="int32", name="ids")
    words = keras.ops.expand_dims(keras.ops.cast(keras.ops.not_equal(ids, 0), "float32"), -1)
    x = keras.layers.Embedding(vocabulary_size, embedding, name="embedding")(ids)
    x = keras.layers.Dropout(dropout, name="embedding_dropout")(x)  # [B, T, D]
    empty = keras.ops.equal(keras.ops.max(words, axis=1), 0)  # [B, 1]; nothing to be found there
    found = []
    for size in kernel_sizes:
        y = x
        for number in range(1, layers + 1):
            y = keras.ops.where(words > 0, y, keras.ops.zeros_like(y))  # padding is no word
            name = f"size_{size}_{number}"
            y = ConvUnit1D(units, size, activation=activation, name=name)(y)  # [B, T, F]
        least = keras.ops.cast((words - 1) * 1e4, y.dtype)  # what is behind the end wins nowhere
        largest = keras.ops.max(y + least, axis=1)
        found.append(keras.ops.where(empty, keras.ops.zeros_like(largest), largest))
    x = keras.layers.Concatenate(name="largest")(found)
    x = keras.layers.Dropout(dropout, name="largest_dropout")(x)
    return keras.Model(ids, probabilities(x, labels), name="core")
