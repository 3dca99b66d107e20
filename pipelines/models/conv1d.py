"""A one-dimensional convolutional network for texts (Kim 2014, "Convolutional Neural Networks for
Sentence Classification")."""

from collections.abc import Sequence
from typing import Any

import keras

from ...layers import ConvUnit1D
from .recurrent import class_probabilities


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
    """Convolutions over time, then the maximum of each filter: ids [B, T] → probabilities [B, C].

    Args:
        vocabulary_size: number of ids, with 0 for padding.
        labels: C.
        embedding: size of a word's vector, D.
        units: filters of each kernel size, F.
        layers: convolutions on top of each other, for each kernel size.
        dropout: rate after the embedding and after max pooling.
        activation: activation of the convolutions.
        kernel_sizes: widths of the convolutions, in words.
    """
    ids = keras.Input([None], dtype="int32", name="ids")
    padded = keras.ops.pad(ids, [[0, 0], [0, 1]])  # a maximum over no step is not a number
    valid = keras.ops.expand_dims(keras.ops.cast(keras.ops.not_equal(padded, 0), "float32"), -1)
    x = keras.layers.Embedding(vocabulary_size, embedding, name="embedding")(padded)
    x = keras.layers.Dropout(dropout, name="embedding_dropout")(x)  # [B, T, D]
    maxima = []
    for size in kernel_sizes:
        y = x
        for number in range(1, layers + 1):
            y = keras.ops.where(valid > 0, y, keras.ops.zeros_like(y))  # padding stays zero
            name = f"size_{size}_{number}"
            y = ConvUnit1D(units, size, activation=activation, name=name)(y)  # [B, T, F]
        maxima.append(_max_over_time(y, valid))
    x = keras.layers.Concatenate(name="largest")(maxima)
    x = keras.layers.Dropout(dropout, name="largest_dropout")(x)
    return keras.Model(ids, class_probabilities(x, labels), name="core")


def last_convolutions(network: keras.Model) -> list[str]:
    """Return the names of the last convolution of each kernel size; none for other networks."""
    names = [layer.name for layer in network.layers if isinstance(layer, ConvUnit1D)]
    return [*{name.rpartition("_")[0]: name for name in names}.values()]


def _max_over_time(y: Any, valid: Any) -> Any:
    """[B, T, F], valid [B, T, 1] → the maximum over valid steps [B, F]; 0 for an empty sequence."""
    # Not a penalty that is added: Keras 3.15 takes [1, T, 1] for a bias of [1, T, F] if T is F.
    maximum = keras.ops.max(keras.ops.where(valid > 0, y, keras.ops.full_like(y, -1e4)), axis=1)
    empty = keras.ops.equal(keras.ops.max(valid, axis=1), 0)  # [B, 1]
    return keras.ops.where(empty, keras.ops.zeros_like(maximum), maximum)
