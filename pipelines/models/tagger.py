"""The tagger that reads words and their characters both ways (Ling et al. 2015, Plank et al. 2016).

Its package takes strings [B], sentences of tokens with blanks between, and gives a tag for each.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from ...layers.text.text_layers import Characters, EachStep, WordDropout, lower
from .recurrent import Recurrent, probabilities, recurrent_layers
from .serving import answers

LONGEST_WORD = 20  # characters of a word that are read


class Vocabulary(NamedTuple):
    """What is known from id 2 on; 0 is padding, 1 what is unknown."""

    words: list[str]  # in lower case
    characters: list[str]


def vocabulary_of(sentences: Iterable[Sequence[str]]) -> Vocabulary:
    """All words, the most frequent first, and the characters that come at least twice."""
    sentences = list(sentences)
    words = Counter(token.lower() for sentence in sentences for token in sentence)
    seen = Counter(sign for sentence in sentences for token in sentence for sign in token)
    return Vocabulary([w for w, _ in words.most_common()], sorted(s for s in seen if seen[s] > 1))


def tagger(
    recurrent: Recurrent,
    *,
    words: int,
    characters: int,
    labels: int,
    embedding: int,
    character_units: int,
    dropout: float,
    word_dropout: float,
    bidirectional: bool = True,
    **stack: Any,
) -> keras.Model:
    """{"words": ids [B, T], "characters": ids [B, T, C]} → probabilities [B, T, K].

    A word's vector is its embedding beside the last states of a recurrent layer that reads its
    characters both ways; 0 units: of the embedding alone.

    Args:
        words, characters: sizes of the vocabularies, with padding and the unknown one.
        labels: K.
        embedding: size of a word's vector; a character's is half the units that read it.
        character_units: of each direction over characters.
        dropout: share left out of words' vectors and of what each recurrent layer puts out.
        word_dropout: share of the words taken for unknown ones in training.
        bidirectional, **stack: as `recurrent_layers` takes it.
    """
    ids = keras.Input([None], dtype="int32", name="words")
    signs = keras.Input([None, None], dtype="int32", name="characters")
    x = WordDropout(word_dropout, name="word_dropout")(ids)
    x = keras.layers.Embedding(words, embedding, mask_zero=True, name="word_embedding")(x)
    if character_units:
        size = max(1, character_units // 2)
        y = keras.layers.Embedding(characters, size, mask_zero=True, name="character_embedding")(
            signs
        )
        both = keras.layers.Bidirectional(recurrent(character_units), name="character_rnn")
        y = EachStep(both, name="each_word")(y)  # [B, T, 2·character_units]
        x = keras.layers.Concatenate(name="word")([x, y])
    x = keras.layers.Dropout(dropout, name="word_vector_dropout")(x)
    x = recurrent_layers(
        x, recurrent, bidirectional=bidirectional, dropout=dropout, every_step=True, **stack
    )
    inputs = {"words": ids, "characters": signs}
    return keras.Model(inputs, probabilities(x, labels), name="core")


def reader(vocabulary: Vocabulary) -> keras.Model:
    """Strings [B] → {"words": ids [B, T], "characters": ids [B, T, C]}."""
    texts = keras.Input([], dtype="string", name="sentences")
    words = keras.layers.TextVectorization(
        standardize=lower, split="whitespace", vocabulary=vocabulary.words, name="words"
    )
    characters = Characters(vocabulary.characters, LONGEST_WORD, name="characters")
    return keras.Model(texts, {"words": words(texts), "characters": characters(texts)}, name="read")


def package(core: keras.Model, vocabulary: Vocabulary, labels: Sequence[str]) -> keras.Model:
    """Strings [B] → {"probabilities": [B, T, K], "label": [B, T] strings}, one for each token.

    A shorter sentence has as many as it has tokens; what stands behind them means nothing.
    """
    texts = keras.Input([], dtype="string", name="sentences")
    read = reader(vocabulary)
    return keras.Model(texts, answers(core(read(texts)), labels), name="package")


class Ids(NamedTuple):
    """N sentences as ids."""

    words: list[np.ndarray]  # each [T]
    characters: list[np.ndarray]  # each [T, C], C = LONGEST_WORD

    @property
    def lengths(self) -> np.ndarray:
        return np.array([len(ids) for ids in self.words])

    def batch(self, chosen: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """What the core takes of some sentences, padded to a length."""
        words = np.zeros([len(chosen), length], np.int32)
        characters = np.zeros([len(chosen), length, LONGEST_WORD], np.int32)
        for row, place in enumerate(chosen):
            steps = min(length, len(self.words[place]))
            words[row, :steps] = self.words[place][:steps]
            characters[row, :steps] = self.characters[place][:steps]
        return {"words": words, "characters": characters}


def ids_of(read: keras.Model, sentences: Sequence[Sequence[str]], batch: int = 512) -> Ids:
    """Sentences of tokens as ids; `read` is a `reader`."""
    import tensorflow as tf

    found: Ids = Ids([], [])
    for start in range(0, len(sentences), batch):
        part = sentences[start : start + batch]
        given = read(tf.constant([" ".join(tokens) for tokens in part]))
        words, characters = given["words"].numpy(), given["characters"].numpy()
        missing = LONGEST_WORD - characters.shape[2]
        characters = np.pad(characters, [(0, 0), (0, 0), (0, missing)])
        for row, tokens in enumerate(part):
            found.words.append(words[row, : len(tokens)].astype(np.int32))
            found.characters.append(characters[row, : len(tokens)].astype(np.int32))
    return found
