"""Pairs of a source and a target as arrays: inputs, targets and weights of the network."""

from typing import Any, NamedTuple

import numpy as np

from ..core.console import note
from ..core.errors import UserError
from ..datasets.pairs.pair_data import PairSplit
from ..models.sequence_vocabulary import SequenceVocabulary, pad, shift_right, target_ids
from ..models.text_serving import split_texts, vectorize


class SequencePairs(NamedTuple):
    """N pairs as ids, padded with 0."""

    sources: np.ndarray  # [N, S]
    targets: np.ndarray  # [N, T], with the end symbol

    @property
    def lengths(self) -> np.ndarray:
        """The lengths of sources and targets, [N, 2]."""
        return np.stack([(ids != 0).sum(axis=1) for ids in self], axis=1)

    @property
    def longest(self) -> tuple[int, int]:
        """The lengths of the longest source and of the longest target."""
        return self.sources.shape[1], self.targets.shape[1]

    def take(self, chosen: np.ndarray, shape: tuple[int, int]) -> tuple[Any, ...]:
        """Return a batch: inputs, targets, and weights of the targets.

        The decoder reads the target shifted right, after a start symbol (teacher forcing).

        Args:
            chosen: indices of pairs.
            shape: lengths that sources and targets are cut to.
        """
        sources, targets = self.sources[chosen, : shape[0]], self.targets[chosen, : shape[1]]
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
    texts = [text for alternatives in split.targets for text in alternatives]
    rows = np.repeat(np.arange(len(split)), [len(texts) for texts in split.targets])
    sources = vectorize(split.sources, source.symbols, source.split)[rows]
    targets = target_ids(texts, target)
    has_short_source = (sources != 0).sum(axis=1) <= max_length
    is_short = has_short_source & (np.array([*map(len, targets)]) <= max_length + 1)
    if not is_short.any():
        raise UserError(f"{name}: no pair of at most {max_length} symbols; raise --max-length")
    short_targets = [row for row, short in zip(targets, is_short, strict=True) if short]
    return SequencePairs(sources[is_short, :max_length], pad(short_targets))


def note_unknown_symbols(split: PairSplit, name: str, source: SequenceVocabulary) -> None:
    """Print the number of sources with symbols that the vocabulary does not contain."""
    vocabulary = set(source.symbols)
    unknown = [{*symbols} - vocabulary for symbols in split_texts(split.sources, source.split)]
    if number := sum(map(bool, unknown)):
        first = next(filter(None, unknown)).pop()
        note(
            f"data: {name}: {number:,} of {len(split):,} sources have a {source.split} that is not"
            f" in the vocabulary, such as {first!r}"
        )
