"""Functions that standardize texts inside a model, for `keras.layers.TextVectorization`."""

from typing import Any

import keras
import tensorflow as tf

_WHITESPACE = r"[\pZ\p{Cc}]"  # also the no-break space and the like
_MARGINS = rf"^{_WHITESPACE}+|{_WHITESPACE}+$"
_SIGN = r"([^\pL\pM\pN\s])"  # neither a letter, a mark of a letter, a digit nor whitespace


@keras.saving.register_keras_serializable("errorflow")
def lower(texts: Any) -> Any:
    """Return texts in lower case, for every alphabet; Keras' own "lower" only handles ASCII.

    What is not a character, such as an invalid byte, becomes U+FFFD. So does NUL, where TensorFlow
    would end the text.
    """
    texts = tf.strings.regex_replace(texts, r"\x00", "\N{REPLACEMENT CHARACTER}")
    return tf.strings.lower(texts, encoding="utf-8")


@keras.saving.register_keras_serializable("errorflow")
def strip_and_lower(texts: Any) -> Any:
    """Return texts in lower case, without whitespace and control characters at both ends."""
    return lower(tf.strings.regex_replace(texts, _MARGINS, ""))


@keras.saving.register_keras_serializable("errorflow")
def unify_spaces(texts: Any) -> Any:
    """Return texts with a space in place of any other whitespace or control character."""
    return tf.strings.regex_replace(texts, _WHITESPACE, " ")


@keras.saving.register_keras_serializable("errorflow")
def separate_words(texts: Any) -> Any:
    """Return texts in lower case with spaces around each symbol: "It's 5." → "it ' s 5 ."

    Used as `standardize` of `keras.layers.TextVectorization`, which then splits at spaces. Keras'
    own default removes such symbols, although they carry information, as a question mark does.
    """
    return tf.strings.regex_replace(lower(unify_spaces(texts)), _SIGN, r" \1 ")
