"""A bag of n-grams: the text baseline that ignores word order beyond neighbouring symbols."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

MAX_SLOTS = 2**15  # maximum number of rows of the n-gram table; larger numbers wrap around


def bag_of_ngrams(
    *,
    vocabulary_size: int,
    labels: int,
    units: int,
    layers: int = 1,
    dropout: float = 0.0,
    activation: str | Callable = "relu",
    max_n: int = 3,
) -> keras.Model:
    """A multilayer perceptron on the n-grams of a sequence: ids [B, T] → probabilities [B, C].

    The first hidden layer is φ(mean of the vectors of all n-grams of 1 … `max_n` symbols). This
    equals a dense layer on the relative frequencies of the n-grams, as a look-up instead of a
    matrix product.

    Args:
        vocabulary_size: number of ids, with 0 for padding.
        labels: C.
        units: size of each hidden layer.
        layers: number of hidden layers.
        dropout: rate after each hidden layer.
        activation: φ of the hidden layers.
        max_n: length of the longest n-grams.
    """
    ids = keras.Input([None], dtype="int32", name="ids")
    ngrams, slots = _ngram_numbers(ids, vocabulary_size, max_n)
    x = keras.layers.Embedding(slots, units, name="hidden_1")(ngrams)
    x = _mean(x, keras.ops.not_equal(ngrams, 0))
    x = keras.layers.Activation(activation, name="hidden_1_activation")(x)
    x = keras.layers.Dropout(dropout, name="hidden_1_dropout")(x)
    for number in range(2, layers + 1):
        x = keras.layers.Dense(units, activation=activation, name=f"hidden_{number}")(x)
        x = keras.layers.Dropout(dropout, name=f"hidden_{number}_dropout")(x)
    y = keras.layers.Dense(labels, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(ids, y, name="core")


def is_bag(network: keras.Model) -> bool:
    """Return whether a network is a bag of n-grams."""
    return any(layer.name == "hidden_1_activation" for layer in network.layers)


def contains(steps: int, ngrams: int) -> np.ndarray:
    """Return which n-grams contain which symbols, bool [N, T].

    Args:
        steps: T.
        ngrams: N = max_n·(T + max_n - 1), in the order of `_ngram_numbers`.
    """
    max_n = next(n for n in range(1, ngrams + 1) if n * (steps + n - 1) == ngrams)
    length, place = np.divmod(np.arange(ngrams), steps + max_n - 1)  # length - 1; place in padding
    first = place - (max_n - 1)  # of its symbols
    symbols = np.arange(steps)
    return (first[:, None] <= symbols) & (symbols <= (first + length)[:, None])


def _mean(vectors: Any, valid: Any) -> Any:
    """[B, N, H], valid [B, N] → the mean of the valid vectors [B, H]; 0 for an empty sequence."""
    weights = keras.ops.cast(valid, vectors.dtype)[:, :, None]
    count = keras.ops.maximum(keras.ops.sum(weights, axis=1), 1)
    return keras.ops.sum(vectors * weights, axis=1) / count


def _ngram_numbers(ids: Any, vocabulary_size: int, max_n: int) -> tuple[Any, int]:
    """Number the n-grams: [B, T] → ([B, max_n·(T + max_n - 1)], number of slots).

    In a vocabulary of V, the n-gram (a, b, c) has the number (aV + b)V + c, plus an offset for the
    shorter n-grams; 0 means no n-gram. Padding ids (0) mark both ends of the sequence.
    """
    edge = max_n - 1
    slots = min(MAX_SLOTS, sum(vocabulary_size**n for n in range(1, max_n + 1)))
    ends = keras.layers.ZeroPadding1D(edge, name="ends")(keras.ops.expand_dims(ids, -1))
    padded = keras.ops.squeeze(ends, -1)  # [B, T + 2 edge]
    code = keras.ops.zeros_like(padded[:, edge:])  # [B, T + edge]
    numbers, offset = [], 0
    for n in range(1, max_n + 1):
        symbol = padded[:, n - 1 : n - 1 - edge or None]
        code = (code * vocabulary_size + symbol) % slots
        numbers.append(keras.ops.where(keras.ops.equal(code, 0), 0, (code + offset) % slots))
        offset += vocabulary_size**n
    return keras.ops.concatenate(numbers, axis=1), slots
