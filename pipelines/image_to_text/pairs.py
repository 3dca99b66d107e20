"""Pictures and their texts as arrays: what a network reads, and what it should say."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.console import note
from ..core.errors import UserError
from ..datasets.image_text.image_text_data import PicturePart
from ..datasets.image_text.scene_events import BETWEEN
from ..models.sequence_vocabulary import (
    FIRST_SYMBOL,
    SequenceVocabulary,
    pad,
    shift_right,
    target_ids,
)
from ..training.batching import Batches
from .image_store import Store, store

STOP = BETWEEN.strip()  # between sentences
CHUNK = 100  # pairs whose words are looked at together


class Pairs(NamedTuple):
    """P pairs of a picture, or a sequence of pictures, and a text."""

    store: Store  # of the pictures
    places: np.ndarray  # [P] in the store, ascending
    targets: np.ndarray  # [P, T] ids, the end among them, 0 behind it
    described: np.ndarray  # [N, F, W] ids of each picture's description, 0 behind it
    symbols: int  # K, special ids included
    stop: int  # id of what stands between sentences

    @property
    def lengths(self) -> np.ndarray:
        """Of the text, [P]; of several pictures and the text, [P, 2]."""
        words = (self.targets != 0).sum(axis=1)
        if not self.store.several:
            return words
        return np.stack([self.store.counts[self.places], words], axis=1)

    @property
    def longest(self) -> Any:
        longest = self.lengths.max(axis=0)
        return tuple(longest) if self.store.several else int(longest)

    def take(self, chosen: np.ndarray, shape: Any) -> tuple[Any, ...]:
        """What a batch consists of: what the network reads, what it should say, and weights.

        The decoder reads what it should say one step later, after a start (teacher forcing). Which
        words it says, [B, K], is asked without its order: the share of the picture's texts that
        have each. Of several pictures, [B, F, K], it is which words each one's description has or,
        where it has none, its sentence.
        """
        pictures, steps = shape if self.store.several else (None, shape)
        targets = self.targets[chosen, :steps]
        pixels = self.store.take(self.places[chosen], pictures)
        inputs = {"pixels": pixels, "target": shift_right(targets)}
        if self.store.several:
            words = self._words_of_each(chosen, pixels.shape[1])
            asked = words.max(axis=2)
        else:
            words, asked = self._words(chosen), np.ones(len(chosen), np.float32)
        weights = (targets != 0).astype(np.float32), asked
        return inputs, *(
            {"next": one, "words": other} for one, other in ((targets, words), weights)
        )

    def told(self) -> np.ndarray:
        """The pictures of which words are told, those of which the fewest are first: [M, 2], their
        pairs and their numbers in these. If no word is known, the first picture of each pair."""
        several, most = self.store.several, int(self.store.counts[self.places].max())
        first = np.unique(self.places, return_index=True)[1]  # pair of each picture
        every, found = np.arange(len(self.places)) if several else first, []
        for part in np.array_split(every, -(-len(every) // CHUNK)):
            words = self._words_of_each(part, most) if several else self._words(part)[:, None]
            count = words.sum(axis=2)  # [B, F]
            row, number = count.nonzero()
            found.append(np.stack([part[row], number, count[row, number]], axis=1))
        table = np.concatenate(found)
        if not len(table):
            return np.stack([every, np.zeros_like(every)], axis=1)
        return table[np.argsort(table[:, 2], kind="stable"), :2].astype(int)

    def one_by_one(self, told: np.ndarray, size: int, seed: int) -> Batches:
        """Single pictures, and which words are told of each: pixels [B, H, W, C], words [B, K].

        Of a sequence's pictures those beside each other are alike; here they are mixed.

        Args:
            told: which pictures, rows of `told()`.
            size, seed: as `Batches` takes them.
        """

        def take(chosen: np.ndarray, _) -> tuple[np.ndarray, np.ndarray]:
            pair, number = told[chosen].T
            place = self.store.begins[self.places[pair]] + number
            pixels = self.store.pictures[place].astype(np.float32)
            if not self.store.several:
                return pixels, self._words(pair)
            words = self._words_of_each(pair, int(number.max()) + 1)
            return pixels, words[np.arange(len(pair)), number]

        return Batches(np.ones(len(told), int), take, size, seed)

    def _words(self, chosen: np.ndarray) -> np.ndarray:
        """The share of a picture's texts that have each word, [B, K]."""
        first, end = (
            np.searchsorted(self.places, self.places[chosen], s) for s in ("left", "right")
        )
        texts = np.concatenate([*map(np.arange, first, end)])
        words = np.zeros([len(texts), self.symbols], np.float32)
        np.put_along_axis(words, self.targets[texts], 1, axis=1)
        words[:, :FIRST_SYMBOL] = 0
        count = end - first
        return np.add.reduceat(words, np.cumsum(count) - count) / count[:, None].astype(np.float32)

    def _words_of_each(self, chosen: np.ndarray, pictures: int) -> np.ndarray:
        """Which words are told of each picture, 0 or 1, [B, F, K].

        That is its description: a story tells what is new, and leaves out what has been said. Of a
        picture that has none it is its sentence. The sentence s of S belongs to the picture
        ⌊s F / S⌋ of F: where there are as many of both, to its own.
        """
        words = np.zeros([len(chosen), pictures, self.symbols], np.float32)
        ids, counts = self.targets[chosen], self.store.counts[self.places[chosen]]
        told = (ids >= FIRST_SYMBOL) & (ids != self.stop)
        sentence = np.cumsum(ids == self.stop, axis=1)  # [B, T]
        sentences = np.where(told, sentence, 0).max(axis=1) + 1
        picture = sentence * counts[:, None] // sentences[:, None]
        row, step = np.nonzero(told & (picture < pictures))
        words[row, picture[row, step], ids[row, step]] = 1
        described = self.described[self.places[chosen], :pictures]  # [B, ≤ F, W]
        item, number = (described >= FIRST_SYMBOL).any(axis=2).nonzero()
        words[item, number] = 0
        np.put_along_axis(words[:, : described.shape[1]], described, 1, axis=2)
        words[:, :, :FIRST_SYMBOL] = 0
        return words


