"""Pairs of a source and a target as arrays: inputs, targets and weights of the network."""

import dataclasses
import itertools
from typing import Any

import numpy as np

from ..core.console import note
from ..core.errors import UserError
from ..datasets.pairs.pair_data import PairSplit
from ..datasets.ragged import Ragged
from ..models.sequence_vocabulary import SequenceVocabulary, encode_targets, shift_right
from ..models.text_serving import each_split, encode


@dataclasses.dataclass(frozen=True)
class SequencePairs:
    """N pairs as ids.

    Attributes:
        sources: the ids of each source.
        targets: the ids of each target, with the end symbol.
        pairs: the numbers of source and target of each pair, [N, 2].
    """

    sources: Ragged
    targets: Ragged
    pairs: np.ndarray

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def lengths(self) -> np.ndarray:
        """The lengths of sources and targets, [N, 2]."""
        source, target = self.pairs.T
        return np.stack([self.sources.lengths[source], self.targets.lengths[target]], axis=1)

    @property
    def longest(self) -> tuple[int, int]:
        """The lengths of the longest source and of the longest target."""
        source, target = self.lengths.max(axis=0).tolist()
        return source, target

    def take(self, chosen: np.ndarray, shape: tuple[int, int]) -> tuple[Any, ...]:
        """Return a batch: inputs, targets, and weights of the targets.

        The decoder reads the target shifted right, after a start symbol (teacher forcing).

        Args:
            chosen: indices of pairs.
            shape: lengths that sources and targets are cut to, or padded to.
        """
        source, target = self.pairs[chosen].T
        sources = self.sources.padded(source, shape[0])
        targets = self.targets.padded(target, shape[1])
        inputs = {"source": sources, "target": shift_right(targets)}
        return inputs, targets, (targets != 0).astype(np.float32)


def encode_pairs(
    split: PairSplit,
    name: str,
    source: SequenceVocabulary,
    target: SequenceVocabulary,
    max_length: int,
) -> SequencePairs:
    """Return all pairs of a split, except those that are too long.

    Args:
        split: sources with their targets.
        name: name of the split, for messages.
        source, target: the vocabularies.
        max_length: maximum number of symbols of source and target.

    Raises:
        UserError: all pairs are too long.
    """
    counts = np.fromiter(map(len, split.targets), int)
    sources = encode(split.sources, source.symbols, source.split)
    targets = encode_targets(itertools.chain.from_iterable(split.targets), target)
    pairs = np.stack([np.repeat(np.arange(len(counts)), counts), np.arange(len(targets))], axis=1)
    of_all = SequencePairs(sources, targets, pairs)
    is_short = (of_all.lengths <= [max_length, max_length + 1]).all(axis=1)
    if not is_short.any():
        raise UserError(f"{name}: no pair of at most {max_length} symbols; raise --max-length")
    return dataclasses.replace(of_all, pairs=pairs[is_short])


def note_unknown_symbols(split: PairSplit, name: str, source: SequenceVocabulary) -> None:
    """Print the number of sources with symbols that the vocabulary does not contain."""
    vocabulary = set(source.symbols)
    number, first = 0, None
    for symbols in each_split(split.sources, source.split):
        if unknown := {*symbols} - vocabulary:
            number, first = number + 1, first or unknown.pop()
    if number:
        note(
            f"data: {name}: {number:,} of {len(split):,} sources have a {source.split} that is not"
            f" in the vocabulary, such as {first!r}"
        )
