"""Image–text pairs as arrays: inputs, targets and weights of the network."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.console import note
from ..core.errors import UserError
from ..datasets.image_text.image_text_data import ImageTextSplit
from ..datasets.image_text.scene_events import BETWEEN
from ..models.sequence_vocabulary import (
    FIRST_SYMBOL,
    SequenceVocabulary,
    pad,
    shift_right,
    target_ids,
)
from ..training.batching import Batches
from .image_store import ImageStore, store_images

SENTENCE_END = BETWEEN.strip()
CHUNK = 100  # pairs whose words are counted at once


class ImageTextPairs(NamedTuple):
    """P pairs of an image, or a sequence of images, and a text.

    Attributes:
        store: N items, each an image or a sequence of images.
        items: [P], the item of each pair, ascending.
        targets: [P, T], ids of each text with its end symbol, padded with 0.
        descriptions: [N, F, W], ids of the description of each image, padded with 0.
        symbols: K, size of the vocabulary with the special ids.
        sentence_end: id of the symbol that separates sentences; -1 if there is none.
    """

    store: ImageStore
    items: np.ndarray
    targets: np.ndarray
    descriptions: np.ndarray
    symbols: int
    sentence_end: int

    @property
    def lengths(self) -> np.ndarray:
        """Lengths of the texts, [P]; for sequences of images and texts, [P, 2]."""
        words = (self.targets != 0).sum(axis=1)
        if not self.store.has_sequences:
            return words
        return np.stack([self.store.counts[self.items], words], axis=1)

    @property
    def longest(self) -> Any:
        """The maximum of `lengths`."""
        longest = self.lengths.max(axis=0)
        return tuple(longest) if self.store.has_sequences else int(longest)

    def take(self, chosen: np.ndarray, shape: Any) -> tuple[Any, ...]:
        """Return a batch: inputs, targets and weights.

        The decoder reads the target shifted right (teacher forcing). The target "words" is the
        auxiliary one: for a single image [B, K], the share of its texts that contain each word; for
        a sequence [B, F, K], whether the description of each image contains it, or without a
        description, its sentence.

        Args:
            chosen: indices of pairs.
            shape: length of the texts, or (number of images, length of the texts).
        """
        images, steps = shape if self.store.has_sequences else (None, shape)
        targets = self.targets[chosen, :steps]
        pixels = self.store.take(self.items[chosen], images)
        inputs = {"pixels": pixels, "target": shift_right(targets)}
        if self.store.has_sequences:
            words = self._words_per_image(chosen, pixels.shape[1])
            word_weights = words.max(axis=2)
        else:
            words, word_weights = self._word_shares(chosen), np.ones(len(chosen), np.float32)
        weights = (targets != 0).astype(np.float32)
        return (
            inputs,
            {"next": targets, "words": words},
            {"next": weights, "words": word_weights},
        )

    def images_with_words(self) -> np.ndarray:
        """Return the images with known words, those with the fewest words first.

        Returns:
            [M, 2], the pair of each image and its number in the sequence. If no image has known
            words, the first image of every pair.
        """
        is_sequence, longest = self.store.has_sequences, int(self.store.counts[self.items].max())
        first = np.unique(self.items, return_index=True)[1]  # one pair per item
        pairs, rows = np.arange(len(self.items)) if is_sequence else first, []
        for chunk in np.array_split(pairs, -(-len(pairs) // CHUNK)):
            words = (
                self._words_per_image(chunk, longest)
                if is_sequence
                else self._word_shares(chunk)[:, None]
            )
            count = words.sum(axis=2)  # [B, F]
            row, number = count.nonzero()
            rows.append(np.stack([chunk[row], number, count[row, number]], axis=1))
        table = np.concatenate(rows)
        if not len(table):
            return np.stack([pairs, np.zeros_like(pairs)], axis=1)
        return table[np.argsort(table[:, 2], kind="stable"), :2].astype(int)

    def single_image_batches(self, images: np.ndarray, size: int, seed: int) -> Batches:
        """Return batches of single images and their words: pixels [B, H, W, C], words [B, K].

        Neighbouring images of a sequence are similar; here they are shuffled.

        Args:
            images: rows of `images_with_words()`.
            size, seed: as in `Batches`.
        """

        def take(chosen: np.ndarray, _: Any) -> tuple[np.ndarray, np.ndarray]:
            pair, number = images[chosen].T
            place = self.store.offsets[self.items[pair]] + number
            pixels = self.store.images[place].astype(np.float32)
            if not self.store.has_sequences:
                return pixels, self._word_shares(pair)
            words = self._words_per_image(pair, int(number.max()) + 1)
            return pixels, words[np.arange(len(pair)), number]

        return Batches(np.ones(len(images), int), take, size, seed)

    def _word_shares(self, chosen: np.ndarray) -> np.ndarray:
        """The share of an image's texts that contain each word, [B, K]."""
        first, end = (
            np.searchsorted(self.items, self.items[chosen], side) for side in ("left", "right")
        )
        texts = np.concatenate([*map(np.arange, first, end)])
        words = np.zeros([len(texts), self.symbols], np.float32)
        np.put_along_axis(words, self.targets[texts], 1, axis=1)
        words[:, :FIRST_SYMBOL] = 0
        count = end - first
        return np.add.reduceat(words, np.cumsum(count) - count) / count[:, None].astype(np.float32)

    def _words_per_image(self, chosen: np.ndarray, images: int) -> np.ndarray:
        """Whether each word is in the description of each image, 0 or 1, [B, F, K].

        Descriptions are used because a story mentions only what is new. Without a description, the
        words are those of the image's sentence: sentence s of S belongs to image ⌊s F / S⌋ of F; if
        there are as many sentences as images, that is image s.
        """
        words = np.zeros([len(chosen), images, self.symbols], np.float32)
        ids, counts = self.targets[chosen], self.store.counts[self.items[chosen]]
        is_word = (ids >= FIRST_SYMBOL) & (ids != self.sentence_end)
        sentence = np.cumsum(ids == self.sentence_end, axis=1)  # [B, T]
        sentences = np.where(is_word, sentence, 0).max(axis=1) + 1
        image = sentence * counts[:, None] // sentences[:, None]
        row, step = np.nonzero(is_word & (image < images))
        words[row, image[row, step], ids[row, step]] = 1
        descriptions = self.descriptions[self.items[chosen], :images]  # [B, ≤ F, W]
        row, number = (descriptions >= FIRST_SYMBOL).any(axis=2).nonzero()
        words[row, number] = 0
        np.put_along_axis(words[:, : descriptions.shape[1]], descriptions, 1, axis=2)
        words[:, :, :FIRST_SYMBOL] = 0
        return words


