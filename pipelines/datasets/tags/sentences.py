"""Tagged sentences, and their assignment to splits."""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from ....callbacks.recording.printable import CONTROL
from ...core.errors import UserError
from ..left_out import LeftOut
from ..listing import printable
from ..splits import SPLITS, Row, assign_splits


class Sentence(NamedTuple):
    """Tokens, the tag of each, and the file and line of the first, if known."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    place: str = ""


class TagItems(NamedTuple):
    """The result of a reader: sentences by split, remarks (one line each) and the source."""

    sentences_of: dict[str, list[Sentence]]
    problems: list[str]
    source: str
    left_out: Sequence[LeftOut] = ()


class TagReading(NamedTuple):
    """The sentences of a file, with remarks and what was left out."""

    sentences: list[Sentence]
    left_out: list[LeftOut]
    remarks: Sequence[str] = ()


class TagColumns(NamedTuple):
    """What a person said about columns, by name or number, and the encoding."""

    token: str | None = None
    tag: str | None = None
    sentence: str | None = None
    encoding: str | None = None


RECOGNISED = TagColumns()


def clean(form: str) -> str:
    """Return a form in NFC, with no-break spaces inside (20 000): spaces separate tokens."""
    return re.sub(r"\s", "\u00a0", unicodedata.normalize("NFC", form))


def checked(sentences: Sequence[Sentence]) -> TagReading:
    """Separate usable sentences from those that are left out."""
    faults = [(sentence, _fault(sentence)) for sentence in sentences]
    return TagReading(
        [sentence for sentence, fault in faults if not fault],
        [LeftOut(sentence.place, *fault) for sentence, fault in faults if fault],
    )


def _fault(sentence: Sentence) -> tuple[str, str] | None:
    """Return why a sentence is left out, and the detail."""
    tokens, tags = sentence.tokens, sentence.tags
    if len(tokens) != len(tags):
        return "not one tag per token", f"{len(tokens)} tokens, {len(tags)} tags"
    if not tokens:
        return "no token", ""
    if not all(token.strip() for token in tokens):
        return "an empty token", ""
    if not all(tags):
        return "a token without tag", repr(printable(tokens[tags.index("")]))
    if CONTROL.search("".join((*tokens, *tags))):
        return "control character", ""
    return None


def check_trainable(
    train: Sequence[Sentence], left_out: Sequence[LeftOut], origin: str
) -> set[str]:
    """Return the tags of train; raise `UserError`, beginning with `origin`, for fewer than two."""
    tags = {tag for sentence in train for tag in sentence.tags}
    if not tags:
        first = "".join(f"; {x.where}: {x.reason} {x.detail}" for x in [*left_out][:1]).rstrip()
        raise UserError(f"{origin}: no usable training sentence; give tagged ones{first}")
    if len(tags) == 1:
        raise UserError(f"{origin}: only one tag in training, {tags.pop()!r}; give two or more")
    return tags


def with_every_split(
    sentences_of: dict[str, list[Sentence]], name: str
) -> tuple[dict[str, list[Sentence]], list[str]]:
    """Carve splits without a sentence from train; return all splits, and the problem if so."""
    missing = [split for split in SPLITS[1:] if not sentences_of.get(split)]
    if not missing:
        return sentences_of, []
    carved = carve(sentences_of["train"], ("train", *missing))
    problem = f"{name}: no {' and no '.join(missing)} split; carved from train"
    return sentences_of | carved, [problem]


def carve(sentences: Sequence[Sentence], splits: Sequence[str]) -> dict[str, list[Sentence]]:
    """Assign sentences to splits; equal ones (letter case aside) stay together."""
    texts = [" ".join(sentence.tokens) for sentence in sentences]
    rows_of = assign_splits([Row("", text) for text in texts], splits)
    split_of = {row.text: split for split, rows in rows_of.items() for row in rows}
    sentences_of: dict[str, list[Sentence]] = {split: [] for split in splits}
    for sentence, text in zip(sentences, texts, strict=True):
        sentences_of[split_of[text]].append(sentence)
    return sentences_of
