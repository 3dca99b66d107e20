"""Source and target sequences as ids of symbols: 0 is padding, then come the special symbols."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from ...layers.text.symbols import END, START, UNKNOWN
from ..datasets.ragged import Ragged, ragged
from .text_serving import Split, each_split, split_texts

PART = 10_000  # targets whose ids are joined at a time
FIRST_SYMBOL = END + 1  # id of the first symbol of a target vocabulary
SEPARATOR: dict[Split, str] = {"character": "", "word": " ", "phone": " "}


class SequenceVocabulary(NamedTuple):
    """The symbols of source sequences or of target sequences."""

    split: Split
    symbols: list[str]


def target_ids(texts: Iterable[str], target: SequenceVocabulary) -> list[np.ndarray]:
    """Return the ids of each target's symbols, with the end symbol, each [T]."""
    return [*_each_target(texts, target)]


def encode_targets(texts: Iterable[str], target: SequenceVocabulary) -> Ragged:
    """Return the ids of each target's symbols, with the end symbol; of any number of targets."""
    rest = _each_target(texts, target)
    parts = iter(lambda: [*itertools.islice(rest, PART)], [])
    return ragged((np.concatenate(part), np.array([*map(len, part)])) for part in parts)


def _each_target(texts: Iterable[str], target: SequenceVocabulary) -> Iterator[np.ndarray]:
    ids = {symbol: number for number, symbol in enumerate(target.symbols, start=FIRST_SYMBOL)}
    for text in each_split(texts, target.split):
        yield np.array([*(ids.get(symbol, UNKNOWN) for symbol in text), END], np.int32)


def pad(sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Return sequences of ids as one array [N, T], padded with 0."""
    table = np.zeros([len(sequences), max(map(len, sequences))], np.int32)
    for row, ids in zip(table, sequences, strict=True):
        row[: len(ids)] = ids
    return table


def shift_right(targets: np.ndarray) -> np.ndarray:
    """Return the decoder inputs for targets [N, T]: the start symbol, then the targets shifted."""
    inputs = np.concatenate([np.full_like(targets[:, :1], START), targets[:, :-1]], axis=1)
    return np.where(targets == 0, 0, inputs)


def detokenize(text: str, split: Split) -> str:
    """Return a reference text in the form of the network's outputs: its symbols, joined."""
    return SEPARATOR[split].join(split_texts([text], split)[0])


class ExactMatch(keras.metrics.Mean):
    """The share of targets whose symbols are all predicted correctly under teacher forcing.

    Greedy search finds exactly these targets: at each step, the next symbol is the most probable.
    """

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        likeliest = keras.ops.cast(keras.ops.argmax(y_pred, axis=-1), y_true.dtype)
        padding = keras.ops.equal(y_true, 0)
        correct = keras.ops.logical_or(keras.ops.equal(likeliest, y_true), padding)
        return super().update_state(keras.ops.all(correct, axis=-1))
