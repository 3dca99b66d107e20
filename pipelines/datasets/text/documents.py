"""The loader of documents, texts of many words: the user's own files or a TFDS dataset."""

import operator
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.errors import UserError
from ..left_out import LeftOut
from ..sources import check_single_source
from ..splits import SPLITS, Items
from ..stored import mapped
from .document_files import read_documents
from .document_layouts import LAYOUT
from .labelled_rows import RECOGNISED, Columns
from .text_data import TextData, assemble, drop_untrained_classes


def load_documents(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    columns: Columns = RECOGNISED,
    ready_splits: bool = True,
    max_length: int,
    too_long: Literal["cut", "skip"],
    length: Callable[[Sequence[str]], np.ndarray],
    limit: int | None = None,
    seed: int = 0,
    found: Items | None = None,
) -> TextData:
    """Read labelled documents. Nothing is downloaded.

    Args:
        dataset: name of a prepared TFDS dataset with a text and a ClassLabel.
        data_dir: a person's file or folder, see `read_documents`.
        columns: the columns of tables, and the encoding of text files.
        ready_splits: whether files and folders named train, val, test are splits.
        max_length: the number of words of the longest document.
        too_long: "skip" leaves longer documents out; "cut" keeps them whole for the model to cut,
            and counts them in `problems`.
        length: returns the number of words of each of N texts, [N].
        limit: the maximum number of training documents; labels stay in proportion, and the other
            splits shrink in proportion.
        seed: selects the documents that `limit` keeps.
        found: the result of `find_documents`, if it has been called already.

    Raises:
        UserError: no source or two; the data are missing or unusable.
    """
    check_single_source(dataset, data_dir)
    found = found or find_documents(dataset, data_dir, columns, ready_splits)
    items = fit_length(found or _read_tfds(dataset), max_length, too_long, length)
    longest = f"{max_length} words" if too_long == "skip" else None
    items = drop_untrained_classes(items, longest)
    _check_filled(items, longest)
    return assemble(items, limit, seed)


def find_documents(
    dataset: str | None, data_dir: str | Path | None, columns: Columns, ready_splits: bool
) -> Items | None:
    """Read a person's own documents; None if the documents are those of a dataset.

    Raises:
        UserError: no source, or the documents cannot be read.
    """
    if data_dir is not None:
        return read_documents(data_dir, columns, ready_splits=ready_splits)
    if dataset is None:
        raise UserError(_no_source())
    return None


def _read_tfds(dataset: str | None) -> Items:
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
    """For "skip", leave out the documents of too many words; for "cut", count them in a remark."""
    short_in, remarks, left_out = {}, [], [*items.left_out]
    for split, rows in items.rows_of.items():
        lengths = length(mapped(rows, operator.attrgetter("text")))
        longer = np.flatnonzero(lengths > max_length)
        if len(longer) and too_long == "cut":
            remarks.append(
                f"{split}: {len(longer):,} of {len(rows):,} documents have more than {max_length}"
                " words; cut"
            )
        elif len(longer):
            short_in[split] = np.flatnonzero(lengths <= max_length)
            reason = f"more than {max_length} words"
            left_out += [
                LeftOut(items.place(split, index), reason, f"{lengths[index]} words")
                for index in longer.tolist()
            ]
    return items.only(short_in)._replace(problems=remarks + items.problems, left_out=left_out)


def _check_filled(items: Items, longest: str | None) -> None:
    """Raise `UserError` if a split has no document left."""
    limit = f" of at most {longest}" if longest else ""
    remedy = "raise --max-length or use --too-long cut" if longest else "choose other data"
    for split in SPLITS:
        if not items.rows_of[split]:
            raise UserError(f"{items.source}: no {split} document{limit} is left; {remedy}")
