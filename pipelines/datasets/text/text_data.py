"""The one door to text data: the embedded default, a TFDS set by name, or the user's own folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import UserError
from ..splits import SPLITS, Items, Row, counts, splits_hash, stratified_subsample
from .label_files import read_folder


@dataclass(frozen=True)
class TextSplit:
    """One split: N texts and the index of each one's label."""

    texts: list[str]
    labels: np.ndarray  # [N] int32

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class TextData:
    """Labelled texts in three splits.

    `content_hash` is the SHA-256 of all items and their splits before `limit`; `counts` is
    {label: {split: n}} after it; `problems` says line by line what was left out and why.
    """

    train: TextSplit
    validation: TextSplit
    test: TextSplit
    labels: list[str]
    content_hash: str
    counts: dict[str, dict[str, int]]
    problems: list[str]
    source: str


def load_text(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    max_length: int,
    limit: int | None = None,
    seed: int = 0,
) -> TextData:
    """Reads labelled texts; nothing is ever downloaded.

    Args:
        dataset: name of a prepared TFDS set with a text and a ClassLabel.
        data_dir: the user's folder, one `<Label>.txt` per class. With neither: the surnames.
        max_length: longest text in characters; longer ones are left out and reported.
        limit: at most so many training items, labels in proportion; other splits likewise.
        seed: chooses the items that stay under `limit`.

    Raises:
        UserError: the data are not there, not usable, or the arguments do not go together.
    """
    check_single_source(dataset, data_dir)
    if data_dir is not None:
        items = read_folder(data_dir, max_length)
    else:
        from . import tfds_text  # imports TensorFlow

        items = tfds_text.read(dataset, max_length)
    return assemble(drop_untrained_classes(items, f"{max_length} characters"), limit, seed)


def check_single_source(dataset: str | None, data_dir: str | Path | None) -> None:
    """Raises `UserError` where both are given."""
    if dataset is not None and data_dir is not None:
        raise UserError("--dataset and --data-dir: two sources; give one of them")


def drop_untrained_classes(items: Items, longest: str | None = None) -> Items:
    """Without the labels that have no training item, and saying so.

    `longest` is the length ("40 characters") beyond which items have been left out, if any.
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
    gone = [f"class {x!r}: no training item; left out" for x in items.labels if x not in trained]
    rows_of = {
        split: [row for row in rows if row.label in trained]
        for split, rows in items.rows_of.items()
    }
    return items._replace(rows_of=rows_of, labels=labels, problems=items.problems + gone)


def assemble(items: Items, limit: int | None, seed: int) -> TextData:
    """Rows to texts and label indices, thinned to the limit."""
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
    parts = {split: _part(rows_of[split], items.labels) for split in SPLITS}
    return TextData(
        **parts,
        labels=items.labels,
        content_hash=splits_hash(items.rows_of),
        counts=counts(rows_of, items.labels),
        problems=items.problems,
        source=items.source,
    )


def _part(rows: Sequence[Row], labels: Sequence[str]) -> TextSplit:
    index = {label: i for i, label in enumerate(labels)}
    return TextSplit(
        [row.text for row in rows], np.array([index[row.label] for row in rows], np.int32)
    )


def shorten(problems: Sequence[str], shown: int = 5) -> list[str]:
    """The first problems in full and how many more there are."""
    more = len(problems) - shown
    return [*problems[:shown], *([f"and {more} more"] if more > 0 else [])]
