"""Texts as ids of symbols, as a decoder reads and says them: 0 pads, then the special ones."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from ...layers.text.beam_search import END, START
from ...layers.text.text_layers import UNKNOWN
from . import text_serving as text

FIRST = END + 1  # id of a target's first symbol
BETWEEN: dict[text.Split, str] = {"character": "", "word": " ", "phone": " "}


class Side(NamedTuple):
    """What sources or targets are made of."""

    split: text.Split
    vocabulary: list[str]


def target_ids(texts: Sequence[str], target: Side) -> list[np.ndarray]:
    """Each target's symbols as ids, the end among them, [T]."""
    ids = {symbol: number for number, symbol in enumerate(target.vocabulary, start=FIRST)}
    return [
        np.array([*(ids.get(symbol, UNKNOWN) for symbol in symbols), END], np.int32)
        for symbols in text.symbols(texts, target.split)
    ]


def padded(ids: Sequence[np.ndarray]) -> np.ndarray:
    """Targets as one table [N, T], 0 behind their ends."""
    table = np.zeros([len(ids), max(map(len, ids))], np.int32)
    for row, symbols in zip(table, ids, strict=True):
        row[: len(symbols)] = symbols
    return table


def shifted(targets: np.ndarray) -> np.ndarray:
    """What the decoder reads: a start, then the targets [N, T] one step later."""
    read = np.concatenate([np.full_like(targets[:, :1], START), targets[:, :-1]], axis=1)
    return np.where(targets == 0, 0, read)


def spell(target: str, split: text.Split) -> str:
    """A target as the network would put it."""
    return BETWEEN[split].join(text.symbols([target], split)[0])


class Right(keras.metrics.Mean):
    """The share of targets whose every symbol is the likeliest after those before it.

    These are the ones that greedy search finds: there is no step at which it could leave them.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        likeliest = keras.ops.cast(keras.ops.argmax(y_pred, axis=-1), y_true.dtype)
        padding = keras.ops.equal(y_true, 0)
        same = keras.ops.logical_or(keras.ops.equal(likeliest, y_true), padding)
        return super().update_state(keras.ops.all(same, axis=-1))
