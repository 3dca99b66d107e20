"""The loader of labelled texts: the embedded surnames, a TFDS dataset, or the user's own folder."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import UserError
from ..left_out import LeftOut
from ..sources import check_single_source
from ..splits import SPLITS, Items, Row, counts, splits_hash, stratified_subsample
from ..stored import mapped
from .label_files import read_folder
from .labelled_rows import RECOGNISED, Columns

_UNTRAINED = "its class has no training item"


@dataclass(frozen=True)
class TextSplit:
    """One split: N texts and the index of each one's label."""

    texts: Sequence[str]
    labels: np.ndarray  # [N] int32

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class TextData:
    """Labelled texts in three splits.

    Attributes:
        train, validation, test: the splits.
        labels: the classes, in the order of their indices.
        content_hash: SHA-256 of all items and their splits, before `limit`.
        counts: {label: {split: number of items}}, after `limit`.
        problems: remarks on the data, such as a missing split, one line each.
        source: where the data come from.
        left_out: each item that was left out.
    """

    train: TextSplit
    validation: TextSplit
    test: TextSplit
    labels: list[str]
    content_hash: str
    counts: dict[str, dict[str, int]]
    problems: list[str]
    source: str
    left_out: Sequence[LeftOut] = ()


def load_text(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    columns: Columns = RECOGNISED,
    ready_splits: bool = True,
    max_length: int,
    limit: int | None = None,
    seed: int = 0,
    found: Items | None = None,
) -> TextData:
    """Read labelled texts. Nothing is downloaded.

    Args:
        dataset: name of a prepared TFDS dataset with a text and a ClassLabel.
        data_dir: a person's folder or table, see `read_folder`. Without either: the surnames.
        columns: the columns of tables, and the encoding of text files.
        ready_splits: whether files and folders named train, val, test are splits.
        max_length: longest text in characters; longer ones are left out and reported.
        limit: the maximum number of training items; labels stay in proportion, and the other
            splits shrink in proportion.
        seed: selects the items that `limit` keeps.
        found: the result of `read_folder`, if it has been called already.

    Raises:
        UserError: the data are missing or unusable, or the arguments exclude each other.
    """
    check_single_source(dataset, data_dir)
    if data_dir is not None:
        items = found or read_folder(data_dir, max_length, columns, ready_splits=ready_splits)
    else:
        from . import tfds_text  # imports TensorFlow

        items = tfds_text.read(dataset, max_length)
    return assemble(drop_untrained_classes(items, f"{max_length} characters"), limit, seed)


def drop_untrained_classes(items: Items, longest: str | None = None) -> Items:
    """Return the items without those of classes that have no training item.

    Args:
        items: the result of a reader.
        longest: the length ("40 characters") beyond which items were left out, if any.

    Raises:
        UserError: fewer than two classes are left.
    """
    trained = {row.label for row in items.rows_of["train"]}
    labels = [label for label in items.labels if label in trained]
    if len(labels) < 2:
        limit = f" of at most {longest}" if longest else ""
        remedy = "raise --max-length or " if longest else ""
        raise UserError(
            f"{items.source}: {len(labels)} classes with training items{limit}, at least two are"
            f" needed; {remedy}choose other data"
        )
    trained_in: dict[str, np.ndarray] = {}
    dropped = []
    for split, rows in items.rows_of.items():
        is_trained = np.fromiter((row.label in trained for row in rows), bool)
        trained_in[split] = np.flatnonzero(is_trained)
        for index in np.flatnonzero(~is_trained).tolist():
            detail = f"class {rows[index].label!r} in {split}"
            dropped.append(LeftOut(items.place(split, index), _UNTRAINED, detail))
    remarks = [f"class {x!r}: no training item" for x in items.labels if x not in trained]
    return items.only(trained_in)._replace(
        labels=labels,
        problems=[*items.problems, *remarks],
        left_out=[*items.left_out, *dropped],
    )


def assemble(items: Items, limit: int | None, seed: int) -> TextData:
    """Return texts and label indices of the rows, or of as many of them as `limit` allows.

    Raises:
        UserError: `limit` is less than the number of classes.
    """
    rows_of = items.rows_of
    if limit is not None:
        if limit < len(items.labels):
            raise UserError(
                f"--limit {limit}: less than the number of classes, {len(items.labels)}"
            )
        share = min(1.0, limit / len(rows_of["train"]))
        rows_of = {
            split: stratified_subsample(rows, round(share * len(rows)), seed)
            for split, rows in rows_of.items()
        }
    splits = {split: _split(rows_of[split], items.labels) for split in SPLITS}
    return TextData(
        **splits,
        labels=items.labels,
        content_hash=splits_hash(items.rows_of),
        counts=counts(rows_of, items.labels),
        problems=items.problems,
        source=items.source,
        left_out=items.left_out,
    )


def _split(rows: Sequence[Row], labels: Sequence[str]) -> TextSplit:
    index = {label: i for i, label in enumerate(labels)}
    return TextSplit(
        mapped(rows, operator.attrgetter("text")),
        np.fromiter((index[row.label] for row in rows), np.int32),
    )
