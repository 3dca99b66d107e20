"""What stands around a network on character ids so that it takes strings and answers in words."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import keras
import numpy as np

from .packages import answers


def normal(text: str) -> str:
    """One spelling for one text: Unicode's composed form, lower case."""
    return unicodedata.normalize("NFC", text.strip()).lower()


def vocabulary_of(texts: Iterable[str]) -> list[str]:
    """The characters that come at least twice, so that the unknown one is trained too."""
    seen = Counter(character for text in texts for character in normal(text))
    return sorted(character for character, count in seen.items() if count > 1)


def vectorizer(vocabulary: Sequence[str]) -> keras.layers.TextVectorization:
    """Strings [B] → character ids [B, T]: 0 is padding, 1 any unknown character."""
    return keras.layers.TextVectorization(
        standardize="lower", split="character", vocabulary=list(vocabulary), name="characters"
    )


def vectorize(texts: Sequence[str], vocabulary: Sequence[str]) -> np.ndarray:
    """Texts → ids [N, T]."""
    return vectorizer(vocabulary)([normal(text) for text in texts]).numpy().astype(np.int32)


def package(core: keras.Model, vocabulary: Sequence[str], labels: Sequence[str]) -> keras.Model:
    """Strings [B] → {"probabilities": [B, C], "label": [B] strings}, around ids → probabilities."""
    texts = keras.Input([], dtype="string", name="texts")
    probabilities = core(vectorizer(vocabulary)(texts))
    return keras.Model(texts, answers(probabilities, labels), name="package")


def vocabulary_in(package: keras.Model) -> list[str]:
    """The characters a packaged model knows, from id 2 on."""
    return package.get_layer("characters").get_vocabulary()[2:]


def probabilities(package: keras.Model, texts: Sequence[str], batch: int = 1024) -> np.ndarray:
    """What a packaged model says of the texts, [N, C]."""
    import tensorflow as tf

    ask = tf.function(lambda part: package(part)["probabilities"], reduce_retracing=True)
    parts = [texts[i : i + batch] for i in range(0, len(texts), batch)]
    return np.concatenate([ask(tf.constant([normal(t) for t in part])).numpy() for part in parts])
