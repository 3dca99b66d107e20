"""Recurrent networks in the functional API, by network type.

Layers have systematic names: embedding, rnn_1, rnn_2 …, probabilities; what looks on while a model
trains calls them by these.
"""

from collections.abc import Callable
from typing import Any

import keras

from ...layers import GRU, LSTM, SimpleRNN

CELLS: dict[str, Callable[..., Any]] = {"rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}


def sequence_to_label(
    recurrent: Callable[..., Any],
    *,
    vocabulary_size: int,
    labels: int,
    embedding: int,
    units: int,
    layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    every_step: bool = False,
    **arguments: Any,
) -> keras.Model:
    """Reads a sequence to its end and answers once: ids [B, T] → probabilities [B, C].

    Args:
        recurrent: a recurrent layer class, of errorflow or of Keras.
        vocabulary_size: of the ids, 0 for padding included.
        labels: C.
        embedding: size of a symbol's vector.
        units, layers, bidirectional: of the recurrent layers.
        dropout: share left out of the embeddings and of what each recurrent layer puts out.
        every_step: answer after every step, [B, T, C]; the weights are those of the same network.
        **arguments: for the recurrent layer.
    """
    ids = keras.Input([None], dtype="int32", name="ids")
    x = keras.layers.Embedding(vocabulary_size, embedding, mask_zero=True, name="embedding")(ids)
    x = keras.layers.Dropout(dropout, name="embedding_dropout")(x)  # [B, T, D]
    for number in range(1, layers + 1):
        sequences = every_step or number < layers
        layer = recurrent(units, return_sequences=sequences, name=f"rnn_{number}", **arguments)
        if bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"rnn_{number}")
        x = layer(x)  # [B, T, H], the last one [B, H]
        x = keras.layers.Dropout(dropout, name=f"rnn_{number}_dropout")(x)
    y = _probabilities(labels)(x)
    return keras.Model(ids, y, name="core")


def _probabilities(labels: int) -> keras.layers.Layer:
    """softmax in float32, whatever the rest computes in."""
    return keras.layers.Dense(labels, activation="softmax", dtype="float32", name="probabilities")
