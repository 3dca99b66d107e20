"""The loader of documents, texts of many words: the user's own files or a TFDS dataset."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.errors import UserError
from ..sources import check_single_source
from ..splits import SPLITS, Items
from .document_files import LAYOUT, read_documents
from .text_data import TextData, assemble, drop_untrained_classes


def load_documents(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    max_length: int,
    too_long: Literal["cut", "skip"],
    length: Callable[[Sequence[str]], np.ndarray],
    limit: int | None = None,
    seed: int = 0,
) -> TextData:
    """Read labelled documents. Nothing is downloaded.

    Args:
        dataset: name of a prepared TFDS dataset with a text and a ClassLabel.
        data_dir: the user's file or folder, see `read_documents`.
        max_length: the number of words of the longest document; `problems` counts longer ones.
        too_long: "skip" leaves longer documents out; "cut" keeps them whole for the model to cut.
        length: returns the number of words of each of N texts, [N].
        limit: the maximum number of training documents; labels stay in proportion, and the other
            splits shrink in proportion.
        seed: selects the documents that `limit` keeps.

    Raises:
        UserError: no source or two; the data are missing or unusable.
    """
    check_single_source(dataset, data_dir)
    items = fit_length(_read(dataset, data_dir), max_length, too_long, length)
    longest = f"{max_length} words" if too_long == "skip" else None
    items = drop_untrained_classes(items, longest)
    _check_filled(items, longest)
    return assemble(items, limit, seed)


def _read(dataset: str | None, data_dir: str | Path | None) -> Items:
    if data_dir is not None:
        return read_documents(data_dir)
    if dataset is None:
        raise UserError(_no_source())
    from . import tfds_text  # imports TensorFlow

    return tfds_text.read(dataset)


def _no_source() -> str:
    code = "import tensorflow_datasets as t; t.builder('imdb_reviews').download_and_prepare()"
    return (
        f"this task has no data of its own: give yours with --data-dir ({LAYOUT}), or use --dataset"
        " imdb_reviews (or ag_news_subset, likewise), once fetched with:"
        f' {sys.executable} -c "{code}"'
    )


def fit_length(
    items: Items,
    max_length: int,
    too_long: Literal["cut", "skip"],
    length: Callable[[Sequence[str]], np.ndarray],
) -> Items:
    """Count the documents of too many words in `problems`; for "skip" leave them out."""
    rows_of, problems = {}, []
    for split, rows in items.rows_of.items():
        longer = length([row.text for row in rows]) > max_length
        skipped = longer & (too_long == "skip")
        rows_of[split] = [row for row, skip in zip(rows, skipped, strict=True) if not skip]
        if longer.any():
            problems.append(
                f"{split}: {longer.sum():,} of {len(rows):,} documents have more than {max_length}"
                f" words; {'cut' if too_long == 'cut' else 'left out'}"
            )
    return items._replace(rows_of=rows_of, problems=problems + items.problems)


def _check_filled(items: Items, longest: str | None) -> None:
    """Raise `UserError` if a split has no document left."""
    limit = f" of at most {longest}" if longest else ""
    remedy = "raise --max-length or use --too-long cut" if longest else "choose other data"
    for split in SPLITS:
        if not items.rows_of[split]:
            raise UserError(f"{items.source}: no {split} document{limit} is left; {remedy}")
