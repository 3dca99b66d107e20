"""Tokens and tags out of TFDS datasets. Importing this module loads TensorFlow."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow_datasets as tfds

from ...core.errors import UserError
from ..left_out import LeftOut
from ..splits import SPLIT_NAMES, SPLITS
from ..tfds_sets import check_on_disk, check_train, features_of, features_of_type, find_builder
from .english_ewt import EnglishEWT, ready
from .sentences import Sentence, TagItems, check_trainable, clean, with_every_split

# conll2003 has also chunks and names, universal_dependencies also lemmas.
_TOKENS, _TAGS = ("tokens",), ("upos", "pos")


def read(dataset: str | None) -> TagItems:
    """Read the sentences of a prepared TFDS dataset; None: the default treebank, English EWT.

    A missing validation or test split (or one without tags) is carved from train, a tenth each.

    Raises:
        UserError: unknown or unprepared dataset, no train split, no tokens with tags, one tag only.
    """
    builder = ready() if dataset in (None, EnglishEWT.name) else prepared(dataset)
    check_train(builder, dataset)
    left_out, sentences_of = [], {}
    for split in SPLITS:
        for name in [name for name in SPLIT_NAMES[split] if name in builder.info.splits][:1]:
            sentences_of[split], faults = _sentences(builder, name)
            left_out += faults
    tags = check_trainable(sentences_of["train"], left_out, f"--dataset {builder.name}")
    sentences_of, carved = with_every_split(sentences_of, builder.name)
    source = f"{builder.info.full_name} ({len(tags)} tags)"
    return TagItems(sentences_of, carved, source, left_out)


def prepared(dataset: str) -> tfds.core.DatasetBuilder:
    """Return the builder of a dataset of tokens and tags that is on disk."""
    builder = find_builder(dataset)
    tokens_and_tags(builder)  # check before the user downloads it
    check_on_disk(builder, dataset)
    return builder


def tokens_and_tags(builder: tfds.core.DatasetBuilder) -> tuple[str, str]:
    """Return the names of the features: the supervised pair, the only ones, or the usual names."""
    texts = _sequences_of(builder, tfds.features.Text)
    labels = _sequences_of(builder, tfds.features.ClassLabel)
    pair = builder.info.supervised_keys
    if pair and pair[0] in texts and pair[1] in labels:
        return pair
    tokens, tags = _single_or_usual(texts, _TOKENS), _single_or_usual(labels, _TAGS)
    if tokens is None or tags is None:
        raise UserError(
            f"--dataset {builder.name}: needs a sequence of texts (tokens) and one of class labels"
            f" (upos or pos); it has {len(texts)} of the one and {len(labels)} of the other kind"
            f" ({', '.join(features_of(builder))})"
        )
    return tokens, tags


def _sequences_of(builder: tfds.core.DatasetBuilder, kind: type) -> list[str]:
    features = features_of(builder)
    sequences = features_of_type(builder, tfds.features.Sequence)
    return [name for name in sequences if isinstance(features[name].feature, kind)]


def _single_or_usual(names: Sequence[str], usual: Sequence[str]) -> str | None:
    """Return the only name, or the first usual name that is present."""
    if len(names) == 1:
        return names[0]
    return next((name for name in usual if name in names), None)


def _sentences(
    builder: tfds.core.DatasetBuilder, split: str
) -> tuple[list[Sentence], list[LeftOut]]:
    """Return the usable sentences of a split, and those that are left out."""
    tokens, tags = tokens_and_tags(builder)
    names = np.array(features_of(builder)[tags].feature.names)
    sentences, left_out = [], []
    for number, (forms, indices) in enumerate(_pairs(builder, split, tokens, tags), start=1):
        place = f"{builder.name} {split}:{number}"
        if fault := _fault(forms, indices, names):
            left_out.append(LeftOut(place, fault))
        else:
            sentences.append(Sentence(tuple(forms), tuple(names[indices].tolist()), place))
    return sentences, left_out


def _pairs(
    builder: tfds.core.DatasetBuilder, split: str, tokens: str, tags: str
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield the tokens and the indices of the tags of each sentence."""
    pairs = builder.as_dataset(split).map(lambda example: (example[tokens], example[tags]))
    for raw, indices in tfds.as_numpy(pairs):
        yield [clean(token.decode("utf-8", "replace").strip()) for token in raw], indices


def _fault(forms: Sequence[str], indices: np.ndarray, names: np.ndarray) -> str | None:
    if not forms:
        return "no token"
    if not all(forms):
        return "an empty token"
    if len(forms) != len(indices):
        return "not one tag per token"
    if (indices < 0).any() or "_" in names[indices]:  # -1: TFDS' mark of a label that is hidden
        return "a token without tag"
    return None
