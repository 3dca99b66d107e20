"""Texts and labels out of TFDS datasets. Importing this module loads TensorFlow."""

import itertools
import unicodedata
from collections.abc import Iterator, Sequence

import tensorflow_datasets as tfds

from ...core.errors import UserError
from ..builders import prepare
from ..left_out import LeftOut
from ..splits import SPLITS, Items, Row, assign_splits
from ..stored import stored
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
    problems, rows_of, left_out = [], {}, []
    for split in SPLITS:
        if split in builder.info.splits:
            rows_of[split], faults = _rows(builder, split, text, label, max_length)
            left_out += faults
    missing = [split for split in SPLITS[1:] if not rows_of.get(split)]
    if missing:
        rows_of |= assign_splits(rows_of["train"], ("train", *missing))
        problems.append(f"{builder.name}: no {' and no '.join(missing)} split; carved from train")
    labels = features_of(builder)[label].names
    source = f"{builder.info.full_name} ({len(labels)} classes)"
    return Items(rows_of, labels, problems, source, left_out)


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
) -> tuple[Sequence[Row], list[LeftOut]]:
    """Return the usable rows of a split, and the items that are left out."""
    names = features_of(builder)[label].names
    left_out: list[LeftOut] = []

    def rows() -> Iterator[Row]:
        for number, (raw, index) in enumerate(_pairs(builder, split, text, label), start=1):
            item = unicodedata.normalize("NFC", raw.decode("utf-8", "replace").strip())
            if fault := _fault(item, index, max_length):
                left_out.append(LeftOut(f"{builder.name} {split}:{number}", fault))
            else:
                yield Row(names[index], item)

    return stored(rows()), left_out


def _pairs(
    builder: tfds.core.DatasetBuilder, split: str, text: str, label: str
) -> Iterator[tuple[bytes, int]]:
    pairs = builder.as_dataset(split).map(lambda example: (example[text], example[label]))
    for batch in tfds.as_numpy(pairs.batch(4096)):
        yield from zip(*batch, strict=True)


def _fault(item: str, index: int, max_length: int | None) -> str | None:
    if index < 0:  # TFDS marks the hidden labels of a competition by -1
        return "no label"
    if not item:
        return "no text"
    if max_length is not None and len(item) > max_length:
        return f"more than {max_length} characters"
    return None
