"""Serving models on texts: strings in, labels out; and the tokenisation of texts.

A text is a sequence of characters, words or phones, depending on `split`. Characters and words are
in lower case, and each punctuation mark is a word. Phones are separated by spaces and not changed.
"""

import functools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, get_args

import keras
import numpy as np

from ...layers.text.standardization import separate_words, strip_and_lower, unify_spaces
from ..core.errors import UserError
from ..datasets.ragged import Ragged, ragged
from ..datasets.utf8 import without_surrogates
from .serving import label_outputs, make_serving_model, traced

PART = 2**23  # characters, with padding, that are split into symbols at a time
Split = Literal["character", "word", "phone"]
_BLANKS = "".join(  # whitespace and control characters, as `strip_and_lower` knows them
    chr(i) for i in range(0x3001) if unicodedata.category(chr(i)) in ("Zs", "Zl", "Zp", "Cc")
)


def normalize(text: str, split: Split = "character") -> str:
    """Return the text in Unicode's composed form and, except for phones, in lower case."""
    composed = unicodedata.normalize("NFC", without_surrogates(text).strip(_BLANKS))
    return composed if split == "phone" else composed.lower()


def build_vocabulary(texts: Iterable[str], split: Split, max_size: int | None = None) -> list[str]:
    """Return the symbols that occur at least twice.

    Rarer ones become the unknown symbol, so that it is trained too. Words are ordered by frequency,
    characters and phones by their code points.

    Args:
        texts: the training texts.
        split: the kind of symbols.
        max_size: maximum number of symbols; the most frequent ones are kept.

    Raises:
        UserError: none occurs twice.
    """
    counts: Counter[str] = Counter()
    for symbols in each_split(texts, split):
        counts.update(symbols)
    vocabulary = [symbol for symbol, count in counts.most_common(max_size) if count > 1]
    if not vocabulary:
        raise UserError(f"no {split} comes twice in the training texts: more of them are needed")
    return vocabulary if split == "word" else sorted(vocabulary)


def split_texts(texts: Iterable[str], split: Split) -> list[Sequence[str]]:
    """Return the characters, words or phones of each text."""
    return [*each_split(texts, split)]


def each_split(texts: Iterable[str], split: Split) -> Iterator[Sequence[str]]:
    """Yield the characters, words or phones of each text, of any number of texts."""
    normalized = (normalize(text, split) for text in texts)
    if split == "character":
        yield from normalized
    elif split == "phone":
        yield from (text.split() for text in normalized)
    else:
        for part in _parts(normalized):
            yield from (text.decode().split() for text in separate_words(part).numpy())


def vectorizer(vocabulary: Sequence[str], split: Split) -> keras.layers.TextVectorization:
    """Return a layer: strings [B] → ids [B, T]; 0 is padding, 1 any unknown symbol."""
    options: dict[Split, tuple[Any, str]] = {
        "character": (strip_and_lower, "character"),
        "word": (separate_words, "whitespace"),
        "phone": (unify_spaces, "whitespace"),
    }
    standardize, separator = options[split]
    return keras.layers.TextVectorization(
        standardize=standardize, split=separator, vocabulary=list(vocabulary), name=f"{split}s"
    )


def vectorize(
    texts: Iterable[str], vocabulary: Sequence[str], split: Split, max_length: int | None = None
) -> np.ndarray:
    """Return the ids [N, T] of a few texts, cut to the first `max_length` symbols."""
    ids = encode(texts, vocabulary, split, max_length)
    return ids.padded(np.arange(len(ids)), int(max(ids.lengths.max(initial=0), 1)))


def encode(
    texts: Iterable[str], vocabulary: Sequence[str], split: Split, max_length: int | None = None
) -> Ragged:
    """Return the ids of the symbols of texts, cut to the first `max_length` symbols.

    Raises:
        UserError: the disk has no room for them.
    """
    layer: Any = vectorizer(vocabulary, split)

    def parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for part in _parts(normalize(text, split) for text in texts):
            ids = layer(part)[:, :max_length].numpy().astype(np.int32)
            yield ids[ids != 0], (ids != 0).sum(axis=1)

    return ragged(parts())


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield texts in parts: those of a part are padded to its longest text, in much memory."""
    part: list[str] = []
    longest = 0
    for text in texts:
        if part and max(longest, len(text)) * (len(part) + 1) > PART:
            yield part
            part, longest = [], 0
        part.append(text)
        longest = max(longest, len(text))
    if part:
        yield part


def lengths(texts: Iterable[str], split: Split) -> np.ndarray:
    """Return the number of symbols in each text, [N]."""
    return np.fromiter(map(len, each_split(texts, split)), np.int64)


def build_serving_model(
    core: keras.Model,
    vocabulary: Sequence[str],
    labels: Sequence[str],
    split: Split,
    max_length: int | None = None,
) -> keras.Model:
    """Strings [B] → {"probabilities": [B, C], "label": [B] strings}.

    Args:
        core: the trained network, ids [B, T] → probabilities [B, C].
        vocabulary: its symbols, from id 2 on.
        labels: C names.
        split: the symbols of a text.
        max_length: longer texts are cut to this number of symbols.
    """
    texts = keras.Input([], dtype="string", name="texts")

    def answer(texts: Any) -> dict[str, Any]:
        ids = vectorizer(vocabulary, split)(texts)
        probabilities = core(ids if max_length is None else ids[:, :max_length])
        return label_outputs(probabilities, labels)

    return make_serving_model(texts, answer)


def split_in(serving_model: keras.Model) -> Split:
    """Return how a serving model splits its texts."""
    names = [layer.name for layer in serving_model.layers]
    return next(split for split in get_args(Split) if f"{split}s" in names)


def vocabulary_in(serving_model: keras.Model) -> list[str]:
    """Return the vocabulary of a serving model, from id 2 on."""
    return serving_model.get_layer(f"{split_in(serving_model)}s").get_vocabulary()[2:]


def ids_of(serving_model: keras.Model, texts: Any) -> Any:
    """Return the ids [B, T] that the network inside a serving model reads for strings [B]."""
    return _reader(serving_model)(texts)


@functools.lru_cache(maxsize=4)
def _reader(serving_model: keras.Model) -> keras.Model:
    steps = serving_model.operations  # one after the other: also the cut to the longest text
    core = next(place for place, step in enumerate(steps) if isinstance(step, keras.Model))
    return keras.Model(serving_model.input, steps[core - 1].output)


def predict_probabilities(
    serving_model: keras.Model, texts: Sequence[str], batch_size: int = 256
) -> np.ndarray:
    """Return the probabilities [N, C] of texts; texts of similar length share a batch."""
    import tensorflow as tf

    order = np.argsort([len(text) for text in texts], kind="stable")
    predict = traced(serving_model)
    rows = []
    for start in range(0, len(order), batch_size):
        batch = [normalize(texts[int(i)]) for i in order[start : start + batch_size]]
        rows.append(predict(tf.constant(batch))["probabilities"].numpy())
    return np.concatenate(rows)[np.argsort(order)]
