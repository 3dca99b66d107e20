"""The loader of pairs of a source and a target: CMUdict, a TFDS dataset, or the user's files."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...core.errors import UserError
from ..digests import digests, fractions
from ..left_out import LeftOut
from ..sources import check_single_source
from ..splits import SPLITS, Row, splits_hash
from ..stored import mapped, selected, stored
from .cmudict_file import CMUDICT, cmudict_file
from .pair_files import PairItems, Source, read_pairs
from .pair_rows import RECOGNISED, PairColumns

TooLong = Callable[[Iterable[str], Iterable[str]], Iterable[bool]]
_STRESS = str.maketrans("", "", "012")


@dataclass(frozen=True)
class PairSplit:
    """One split: N sources, and the reference targets of each, in the order of the data."""

    sources: Sequence[str]
    targets: Sequence[list[str]]

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True)
class PairData:
    """Pairs in three splits; all targets of a source are in the same split.

    Attributes:
        train, validation, test: the splits.
        content_hash: SHA-256 of all pairs and their splits, before `limit`.
        counts: {"sources": {split: number}, "pairs": {split: number}}, after `limit`.
        problems: remarks on the data, such as a missing split, one line each.
        source: where the data come from.
        labels: empty, as nothing is classified.
        left_out: each item that was left out.
    """

    train: PairSplit
    validation: PairSplit
    test: PairSplit
    content_hash: str
    counts: dict[str, dict[str, int]]
    problems: list[str]
    source: str
    labels: list[str] = field(default_factory=list)
    left_out: Sequence[LeftOut] = ()


def load_pairs(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    columns: PairColumns = RECOGNISED,
    ready_splits: bool = True,
    is_too_long: TooLong | None = None,
    stress: bool = False,
    limit: int | None = None,
    seed: int = 0,
    found: PairItems | None = None,
) -> PairData:
    """Read pairs of a source and a target. Nothing is downloaded.

    Args:
        dataset: name of a prepared TFDS dataset of translations, or of two texts.
        data_dir: a person's file or folder, see `read_pairs`. Without either: CMUdict, English
            words and their phones.
        columns: the columns of tables, and the encoding of text files.
        ready_splits: whether files named train, val, test are splits.
        is_too_long: function of N sources and N targets that returns for each pair whether it is
            too long to be used in training, [N]; such pairs stay in the data, and are listed in
            `left_out`.
        stress: whether the vowels of CMUdict keep their stress (AH0, AH1, AH2); other data are
            not changed.
        limit: the maximum number of training sources; the other splits shrink in proportion,
            to at least one.
        seed: selects the sources that `limit` keeps.
        found: the result of `read_pairs`, if it has been called already.

    Raises:
        UserError: the data are missing or unusable, or the arguments exclude each other.
    """
    check_single_source(dataset, data_dir)
    items = found or _read(dataset, data_dir, columns, ready_splits, stress)
    _check_filled(items)
    sources_of = items.sources_of if limit is None else _limited(items.sources_of, limit, seed)
    splits = {split: _split(sources_of[split]) for split in SPLITS}
    return PairData(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        content_hash=_hash(items),
        counts={
            "sources": {split: len(part) for split, part in splits.items()},
            "pairs": {split: sum(map(len, part.targets)) for split, part in splits.items()},
        },
        problems=items.problems,
        source=items.source,
        left_out=[*items.left_out, *_too_long(items, sources_of, is_too_long)],
    )


def _too_long(
    items: PairItems, sources_of: Mapping[str, Sequence[Source]], is_too_long: TooLong | None
) -> list[LeftOut]:
    """Return the pairs that no training uses; in the test, all are used."""
    left_out = []
    if is_too_long is None:
        return left_out
    for split in ("train", "validation"):
        sources = sources_of[split]
        flags = is_too_long(
            (source.text for source in sources for _ in source.targets),
            (target for source in sources for target in source.targets),
        )
        places = (source.place for source in sources for _ in source.targets)
        use = "training" if split == "train" else "the choice of the best epoch"
        left_out += [
            LeftOut(place or f"{items.source} {split}", f"too long for {use}")
            for place, long in zip(places, flags, strict=True)
            if long
        ]
    return left_out


def _read(
    dataset: str | None,
    data_dir: str | Path | None,
    columns: PairColumns,
    ready_splits: bool,
    stress: bool,
) -> PairItems:
    if data_dir is not None:
        return read_pairs(data_dir, columns, ready_splits=ready_splits)
    default = dataset in (None, CMUDICT)
    if default:
        cmudict_file()  # fails at once if it is missing: TensorFlow takes seconds to load
    from . import tfds_pairs  # imports TensorFlow

    items = tfds_pairs.read(dataset)
    return _without_stress(items) if default and not stress else items


def _without_stress(items: PairItems) -> PairItems:
    sources_of = {
        split: stored(s._replace(targets=unstressed(s.targets)) for s in sources)
        for split, sources in items.sources_of.items()
    }
    return items._replace(sources_of=sources_of)


def unstressed(pronunciations: Iterable[str]) -> list[str]:
    """Return distinct pronunciations without the digits for the stress of vowels."""
    return list(dict.fromkeys(phones.translate(_STRESS) for phones in pronunciations))


def _check_filled(items: PairItems) -> None:
    """Raise `UserError` if a split has no pair."""
    for split in SPLITS:
        if not items.sources_of[split]:
            raise UserError(
                f"{items.source}: no {split} pair is left; give more, of sources that are in no"
                " other split"
            )


def _limited(
    sources_of: Mapping[str, Sequence[Source]], limit: int, seed: int
) -> dict[str, Sequence[Source]]:
    share = min(1.0, limit / len(sources_of["train"]))
    return {
        split: _subsample(sources, max(1, round(share * len(sources))), seed)
        for split, sources in sources_of.items()
    }


def _subsample(sources: Sequence[Source], number: int, seed: int) -> Sequence[Source]:
    """Return a number of sources in their order, selected by the seed and their text."""
    order = fractions(digests(f"{seed}\t{source.text}" for source in sources))
    return selected(sources, np.sort(np.argsort(order, kind="stable")[:number]))


def _split(sources: Sequence[Source]) -> PairSplit:
    text, targets = operator.attrgetter("text"), operator.attrgetter("targets")
    return PairSplit(mapped(sources, text), mapped(sources, targets))


def _hash(items: PairItems) -> str:
    return splits_hash(
        {
            split: (Row(target, s.text) for s in sources for target in s.targets)
            for split, sources in items.sources_of.items()
        }
    )
