"""A tagger on words and their characters (Ling et al. 2015, Plank, Søgaard & Goldberg 2016).

Its serving model takes strings [B], sentences of tokens separated by spaces, and returns one tag
per token.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from ...layers.text.characters import Characters
from ...layers.text.each_step import EachStep
from ...layers.text.sequences import WordDropout
from ...layers.text.standardization import lower
from ..core.errors import UserError
from .recurrent import Recurrent, class_probabilities, recurrent_layers
from .serving import label_outputs, make_serving_model

LONGEST_WORD = 20  # characters; the rest of a word is not read


class Vocabulary(NamedTuple):
    """Words and characters, from id 2 on; 0 is padding, 1 any unknown one."""

    words: list[str]  # in lower case
    characters: list[str]


def build_vocabulary(sentences: Iterable[Sequence[str]]) -> Vocabulary:
    """Return all words, by frequency, and the characters that occur at least twice.

    Raises:
        UserError: none occurs twice.
    """
    sentences = list(sentences)
    words = Counter(token.lower() for sentence in sentences for token in sentence)
    characters = Counter(char for sentence in sentences for token in sentence for char in token)
    frequent = sorted(char for char, count in characters.items() if count > 1)
    if not frequent:
        raise UserError("no character comes twice in the training data: more of them are needed")
    return Vocabulary([word for word, _ in words.most_common()], frequent)


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
    **stack_options: Any,
) -> keras.Model:
    """{"words": ids [B, T], "characters": ids [B, T, C]} → probabilities [B, T, K].

    A word's vector is its embedding, concatenated with the last states of a bidirectional recurrent
    layer over its characters.

    Args:
        recurrent: a recurrent layer class, of errorflow or of Keras.
        words: size of the vocabulary of words, with padding and the unknown word.
        characters: size of the vocabulary of characters, with padding and the unknown character.
        labels: K.
        embedding: size of a word's embedding; that of a character is half of `character_units`.
        character_units: size of the layer over characters, per direction; 0: word embeddings only.
        dropout: rate after the word vectors and after each recurrent layer.
        word_dropout: share of words that become the unknown word in training.
        bidirectional: the layers over words read from both ends.
        **stack_options: see `recurrent_layers`.
    """
    word_ids = keras.Input([None], dtype="int32", name="words")
    character_ids = keras.Input([None, None], dtype="int32", name="characters")
    x = WordDropout(word_dropout, name="word_dropout")(word_ids)
    x = keras.layers.Embedding(words, embedding, mask_zero=True, name="word_embedding")(x)
    if character_units:
        y = _character_vectors(character_ids, recurrent, characters, character_units)
        x = keras.layers.Concatenate(name="word")([x, y])
    x = keras.layers.Dropout(dropout, name="word_vector_dropout")(x)  # [B, T, D]
    x = recurrent_layers(
        x, recurrent, bidirectional=bidirectional, dropout=dropout, every_step=True, **stack_options
    )
    inputs = {"words": word_ids, "characters": character_ids}
    return keras.Model(inputs, class_probabilities(x, labels), name="core")


def _character_vectors(ids: Any, recurrent: Recurrent, characters: int, units: int) -> Any:
    """ids [B, T, C] → the last states of both directions [B, T, 2·units]."""
    embedding = keras.layers.Embedding(
        characters, max(1, units // 2), mask_zero=True, name="character_embedding"
    )
    both = keras.layers.Bidirectional(recurrent(units), name="character_rnn")
    return EachStep(both, name="each_word")(embedding(ids))


def tokenizer(vocabulary: Vocabulary) -> keras.Model:
    """Strings [B] → {"words": ids [B, T], "characters": ids [B, T, C]}."""
    texts = keras.Input([], dtype="string", name="sentences")
    words = keras.layers.TextVectorization(
        standardize=lower, split="whitespace", vocabulary=vocabulary.words, name="words"
    )
    characters = Characters(vocabulary.characters, LONGEST_WORD, name="characters")
    outputs = {"words": words(texts), "characters": characters(texts)}
    return keras.Model(texts, outputs, name="read")


def build_serving_model(
    core: keras.Model, vocabulary: Vocabulary, labels: Sequence[str]
) -> keras.Model:
    """Strings [B] → {"probabilities": [B, T, K], "label": [B, T] strings}, one per token.

    T is the number of tokens of the longest sentence; outputs after the end of a shorter sentence
    have no meaning.
    """
    texts = keras.Input([], dtype="string", name="sentences")
    read = tokenizer(vocabulary)
    return make_serving_model(texts, lambda texts: label_outputs(core(read(texts)), labels))


def tokenizer_in(serving_model: keras.Model) -> keras.Model:
    """Return the tokenizer of a serving model."""
    return serving_model.get_layer("read")


class SentenceIds(NamedTuple):
    """N sentences as ids."""

    words: list[np.ndarray]  # each [T]
    characters: list[np.ndarray]  # each [T, C], C = LONGEST_WORD

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each sentence, [N]."""
        return np.array([len(ids) for ids in self.words])

    def batch(self, chosen: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """Return the inputs of the network for some sentences, padded or cut to `length`."""
        words = np.zeros([len(chosen), length], np.int32)
        characters = np.zeros([len(chosen), length, LONGEST_WORD], np.int32)
        for row, place in enumerate(chosen):
            steps = min(length, len(self.words[place]))
            words[row, :steps] = self.words[place][:steps]
            characters[row, :steps] = self.characters[place][:steps]
        return {"words": words, "characters": characters}


def sentence_ids(
    tokenizer: keras.Model, sentences: Sequence[Sequence[str]], batch_size: int = 512
) -> SentenceIds:
    """Return sentences of tokens as ids.

    Args:
        tokenizer: a model that `tokenizer` built.
        sentences: each a sequence of tokens.
        batch_size: sentences per call of the tokenizer.
    """
    import tensorflow as tf

    ids = SentenceIds([], [])
    for start in range(0, len(sentences), batch_size):
        batch = sentences[start : start + batch_size]
        table = tokenizer(tf.constant([" ".join(tokens) for tokens in batch]))
        words, characters = table["words"].numpy(), table["characters"].numpy()
        missing = LONGEST_WORD - characters.shape[2]
        characters = np.pad(characters, [(0, 0), (0, 0), (0, missing)])
        for row, tokens in enumerate(batch):
            ids.words.append(words[row, : len(tokens)].astype(np.int32))
            ids.characters.append(characters[row, : len(tokens)].astype(np.int32))
    return ids
