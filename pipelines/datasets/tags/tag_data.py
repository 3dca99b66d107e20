"""The loader of tagged sentences: the default treebank, a TFDS dataset, or the user's CoNLL-U."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable
from ..sources import check_single_source
from ..splits import SPLITS, Row, hash_fraction, splits_hash
from .sentences import RECOGNISED, Sentence, TagColumns, TagItems
from .tag_files import read_treebank


@dataclass(frozen=True)
class TagSplit:
    """One split: N sentences of tokens, and the index of each token's tag."""

    sentences: list[tuple[str, ...]]
    tags: list[np.ndarray]  # N times [T] int32

    def __len__(self) -> int:
        return len(self.sentences)


@dataclass(frozen=True)
class TagData:
    """Tagged sentences in three splits.

    Attributes:
        train, validation, test: the splits.
        labels: the tags of train, sorted.
        content_hash: SHA-256 of all sentences and their splits, before `max_length` and `limit`.
        counts: {tag: {split: number of tokens}}, after them.
        problems: remarks on the data, such as a missing split, one line each.
        source: where the data come from.
        left_out: each item that was left out.
    """

    train: TagSplit
    validation: TagSplit
    test: TagSplit
    labels: list[str]
    content_hash: str
    counts: dict[str, dict[str, int]]
    problems: list[str]
    source: str
    left_out: Sequence[LeftOut] = ()


def load_tags(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    columns: TagColumns = RECOGNISED,
    ready_splits: bool = True,
    max_length: int,
    too_long: Literal["cut", "skip"] = "cut",
    limit: int | None = None,
    seed: int = 0,
    found: TagItems | None = None,
) -> TagData:
    """Read tagged sentences. Nothing is downloaded.

    Args:
        dataset: name of a prepared TFDS dataset with a sequence of tokens and one of tags.
        data_dir: a person's file or folder, see `read_treebank`. Without either: the treebank
            `english_ewt`.
        columns: the columns of files that are not CoNLL-U, and the encoding.
        ready_splits: whether names of files and folders state splits.
        max_length: the number of tokens of the longest sentence.
        too_long: whether longer sentences are cut to that length or left out.
        limit: the maximum number of training sentences; the other splits shrink in proportion,
            to at least one.
        seed: selects the sentences that `limit` keeps.
        found: the result of `read_treebank`, if it has been called already.

    Raises:
        UserError: the data are missing or unusable, or the arguments exclude each other.
    """
    check_single_source(dataset, data_dir)
    if data_dir is not None:
        items = found or read_treebank(data_dir, columns, ready_splits=ready_splits)
    else:
        from . import tfds_tags  # imports TensorFlow

        items = tfds_tags.read(dataset)
    usable = drop_untrained_tags(fit_length(items, max_length, too_long))
    labels = _labels(usable, max_length)
    sentences_of = usable.sentences_of if limit is None else _limited(usable, limit, seed)
    splits = {split: _split(sentences_of[split], labels) for split in SPLITS}
    return TagData(
        **splits,
        labels=labels,
        content_hash=_hash(items),
        counts=_counts(sentences_of, labels),
        problems=usable.problems,
        source=items.source,
        left_out=usable.left_out,
    )


def fit_length(items: TagItems, max_length: int, too_long: Literal["cut", "skip"]) -> TagItems:
    """Cut sentences of more than `max_length` tokens, with a remark, or leave them out."""
    sentences_of, remarks, left_out = {}, [], [*items.left_out]
    for split, sentences in items.sentences_of.items():
        longer = [s for s in sentences if len(s.tokens) > max_length]
        kept = [s for s in sentences if too_long == "cut" or len(s.tokens) <= max_length]
        sentences_of[split] = [
            s._replace(tokens=s.tokens[:max_length], tags=s.tags[:max_length]) for s in kept
        ]
        if longer and too_long == "cut":
            remarks.append(
                f"{split}: {len(longer):,} of {len(sentences):,} sentences have more than"
                f" {max_length} tokens; cut"
            )
        elif longer:
            reason = f"more than {max_length} tokens"
            left_out += [LeftOut(s.place, reason, f"{len(s.tokens)} tokens") for s in longer]
    problems = items.problems + remarks
    return items._replace(sentences_of=sentences_of, problems=problems, left_out=left_out)


def drop_untrained_tags(items: TagItems) -> TagItems:
    """Leave out the sentences with a tag that is not in train."""
    tally = Counter(tag for sentence in items.sentences_of["train"] for tag in sentence.tags)
    remarks = [
        f"train: tag {printable(tag)!r} occurs only once"
        for tag in sorted(tally)
        if tally[tag] == 1
    ]
    sentences_of, left_out = {}, [*items.left_out]
    for split, sentences in items.sentences_of.items():
        sentences_of[split] = [s for s in sentences if tally.keys() >= set(s.tags)]
        untrained = [(s, sorted(set(s.tags) - tally.keys())) for s in sentences]
        left_out += [
            LeftOut(s.place, "a tag that is never in train", ", ".join(map(repr, tags)))
            for s, tags in untrained
            if tags
        ]
    problems = items.problems + remarks
    return items._replace(sentences_of=sentences_of, problems=problems, left_out=left_out)


def _labels(items: TagItems, max_length: int) -> list[str]:
    """Return the tags of train, sorted; `UserError` if a split is empty or has one tag only."""
    remedy = "raise --max-length or give more data"
    for split in SPLITS:
        if not items.sentences_of[split]:
            raise UserError(
                f"{items.source}: no {split} sentence is left, of at most {max_length} tokens and"
                f" with tags of train; {remedy}"
            )
    labels = sorted({tag for sentence in items.sentences_of["train"] for tag in sentence.tags})
    if len(labels) == 1:
        raise UserError(
            f"{items.source}: only the tag {labels[0]!r} is left in train, with at most"
            f" {max_length} tokens a sentence; {remedy}"
        )
    return labels


def _limited(items: TagItems, limit: int, seed: int) -> dict[str, list[Sentence]]:
    share = min(1.0, limit / len(items.sentences_of["train"]))
    return {
        split: _subsample(sentences, max(1, round(share * len(sentences))), seed)
        for split, sentences in items.sentences_of.items()
    }


def _subsample(sentences: Sequence[Sentence], number: int, seed: int) -> list[Sentence]:
    """Return a number of sentences in their order, selected by the seed and their text."""
    keys = [hash_fraction(f"{seed}\t{' '.join(sentence.tokens)}") for sentence in sentences]
    indices = sorted(range(len(sentences)), key=keys.__getitem__)
    return [sentences[index] for index in sorted(indices[:number])]


def _split(sentences: Sequence[Sentence], labels: Sequence[str]) -> TagSplit:
    index = {label: i for i, label in enumerate(labels)}
    tags = [np.array([index[tag] for tag in sentence.tags], np.int32) for sentence in sentences]
    return TagSplit([sentence.tokens for sentence in sentences], tags)


def _counts(
    sentences_of: dict[str, list[Sentence]], labels: Sequence[str]
) -> dict[str, dict[str, int]]:
    tallies = {
        split: Counter(tag for sentence in sentences_of[split] for tag in sentence.tags)
        for split in SPLITS
    }
    return {label: {split: tallies[split][label] for split in SPLITS} for label in labels}


def _hash(items: TagItems) -> str:
    return splits_hash(
        {
            split: [Row(" ".join(s.tags), " ".join(s.tokens)) for s in sentences]
            for split, sentences in items.sentences_of.items()
        }
    )