def pairs_of(
    part: PicturePart,
    name: str,
    shape: tuple[int, int, int],
    target: SequenceVocabulary,
    longest: int,
) -> Pairs:
    """Every text of a part with its pictures, but texts of more than `longest` words."""
    texts = [one for several in part.texts for one in several]
    places = np.repeat(np.arange(len(part)), [len(several) for several in part.texts])
    ids = target_ids(texts, target)
    short = np.array([*map(len, ids)]) <= longest + 1
    if not short.any():
        raise UserError(f"{name}: no text of at most {longest} words; raise --max-length")
    if left_out := int((~short).sum()):
        note(
            f"data: {name}: {left_out:,} of {len(ids):,} texts have more than {longest} words;"
            " left out"
        )
    kept = [row for row, is_short in zip(ids, short, strict=True) if is_short]
    targets = pad(kept)
    known = target.vocabulary
    stop = known.index(STOP) + FIRST_SYMBOL if STOP in known else -1
    described = _described(part.descriptions, target)
    described[described == stop] = 0  # it tells of no picture
    pictures = store(part.images, shape)
    return Pairs(pictures, places[short], targets, described, len(known) + FIRST_SYMBOL, stop)


def _described(descriptions: Sequence[Sequence[str]], target: SequenceVocabulary) -> np.ndarray:
    """Ids of the descriptions of each item's pictures, [N, F, W]; 0 behind them."""
    ids = [target_ids(several, target) if several else [] for several in descriptions]
    longest = max((len(one) for several in ids for one in several), default=0)
    table = np.zeros([len(ids), max(map(len, ids)), longest], np.int32)
    for item, several in zip(table, ids, strict=True):
        for row, symbols in zip(item, several, strict=False):
            row[: len(symbols)] = symbols
    return table
