"""Labelled items and where they go: a split that depends on the items alone."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

SPLITS = ("train", "validation", "test")
# What each split is called in the sets and the folders of others.
SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "dev"), "test": ("test",)}


class Row(NamedTuple):
    """One labelled item."""

    label: str
    text: str


class Items(NamedTuple):
    """What a reader found: rows by split, the labels in order, what was wrong, where it is from."""

    rows_of: dict[str, list[Row]]
    labels: list[str]
    problems: list[str]
    source: str


def hash_fraction(key: str) -> float:
    """A number in [0, 1) that depends on the key alone: not on order, process or machine."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48


def split_of(key: str, splits: Sequence[str] = SPLITS, share: float = 0.1) -> str:
    """The split of an item: a share each for all splits but the first, which takes the rest."""
    place = 1 + int((1 - hash_fraction(key)) / share)
    return splits[place] if place < len(splits) else splits[0]


def content_hash(rows: Iterable[Row]) -> str:
    """SHA-256 over the sorted lines label<TAB>text."""
    lines = sorted(f"{label}\t{text}\n" for label, text in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def splits_hash(rows_of: Mapping[str, Iterable[Row]]) -> str:
    """The same over the rows of all splits, and over which split each is in: a network that has
    learned from a row must not be measured on it later."""
    return content_hash(
        Row(f"{split}\t{label}", text) for split, rows in rows_of.items() for label, text in rows
    )


def counts(rows_of: dict[str, list[Row]], labels: Iterable[str]) -> dict[str, dict[str, int]]:
    """Items per label and split: {label: {split: n}}."""
    tallies = {split: Counter(row.label for row in rows) for split, rows in rows_of.items()}
    return {label: {split: tallies[split][label] for split in tallies} for label in labels}


def assign_splits(
    rows: Sequence[Row],
    splits: Sequence[str] = SPLITS,
    key: Callable[[str], str] = str.lower,
    share: float = 0.1,
) -> dict[str, list[Row]]:
    """The rows by split, equal keys together; a label with enough items is in every split.

    Where the hash leaves a small label out of a split, one of its items is moved there, if
    possible one that no other label shares.
    """
    key_of = {row: key(row.text) for row in rows}
    place = {k: split_of(k, splits, share) for k in key_of.values()}
    keys_of = defaultdict(set)
    for row in rows:
        keys_of[row.label].add(key_of[row])
    sharing = Counter(k for keys in keys_of.values() for k in keys)
    for label in sorted(keys_of):
        for split in splits:
            _fill(split, keys_of[label], place, sharing)
    return {split: [row for row in rows if place[key_of[row]] == split] for split in splits}


def _fill(split: str, keys: set[str], place: dict[str, str], sharing: Counter[str]) -> None:
    """Moves one of a label's keys to a split that has none, from one that has several."""
    tally = Counter(place[k] for k in keys)
    spare = [k for k in keys if tally[place[k]] > 1]
    if not tally[split] and spare:
        place[min(spare, key=lambda k: (sharing[k], hash_fraction(k), k))] = split


def stratified_subsample(rows: Sequence[Row], limit: int, seed: int) -> list[Row]:
    """At most `limit` rows (at least one per label), labels in proportion, chosen by the seed."""
    places_of = defaultdict(list)
    for place, row in enumerate(rows):
        places_of[row.label].append(place)
    spare = len(rows) - len(places_of)
    share = min(1.0, max(0, limit - len(places_of)) / spare) if spare else 0.0
    kept: list[int] = []
    for places in places_of.values():
        places.sort(key=lambda place: hash_fraction(f"{seed}\t{rows[place].text}"))
        kept += places[: 1 + int(share * (len(places) - 1))]
    return [rows[place] for place in sorted(kept)]
