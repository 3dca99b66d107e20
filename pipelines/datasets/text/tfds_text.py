"""Texts and labels out of TFDS datasets. Importing this module loads TensorFlow."""

import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterator

import tensorflow_datasets as tfds

from ...core.errors import UserError
from ..builders import prepare
from ..splits import SPLITS, Items, Row, assign_splits
from ..tfds_sets import check_on_disk, check_train, features_of, features_of_type, find_builder
from .surnames import Surnames


def read(dataset: str | None, max_length: int | None = None) -> Items:
    """Read the items of a prepared TFDS dataset; None: the surnames, prepared on first use.

    A missing validation or test split (or one without labels) is carved from train, a tenth each.
    Texts of more than `max_length` characters, if it is set, are left out.

    Raises:
        UserError: unknown or unprepared dataset, no train split, no text with a ClassLabel.
    """
    builder = prepare(Surnames) if dataset in (None, Surnames.name) else prepared(dataset)
    text, label = text_and_label(builder)
    check_train(builder, dataset)
    problems, rows_of = [], {}
    for split in SPLITS:
        if split in builder.info.splits:
            rows_of[split], faults = _rows(builder, split, text, label, max_length)
            problems += faults
    missing = [split for split in SPLITS[1:] if not rows_of.get(split)]
    if missing:
        rows_of |= assign_splits(rows_of["train"], ("train", *missing))
        problems.append(f"{builder.name}: no {' and no '.join(missing)} split; carved from train")
    labels = features_of(builder)[label].names
    return Items(rows_of, labels, problems, f"{builder.info.full_name} ({len(labels)} classes)")


def prepared(dataset: str) -> tfds.core.DatasetBuilder:
    """Return the builder of a dataset of texts and labels that is on disk."""
    builder = find_builder(dataset)
    text_and_label(builder)  # check before the user downloads it
    check_on_disk(builder, dataset)
    return builder


def text_and_label(builder: tfds.core.DatasetBuilder) -> tuple[str, str]:
    """Return the names of the text and of the ClassLabel: the supervised pair or the only one."""
    texts = features_of_type(builder, tfds.features.Text)
    labels = features_of_type(builder, tfds.features.ClassLabel)
    for text, label in itertools.product(texts, labels):
        if builder.info.supervised_keys == (text, label) or len(texts) == len(labels) == 1:
            return text, label
    raise UserError(
        f"--dataset {builder.name}: needs one text and one class label; it has"
        f" {len(texts)} texts and {len(labels)} class labels ({', '.join(features_of(builder))})"
    )


def _rows(
    builder: tfds.core.DatasetBuilder, split: str, text: str, label: str, max_length: int | None
) -> tuple[list[Row], list[str]]:
    """Return the usable rows of a split, and the number left out for each reason."""
    names = features_of(builder)[label].names
    rows, left_out = [], Counter()
    for raw, index in _pairs(builder, split, text, label):
        item = unicodedata.normalize("NFC", raw.decode("utf-8", "replace").strip())
        if fault := _fault(item, index, max_length):
            left_out[fault] += 1
        else:
            rows.append(Row(names[index], item))
    total = len(rows) + left_out.total()
    return rows, [
        f"{builder.name} {split}: {n} of {total} {fault}; left out" for fault, n in left_out.items()
    ]


def _pairs(
    builder: tfds.core.DatasetBuilder, split: str, text: str, label: str
) -> Iterator[tuple[bytes, int]]:
    pairs = builder.as_dataset(split).map(lambda example: (example[text], example[label]))
    for batch in tfds.as_numpy(pairs.batch(4096)):
        yield from zip(*batch, strict=True)


def _fault(item: str, index: int, max_length: int | None) -> str | None:
    if index < 0:  # TFDS marks the hidden labels of a competition by -1
        return "without label"
    if not item:
        return "empty"
    if max_length is not None and len(item) > max_length:
        return f"longer than {max_length} characters"
    return None
