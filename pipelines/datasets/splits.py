"""Labelled items, and their assignment to splits, which depends on the items alone."""

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from .digests import digests, fractions
from .left_out import LeftOut
from .stored import selected, sorted_texts

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
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
        places_of: the file and line of each row of a split, as far as they are known.
    """

    rows_of: Mapping[str, Sequence[Row]]
    labels: list[str]
    problems: list[str]
    source: str
    left_out: Sequence[LeftOut] = ()
    places_of: Mapping[str, Sequence[str]] = MappingProxyType({})

    def place(self, split: str, index: int) -> str:
        """Return the file and line of a row, or else its split."""
        places = self.places_of.get(split)
        return f"{self.source} {split}" if places is None else places[index]

    def only(self, indices_of: "Mapping[str, np.ndarray]") -> "Items":
        """Return the items of ascending indices in some of the splits, and all of the others."""

        def kept(parts: Mapping[str, Sequence[T]]) -> dict[str, Sequence[T]]:
            chosen = {split: indices_of[split] for split in parts if split in indices_of}
            return {**parts} | {s: selected(parts[s], indices) for s, indices in chosen.items()}

        return self._replace(rows_of=kept(self.rows_of), places_of=kept(self.places_of))


def hash_fraction(key: str) -> float:
    """Return a number in [0, 1) that depends on the key alone, not on order, process or machine."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48


def split_of(key: str, splits: Sequence[str] = SPLITS, share: float = 0.1) -> str:
    """Return the split of an item: each split after the first gets a share, the first the rest."""
    index = 1 + int((1 - hash_fraction(key)) / share)
    return splits[index] if index < len(splits) else splits[0]


def content_hash(rows: Iterable[Row]) -> str:
    """Return the SHA-256 of the sorted lines label<TAB>text."""
    digest = hashlib.sha256()
    for line in sorted_texts(f"{label}\t{text}\n" for label, text in rows):
        digest.update(line.encode())
    return digest.hexdigest()


def splits_hash(rows_of: Mapping[str, Iterable[Row]]) -> str:
    """Return the SHA-256 of the rows of all splits, and of the split that each row is in.

    A row that moves to another split changes the hash: a network must not be evaluated on rows it
    was trained on.
    """
    return content_hash(
        Row(f"{split}\t{label}", text) for split, rows in rows_of.items() for label, text in rows
    )


def counts(
    rows_of: Mapping[str, Sequence[Row]], labels: Iterable[str]
) -> dict[str, dict[str, int]]:
    """Return the number of items per label and split, {label: {split: n}}."""
    tallies = {split: Counter(row.label for row in rows) for split, rows in rows_of.items()}
    return {label: {split: tallies[split][label] for split in tallies} for label in labels}


def assign_splits(
    rows: Sequence[Row],
    splits: Sequence[str] = SPLITS,
    key: Callable[[str], str] = str.lower,
    share: float = 0.1,
) -> dict[str, Sequence[Row]]:
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
    import numpy as np

    numbers = split_numbers(rows, len(splits), key, share)
    return {split: selected(rows, np.flatnonzero(numbers == n)) for n, split in enumerate(splits)}


def split_numbers(
    rows: Sequence[Row], splits: int, key: Callable[[str], str] = str.lower, share: float = 0.1
) -> "np.ndarray":
    """Return the number of the split that each row is assigned to, [N], see `assign_splits`."""
    import numpy as np

    keys, key_of = np.unique(digests(key(row.text) for row in rows), return_inverse=True)
    label_of, labels = label_numbers(rows)
    fraction = fractions(keys)
    assigned = 1 + ((1 - fraction) / share).astype(int)
    assigned[assigned >= splits] = 0
    pairs = np.unique(label_of * len(keys) + key_of)  # of a label and a key
    sharing = np.bincount(pairs % max(1, len(keys)), minlength=len(keys))
    starts = np.searchsorted(pairs, np.arange(1, len(labels)) * len(keys))
    for of_label in np.split(pairs % max(1, len(keys)), starts):
        order = of_label[np.lexsort([of_label, fraction[of_label], sharing[of_label]])]
        for split in range(splits):
            _fill(split, order, assigned)
    return assigned[key_of]


def label_numbers(rows: Iterable[Row]) -> "tuple[np.ndarray, list[str]]":
    """Return the number of each row's label, [N], and the labels, sorted."""
    import numpy as np

    number_of: dict[str, int] = {}
    numbers = array("q", (number_of.setdefault(row.label, len(number_of)) for row in rows))
    labels = sorted(number_of)
    rank_of = {label: rank for rank, label in enumerate(labels)}
    ranks = np.array([rank_of[label] for label in number_of], np.int64)
    return ranks[np.frombuffer(numbers, np.int64)], labels


def _fill(split: int, keys: "np.ndarray", assigned: "np.ndarray") -> None:
    """Move the first possible key of a label to a split that has none, out of one with several."""
    import numpy as np

    tally = np.bincount(assigned[keys], minlength=split + 1)
    spare = keys[tally[assigned[keys]] > 1]
    if not tally[split] and len(spare):
        assigned[spare[0]] = split


def stratified_subsample(rows: Sequence[Row], limit: int, seed: int) -> Sequence[Row]:
    """Return at most `limit` rows, selected by the seed, with labels in proportion.

    At least one row of each label is kept.
    """
    import numpy as np

    indices_of = defaultdict(list)
    for index, row in enumerate(rows):
        indices_of[row.label].append(index)
    spare = len(rows) - len(indices_of)
    share = min(1.0, max(0, limit - len(indices_of)) / spare) if spare else 0.0
    kept: list[int] = []
    for indices in indices_of.values():
        indices.sort(key=lambda index: hash_fraction(f"{seed}\t{rows[index].text}"))
        kept += indices[: 1 + int(share * (len(indices) - 1))]
    return selected(rows, np.array(sorted(kept), int))