def encode_pairs(
    split: ImageTextSplit,
    name: str,
    shape: tuple[int, int, int],
    target: SequenceVocabulary,
    max_length: int,
) -> ImageTextPairs:
    """Return every text of a split with its images, except texts that are too long.

    Args:
        split: images and texts.
        name: name of the split, for messages.
        shape: [H, W, C] that images are resized to.
        target: vocabulary of the texts.
        max_length: maximum number of words of a text; the number of longer texts is reported.

    Raises:
        UserError: all texts are too long.
    """
    texts = [text for references in split.texts for text in references]
    items = np.repeat(np.arange(len(split)), [len(references) for references in split.texts])
    ids = target_ids(texts, target)
    is_short = np.array([*map(len, ids)]) <= max_length + 1
    if not is_short.any():
        raise UserError(f"{name}: no text of at most {max_length} words; raise --max-length")
    if left_out := int((~is_short).sum()):
        note(
            f"data: {name}: {left_out:,} of {len(ids):,} texts have more than {max_length} words;"
            " left out"
        )
    targets = pad([row for row, short in zip(ids, is_short, strict=True) if short])
    has_sentences = SENTENCE_END in target.symbols
    sentence_end = target.symbols.index(SENTENCE_END) + FIRST_SYMBOL if has_sentences else -1
    descriptions = _description_ids(split.descriptions, target)
    descriptions[descriptions == sentence_end] = 0  # not a word of an image
    store = store_images(split.images, shape)
    symbols = len(target.symbols) + FIRST_SYMBOL
    return ImageTextPairs(store, items[is_short], targets, descriptions, symbols, sentence_end)


def _description_ids(
    descriptions: Sequence[Sequence[str]], target: SequenceVocabulary
) -> np.ndarray:
    """Return the ids of the descriptions of each item's images, [N, F, W], padded with 0."""
    ids = [target_ids(texts, target) if texts else [] for texts in descriptions]
    longest = max((len(row) for rows in ids for row in rows), default=0)
    table = np.zeros([len(ids), max(map(len, ids)), longest], np.int32)
    for item, rows in zip(table, ids, strict=True):
        for row, symbols in zip(item, rows, strict=False):
            row[: len(symbols)] = symbols
    return table
