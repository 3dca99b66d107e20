"""What stands around a network on ids so that it takes strings and answers in words.

A text is a sequence of characters, of words or of phones; `split` says which. Characters and words
are in lower case, and every sign is a word; phones are whatever has blanks around it, as it stands.
"""

import functools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import keras
import numpy as np

from ...layers.text.text_layers import separate_words
from .serving import answers

Split = Literal["character", "word", "phone"]


def normal(text: str, split: Split = "character") -> str:
    """One spelling for one text: Unicode's composed form and, but for phones, lower case."""
    spelled = unicodedata.normalize("NFC", text.strip())
    return spelled if split == "phone" else spelled.lower()


def vocabulary_of(texts: Iterable[str], split: Split, most: int | None = None) -> list[str]:
    """The symbols that come at least twice, so that the unknown one is trained too.

    Words the most frequent first, others in their order; `most` at most.
    """
    seen = Counter(symbol for text in symbols(texts, split) for symbol in text)
    known = [symbol for symbol, count in seen.most_common(most) if count > 1]
    return known if split == "word" else sorted(known)


def symbols(texts: Iterable[str], split: Split) -> Sequence[Sequence[str]]:
    """The characters, words or phones of each text."""
    spelled = [normal(text, split) for text in texts]
    if split != "word":
        return spelled if split == "character" else [text.split() for text in spelled]
    return [text.decode().split() for text in separate_words(spelled).numpy()]


def vectorizer(vocabulary: Sequence[str], split: Split) -> keras.layers.TextVectorization:
    """Strings [B] → ids [B, T]: 0 is padding, 1 any unknown symbol."""
    ways = {
        "character": ("lower", "character"),
        "word": (separate_words, "whitespace"),
        "phone": (None, "whitespace"),
    }
    standardize, at = ways[split]
    return keras.layers.TextVectorization(
        standardize=standardize, split=at, vocabulary=list(vocabulary), name=f"{split}s"
    )


def vectorize(
    texts: Sequence[str], vocabulary: Sequence[str], split: Split, longest: int | None = None
) -> np.ndarray:
    """Texts → ids [N, T], at most the first `longest` symbols of each."""
    ids: Any = vectorizer(vocabulary, split)([normal(text, split) for text in texts])
    return ids[:, :longest].numpy().astype(np.int32)


def lengths(texts: Sequence[str], split: Split) -> np.ndarray:
    """How many symbols each text has, [N]."""
    return np.array([len(text) for text in symbols(texts, split)])


def package(
    core: keras.Model,
    vocabulary: Sequence[str],
    labels: Sequence[str],
    split: Split,
    longest: int | None = None,
) -> keras.Model:
    """Strings [B] → {"probabilities": [B, C], "label": [B] strings}, around ids → probabilities.

    Longer texts are cut to the first `longest` symbols.
    """
    texts = keras.Input([], dtype="string", name="texts")
    ids = vectorizer(vocabulary, split)(texts)
    probabilities = core(ids if longest is None else ids[:, :longest])
    return keras.Model(texts, answers(probabilities, labels), name="package")


def split_in(package: keras.Model) -> Split:
    """What a packaged model takes texts as."""
    names = [layer.name for layer in package.layers]
    return next(split for split in get_args(Split) if f"{split}s" in names)


def vocabulary_in(package: keras.Model) -> list[str]:
    """The symbols a packaged model knows, from id 2 on."""
    return package.get_layer(f"{split_in(package)}s").get_vocabulary()[2:]


def probabilities(package: keras.Model, texts: Sequence[str], batch: int = 256) -> np.ndarray:
    """What a packaged model says of the texts, [N, C]; texts of like length share a batch."""
    import tensorflow as tf

    order = np.argsort([len(text) for text in texts], kind="stable")
    parts = [order[i : i + batch] for i in range(0, len(order), batch)]
    ask, given = _asking(package), {}
    for part in parts:
        rows = ask(tf.constant([normal(texts[int(i)]) for i in part])).numpy()
        given |= dict(zip(part, rows, strict=True))
    return np.stack([given[i] for i in range(len(texts))])


@functools.lru_cache(maxsize=2)
def _asking(package: keras.Model):
    """Traced once for a model, however often it is asked."""
    import tensorflow as tf

    return tf.function(lambda part: package(part)["probabilities"], reduce_retracing=True)
