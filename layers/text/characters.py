"""Words as sequences of characters."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("errorflow")
class Characters(keras.layers.Layer):
    """Encode the characters of words: strings [B], words separated by spaces → ids [B, T, C].

    The id is 0 after the end of a word and 1 for an unknown character.

    Args:
        vocabulary: the known characters; their ids start at 2.
        longest: the largest C; longer words are cut.
    """

    def __init__(self, vocabulary: list[str], longest: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.vocabulary, self.longest = list(vocabulary), longest
        self.lookup = keras.layers.StringLookup(vocabulary=self.vocabulary, mask_token="")

    def build(self, input_shape: Any) -> None:
        self.lookup.build(input_shape)
        self.built = True

    def call(self, texts: Any) -> Any:
        words = tf.strings.split(texts)  # [B, (T)]
        characters = tf.strings.unicode_split(words, "UTF-8")  # [B, (T), (C)]
        return self.lookup(characters.to_tensor()[:, :, : self.longest])

    def compute_output_spec(self, texts: Any) -> keras.KerasTensor:
        return keras.KerasTensor([*texts.shape, None, None], "int64")

    def get_config(self) -> dict[str, Any]:
        own = {"vocabulary": self.vocabulary, "longest": self.longest}
        return super().get_config() | own
