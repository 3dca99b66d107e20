"""Reading tagged sentences from CoNLL-U files: a token per line, its word class in column 4.

The format: https://universaldependencies.org/format.html
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..left_out import LeftOut
from ..splits import SPLITS, Row, assign_splits
from ..utf8 import numbered_lines

_LAYOUT = "files named like my-train.conllu, my-dev.conllu, my-test.conllu (the last two if any)"
_SPLIT_OF_WORD = {
    "train": "train",
    "dev": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


class Sentence(NamedTuple):
    """Tokens and the tag of each."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]


class TagItems(NamedTuple):
    """The result of a reader: sentences by split, problems (one line each) and the source."""

    sentences_of: dict[str, list[Sentence]]
    problems: list[str]
    source: str
    left_out: Sequence[LeftOut] = ()


def read_treebank(where: Path) -> TagItems:
    """Read the sentences of a .conllu file, or of a folder whose file names state their split.

    A missing validation or test split is carved from train, a tenth each, by a hash of the
    sentence.

    Raises:
        UserError: no such path, no .conllu file, a malformed line, no usable training sentence,
            one tag only.
    """
    paths_of, problems = _paths_by_split(where)
    sentences_of: dict[str, list[Sentence]] = {}
    for split, paths in paths_of.items():
        parts = [read_conllu(path) for path in paths]
        sentences_of[split] = [sentence for sentences, _ in parts for sentence in sentences]
        problems += [problem for _, faults in parts for problem in faults]
    tags = check_trainable(sentences_of["train"], problems, f"--data-dir {where}")
    sentences_of, carved = with_every_split(sentences_of, where.name)
    return TagItems(sentences_of, problems + carved, f"{where} ({len(tags)} tags)")


def read_conllu(path: Path) -> tuple[list[Sentence], list[str]]:
    """Read the sentences of a file; return them and a line for each sentence that was left out.

    Multiword tokens (id 1-2) and empty nodes (id 1.1) are skipped: neither has a tag of its own.
    A sentence without a token, or with a token without tag, is left out.

    Raises:
        UserError: the file is unreadable, not UTF-8 or empty, or a line is not CoNLL-U.
    """
    sentences, problems = [], []
    for block in _blocks(path):
        words = _words(path, block)
        if fault := _fault(block, words):
            problems.append(f"{path.name}:{fault}; sentence left out")
        else:
            _, forms, tags = zip(*words, strict=True)
            sentences.append(Sentence(forms, tags))
    return sentences, problems


def _blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    """Yield the blocks between blank lines: [(line number, line)]."""
    numbered = enumerate(_lines(path), start=1)
    for blank, lines in itertools.groupby(numbered, key=lambda pair: not pair[1].strip()):
        if not blank:
            yield list(lines)


def _lines(path: Path) -> list[str]:
    lines = [line for _, line in numbered_lines(path)]
    if not any(map(str.strip, lines)):
        raise UserError(f"{path}:1: the file is empty; expected CoNLL-U")
    return lines


def _words(path: Path, block: Sequence[tuple[int, str]]) -> list[tuple[int, str, str]]:
    """Return the words of a block: [(line number, form, tag)]."""
    words = []
    for number, line in block:
        if line.startswith("#"):
            continue
        try:
            word = parse(line, len(words))
        except ValueError as problem:
            raise UserError(f"{path}:{number}: {problem}") from None
        if word:
            words.append((number, *word))
    return words


def parse(line: str, before: int) -> tuple[str, str] | None:
    """Return form and tag of a line; None for a multiword token or an empty node.

    Args:
        line: the line.
        before: the number of words before it in the sentence.

    Raises:
        ValueError: the line is malformed; the message says how.
    """
    columns = line.split("\t")
    if len(columns) != 10:
        raise ValueError(f"{len(columns)} columns, expected 10 with a tab between each two")
    if _is_extra(columns[0], before):
        return None
    form, tag = clean(columns[1]), columns[3]
    if not form.strip():
        raise ValueError("column 2 is empty, expected the form (_ where there is none)")
    if tag.split() != [tag]:
        raise ValueError(f"column 4 is {tag!r}, expected one UPOS tag (_ where there is none)")
    return form, tag


def _is_extra(identifier: str, before: int) -> bool:
    """Return whether an id is not a word's; raise ValueError if it is invalid or out of order."""
    match = re.fullmatch(r"([0-9]+)(?:([-.])([0-9]+))?", identifier)
    if not match:
        raise ValueError(f"id {identifier!r}, expected a number, a range 1-2 or a decimal 1.1")
    start, mark, end = match.groups()
    expected = before if mark == "." else before + 1  # an empty node follows its word
    if int(start) != expected or (mark == "-" and int(end) <= expected):
        raise ValueError(f"id {identifier} out of order, expected {before + 1} for the next word")
    return mark is not None


def clean(form: str) -> str:
    """Return a form in NFC, with no-break spaces inside (20 000): spaces separate tokens."""
    return re.sub(r"\s", "\u00a0", unicodedata.normalize("NFC", form))


def _fault(block: Sequence[tuple[int, str]], words: Sequence[tuple[int, str, str]]) -> str | None:
    """Return line and reason if a block is not a usable sentence."""
    if not words:
        return f"{block[0][0]}: no token"
    return next((f"{n}: no UPOS for {form!r}" for n, form, tag in words if tag == "_"), None)


def _paths_by_split(where: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Return the files of each split, and a line for each file whose name states none."""
    if not where.exists():
        raise UserError(f"--data-dir {where}: no such file or folder")
    if not where.is_dir():
        if where.suffix.lower() != ".conllu":
            raise UserError(f"--data-dir {where}: not a .conllu file")
        return {"train": [where]}, []
    paths_of: dict[str | None, list[Path]] = {}
    for path in _conllu_files(where):
        paths_of.setdefault(split_by_name(path), []).append(path)
    unnamed = paths_of.pop(None, [])
    if not paths_of:
        return {"train": unnamed}, []
    if "train" not in paths_of:
        raise UserError(f"--data-dir {where}: no train file in it; expected {_LAYOUT}")
    problems = [f"{path.name}: its name says no split (train, dev, test)" for path in unnamed]
    return {split: paths_of.get(split, []) for split in SPLITS}, [
        f"{p}; left out" for p in problems
    ]


def _conllu_files(folder: Path) -> list[Path]:
    """Return the .conllu files of a folder, sorted, without hidden ones (macOS adds some)."""
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() == ".conllu")
    paths = [path for path in paths if not path.name.startswith(".")]
    if not paths:
        raise UserError(f"--data-dir {folder}: no .conllu file in it; expected {_LAYOUT}")
    return paths


def split_by_name(path: Path) -> str | None:
    """Return the split that a file's name states, or None."""
    words = re.findall("[a-z]+", path.stem.lower())
    splits = {_SPLIT_OF_WORD[word] for word in words if word in _SPLIT_OF_WORD}
    if len(splits) > 1:
        raise UserError(f"{path}: its name says {' and '.join(sorted(splits))}; rename it")
    return splits.pop() if splits else None


def check_trainable(train: Sequence[Sentence], problems: Sequence[str], origin: str) -> set[str]:
    """Return the tags of train; raise `UserError`, beginning with `origin`, for fewer than two."""
    tags = {tag for sentence in train for tag in sentence.tags}
    if not tags:
        first = f"; {problems[0]}" if problems else ""
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
