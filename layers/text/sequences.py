"""Layers on sequences of symbols and of their vectors."""

from typing import Any

import keras
import tensorflow as tf

from .symbols import UNKNOWN


@keras.saving.register_keras_serializable("errorflow")
class WordDropout(keras.layers.Layer):
    """Replace some words by the unknown word in training, so that its vector is learned too.

    ids [B, T] → ids [B, T].

    Args:
        rate: the share of the ids above 1 that are replaced by 1.
        seed: the seed of the random choice.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, ids: Any, training: bool = False) -> Any:
        if not training or not self.rate:
            return ids
        uniform = keras.random.uniform(keras.ops.shape(ids), seed=self.seed_generator)
        dropped = keras.ops.logical_and(uniform < self.rate, ids > UNKNOWN)
        return keras.ops.where(dropped, keras.ops.full_like(ids, UNKNOWN), ids)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable("errorflow")
class Reverse(keras.layers.Layer):
    """Reverse sequences [B, T, …] in time; the padding stays at the end.

    Call arguments:
        sequences: [B, T, …].
        valid: [B, T] bool, False where the padding is.
    """

    def call(self, sequences: Any, valid: Any) -> Any:
        lengths = tf.reduce_sum(tf.cast(valid, tf.int32), axis=1)
        return tf.reverse_sequence(sequences, lengths, seq_axis=1)

    def compute_output_spec(self, sequences: Any, valid: Any) -> keras.KerasTensor:
        return keras.KerasTensor(sequences.shape, sequences.dtype)


@keras.saving.register_keras_serializable("errorflow", name="InPlaceOf")
class ReplaceSymbol(keras.layers.Layer):
    """Replace the vector of one symbol in a sequence by another vector.

    Args:
        symbol: the id of the symbol.

    Call arguments:
        vectors: [B, T, D], of the symbols.
        ids: [B, T], of the symbols.
        instead: [B, D], the vector that replaces that of `symbol`.
    """

    def __init__(self, symbol: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.symbol = symbol
        self.supports_masking = True

    def call(self, vectors: Any, ids: Any, instead: Any) -> Any:
        return keras.ops.where((ids == self.symbol)[:, :, None], instead[:, None], vectors)

    def compute_output_spec(self, vectors: Any, ids: Any, instead: Any) -> keras.KerasTensor:
        return keras.KerasTensor(vectors.shape, vectors.dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"symbol": self.symbol}


@keras.saving.register_keras_serializable("errorflow", name="Spelling")
class Detokenizer(keras.layers.Layer):
    """Join symbols to texts: ids [..., T] → strings [...].

    Args:
        vocabulary: the symbols; their ids start at `first`, and smaller ids are left out.
        between: the separator, such as " " for words and "" for characters.
    """

    def __init__(self, vocabulary: list[str], between: str, first: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.vocabulary, self.between, self.first = list(vocabulary), between, first

    def call(self, ids: Any) -> Any:
        shape = tf.shape(ids)
        flat = tf.reshape(ids, [-1, shape[-1]])
        symbol_ids = tf.ragged.boolean_mask(flat, flat >= self.first)
        symbols = tf.gather(tf.constant(self.vocabulary), symbol_ids - self.first)
        texts = tf.strings.reduce_join(symbols, axis=-1, separator=self.between)
        return tf.reshape(texts, shape[:-1])

    def compute_output_spec(self, ids: Any) -> keras.KerasTensor:
        return keras.KerasTensor(ids.shape[:-1], "string")

    def get_config(self) -> dict[str, Any]:
        own = {"vocabulary": self.vocabulary, "between": self.between, "first": self.first}
        return super().get_config() | own
