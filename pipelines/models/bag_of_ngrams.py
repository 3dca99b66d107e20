"""The feed-forward network that knows no order beyond a few neighbouring symbols."""

from collections.abc import Callable
from typing import Any

import keras

SLOTS = 2**15  # at most, in the table of n-grams; larger numbers wrap around


def bag_of_ngrams(
    *,
    vocabulary_size: int,
    labels: int,
    units: int,
    layers: int = 1,
    dropout: float = 0.0,
    activation: str | Callable = "relu",
    longest: int = 3,
) -> keras.Model:
    """A multilayer perceptron on the n-grams of a sequence: ids [B, T] → probabilities [B, C].

    The first hidden layer is φ(mean of the vectors of all n-grams of 1 … `longest` symbols): a
    dense layer on the shares of the n-grams, looked up rather than multiplied.

    Args:
        vocabulary_size: of the ids, 0 for padding included.
        labels: C.
        units, layers, activation: of the hidden layers.
        dropout: share left out after each hidden layer.
    """
    ids = keras.Input([None], dtype="int32", name="ids")
    numbers, slots = _ngram_numbers(ids, vocabulary_size, longest)
    x = keras.layers.Embedding(slots, units, mask_zero=True, name="hidden_1")(numbers)
    x = keras.layers.GlobalAveragePooling1D(name="mean")(x)  # [B, H]
    x = keras.layers.Activation(activation, name="hidden_1_activation")(x)
    x = keras.layers.Dropout(dropout, name="hidden_1_dropout")(x)
    for number in range(2, layers + 1):
        x = keras.layers.Dense(units, activation=activation, name=f"hidden_{number}")(x)
        x = keras.layers.Dropout(dropout, name=f"hidden_{number}_dropout")(x)
    y = keras.layers.Dense(labels, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(ids, y, name="core")


def _ngram_numbers(ids: Any, vocabulary_size: int, longest: int) -> tuple[Any, int]:
    """[B, T] → ([B, longest·(T + longest - 1)], size of the table); 0 where there is no n-gram.

    The n-gram (a, b, c) is number (aV + b)V + c, counted on from the numbers of shorter ones; the
    padding's 0 marks both ends of the sequence.
    """
    edge = longest - 1
    slots = min(SLOTS, sum(vocabulary_size**n for n in range(1, longest + 1)))
    ends = keras.layers.ZeroPadding1D(edge, name="ends")(keras.ops.expand_dims(ids, -1))
    padded = keras.ops.squeeze(ends, -1)  # [B, T + 2 edge]
    code = keras.ops.zeros_like(padded[:, edge:])  # [B, T + edge]
    numbers, first = [], 0
    for n in range(1, longest + 1):
        symbol = padded[:, n - 1 : n - 1 - edge or None]
        code = (code * vocabulary_size + symbol) % slots
        numbers.append(keras.ops.where(keras.ops.equal(code, 0), 0, (code + first) % slots))
        first += vocabulary_size**n
    return keras.ops.concatenate(numbers, axis=1), slots
