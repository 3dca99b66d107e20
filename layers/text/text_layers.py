"""How a text becomes words and characters, inside a model."""

import inspect
from typing import Any

import keras
import tensorflow as tf

_BLANK = r"[\pZ\p{Cc}]"  # also the no-break space and its like
_SIGN = r"([^\pL\pM\pN\s])"  # neither letter, mark of a letter, digit nor blank
UNKNOWN = 1  # the id of what is not in a vocabulary; 0 is padding


@keras.saving.register_keras_serializable("errorflow")
def lower(texts: Any) -> Any:
    """Lower case of every alphabet, where Keras' own "lower" knows only that of ASCII."""
    return tf.strings.lower(texts, encoding="utf-8")


@keras.saving.register_keras_serializable("errorflow")
def separate_words(texts: Any) -> Any:
    """Lower case, with blanks around every sign: "It's 5." → "it ' s 5 ."

    For `standardize` of `keras.layers.TextVectorization`, which then splits at blanks. Keras' own
    choice throws signs away, and with them what a question or an email begins with.
    """
    texts = tf.strings.regex_replace(lower(texts), _BLANK, " ")
    return tf.strings.regex_replace(texts, _SIGN, r" \1 ")


@keras.saving.register_keras_serializable("errorflow")
class Characters(keras.layers.Layer):
    """Strings [B] of words with blanks between → ids of their characters [B, T, C].

    0 behind the end of a word, 1 for an unknown character. Words are cut to `longest` characters.

    Args:
        vocabulary: the known characters, from id 2 on.
        longest: C at most.
    """

    def __init__(self, vocabulary: list[str], longest: int, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary, self.longest = list(vocabulary), longest
        self.lookup = keras.layers.StringLookup(vocabulary=self.vocabulary, mask_token="")

    def build(self, input_shape):
        self.lookup.build(input_shape)
        self.built = True

    def call(self, texts):
        words = tf.strings.split(texts)  # [B, (T)]
        characters = tf.strings.unicode_split(words, "UTF-8")  # [B, (T), (C)]
        return self.lookup(characters.to_tensor()[:, :, : self.longest])

    def compute_output_spec(self, texts):
        return keras.KerasTensor([*texts.shape, None, None], "int64")

    def get_config(self):
        own = {"vocabulary": self.vocabulary, "longest": self.longest}
        return super().get_config() | own


@keras.saving.register_keras_serializable("errorflow")
class WordDropout(keras.layers.Layer):
    """Takes some words for unknown ones in training, so that the unknown one is learned too.

    ids [B, T] → ids [B, T], where a share `rate` of those that are no padding has become 1.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, ids, training=False):
        if not training or not self.rate:
            return ids
        chance = keras.random.uniform(keras.ops.shape(ids), seed=self.seed_generator)
        gone = keras.ops.logical_and(chance < self.rate, ids > UNKNOWN)
        return keras.ops.where(gone, keras.ops.full_like(ids, UNKNOWN), ids)

    def get_config(self):
        return super().get_config() | {"rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable("errorflow")
class Reverse(keras.layers.Layer):
    """Sequences [B, T, …] from their end to their beginning; padding stays behind.

    Call arguments:
        sequences: [B, T, …]. valid: [B, T] bool, False where padding is.
    """

    def call(self, sequences, valid):
        lengths = tf.reduce_sum(tf.cast(valid, tf.int32), axis=1)
        return tf.reverse_sequence(sequences, lengths, seq_axis=1)

    def compute_output_spec(self, sequences, valid):
        return keras.KerasTensor(sequences.shape, sequences.dtype)


@keras.saving.register_keras_serializable("errorflow")
class InPlaceOf(keras.layers.Layer):
    """Symbols' vectors [B, T, D], where that of one symbol has given its place to another vector.

    Args:
        symbol: its id.

    Call arguments:
        vectors: [B, T, D]. ids: [B, T], of the symbols. instead: [B, D].
    """

    def __init__(self, symbol: int, **kwargs):
        super().__init__(**kwargs)
        self.symbol = symbol
        self.supports_masking = True

    def call(self, vectors, ids, instead):
        return keras.ops.where((ids == self.symbol)[:, :, None], instead[:, None], vectors)

    def compute_output_spec(self, vectors, ids, instead):
        return keras.KerasTensor(vectors.shape, vectors.dtype)

    def get_config(self):
        return super().get_config() | {"symbol": self.symbol}


@keras.saving.register_keras_serializable("errorflow")
class Spelling(keras.layers.Layer):
    """ids [..., T] → strings [...]: symbols one after the other, `between` between them.

    Args:
        vocabulary: the symbols, from id `first` on; smaller ids are left out.
    """

    def __init__(self, vocabulary: list[str], between: str, first: int, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary, self.between, self.first = list(vocabulary), between, first

    def call(self, ids):
        shape = tf.shape(ids)
        flat = tf.reshape(ids, [-1, shape[-1]])
        kept = tf.ragged.boolean_mask(flat, flat >= self.first)
        symbols = tf.gather(tf.constant(self.vocabulary), kept - self.first)
        texts = tf.strings.reduce_join(symbols, axis=-1, separator=self.between)
        return tf.reshape(texts, shape[:-1])

    def compute_output_spec(self, ids):
        return keras.KerasTensor(ids.shape[:-1], "string")

    def get_config(self):
        own = {"vocabulary": self.vocabulary, "between": self.between, "first": self.first}
        return super().get_config() | own


@keras.saving.register_keras_serializable("errorflow")
class EachStep(keras.layers.Wrapper):
    """A layer at each time step by itself: [B, T, …] → the layer on [B·T, …] → [B, T, …].

    As `keras.layers.TimeDistributed`, whose loop over time steps this does without: to the layer,
    steps are further examples.
    """

    def __init__(self, layer: keras.Layer, **kwargs):
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        if not self.layer.built:  # as it is when it was loaded from a file
            self.layer.build((None, *input_shape[2:]))
        self.built = True

    def call(self, inputs, training=None, mask=None):
        shape = tf.shape(inputs)[:2]

        def fold(tensor):
            return tf.reshape(tensor, [-1, *_known(tensor, 2)])

        options = {"mask": fold(mask)} if mask is not None and _takes_mask(self.layer) else {}
        outputs = self.layer(fold(inputs), training=training, **options)
        return tf.reshape(outputs, [*tf.unstack(shape), *_known(outputs, 1)])

    def compute_output_spec(self, inputs, training=None, mask=None):
        inside = self.layer.compute_output_shape((None, *inputs.shape[2:]))
        return keras.KerasTensor([*inputs.shape[:2], *inside[1:]], self.compute_dtype)

    def compute_mask(self, inputs, mask=None):
        return None if mask is None else keras.ops.any(mask, axis=2)


def _takes_mask(layer):
    return "mask" in inspect.signature(layer.call).parameters


def _known(tensor, first):
    """The dimensions from `first` on, static where they are known."""
    dynamic = tf.shape(tensor)
    return [size or dynamic[first + i] for i, size in enumerate(tensor.shape[first:])]
