"""Labelled items, and their assignment to splits, which depends on the items alone."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from .left_out import LeftOut

SPLITS = ("train", "validation", "test")
# The usual names of each split, in TFDS datasets and in users' folders.
SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "dev"), "test": ("test",)}


class Row(NamedTuple):
    """One labelled item."""

    label: str
    text: str


class Items(NamedTuple):
    """The result of a reader.

    Attributes:
        rows_of: the rows of each split.
        labels: the classes, in the order of their indices.
        problems: remarks on the data, such as a missing split, one line each.
        source: where the data come from.
        left_out: each item that was left out.
        place_of: the file and line of each row, as far as they are known.
    """

    rows_of: dict[str, list[Row]]
    labels: list[str]
    problems: list[str]
    source: str
    left_out: Sequence[LeftOut] = ()
    place_of: Mapping[Row, str] = MappingProxyType({})


def hash_fraction(key: str) -> float:
    """Return a number in [0, 1) that depends on the key alone, not on order, process or machine."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48


def split_of(key: str, splits: Sequence[str] = SPLITS, share: float = 0.1) -> str:
    """Return the split of an item: each split after the first gets a share, the first the rest."""
    index = 1 + int((1 - hash_fraction(key)) / share)
    return splits[index] if index < len(splits) else splits[0]


def content_hash(rows: Iterable[Row]) -> str:
    """Return the SHA-256 of the sorted lines label<TAB>text."""
    lines = sorted(f"{label}\t{text}\n" for label, text in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def splits_hash(rows_of: Mapping[str, Iterable[Row]]) -> str:
    """Return the SHA-256 of the rows of all splits, and of the split that each row is in.

    A row that moves to another split changes the hash: a network must not be evaluated on rows it
    was trained on.
    """
    return content_hash(
        Row(f"{split}\t{label}", text) for split, rows in rows_of.items() for label, text in rows
    )


def counts(rows_of: dict[str, list[Row]], labels: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return the number of items per label and split, {label: {split: n}}."""
    tallies = {split: Counter(row.label for row in rows) for split, rows in rows_of.items()}
    return {label: {split: tallies[split][label] for split in tallies} for label in labels}


def assign_splits(
    rows: Sequence[Row],
    splits: Sequence[str] = SPLITS,
    key: Callable[[str], str] = str.lower,
    share: float = 0.1,
) -> dict[str, list[Row]]:
    """Assign rows to splits by a hash; a label with enough items is in every split.

    Where the hash leaves a small label out of a split, one of its items is moved there, if
    possible an item that no other label shares.

    Args:
        rows: labelled items.
        splits: the names of the splits; the first takes the rest.
        key: function of an item's text; items with equal keys are in the same split.
        share: the fraction of the items in each split but the first.

    Returns:
        The rows of each split, in their order.
    """
    key_of = {row: key(row.text) for row in rows}
    assigned = {k: split_of(k, splits, share) for k in key_of.values()}
    keys_of = defaultdict(set)
    for row in rows:
        keys_of[row.label].add(key_of[row])
    sharing = Counter(k for keys in keys_of.values() for k in keys)
    for label in sorted(keys_of):
        for split in splits:
            _fill(split, keys_of[label], assigned, sharing)
    return {split: [row for row in rows if assigned[key_of[row]] == split] for split in splits}


def _fill(split: str, keys: set[str], assigned: dict[str, str], sharing: Counter[str]) -> None:
    """Move one of a label's keys to a split that has none, from a split that has several."""
    tally = Counter(assigned[k] for k in keys)
    spare = [k for k in keys if tally[assigned[k]] > 1]
    if not tally[split] and spare:
        assigned[min(spare, key=lambda k: (sharing[k], hash_fraction(k), k))] = split


def stratified_subsample(rows: Sequence[Row], limit: int, seed: int) -> list[Row]:
    """Return at most `limit` rows, selected by the seed, with labels in proportion.

    At least one row of each label is kept.
    """
    indices_of = defaultdict(list)
    for index, row in enumerate(rows):
        indices_of[row.label].append(index)
    spare = len(rows) - len(indices_of)
    share = min(1.0, max(0, limit - len(indices_of)) / spare) if spare else 0.0
    kept: list[int] = []
    for indices in indices_of.values():
        indices.sort(key=lambda index: hash_fraction(f"{seed}\t{rows[index].text}"))
        kept += indices[: 1 + int(share * (len(indices) - 1))]
    return [rows[index] for index in sorted(kept)]
