"""A person's own tagged sentences: which files, of which split, in which format."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..data_path import data_path
from ..left_out import LeftOut
from ..listing import files_below, printable, visible
from ..ready_splits import SPLIT_OF
from ..splits import SPLITS
from ..tables.columns import known_names, without_repetitions
from ..tables.delimited import parse_delimited
from ..tables.table import is_delimited, read_table
from ..text_source import TextSource
from ..utf8 import read_text
from .column_files import parse_columns
from .conllu import read_conllu
from .sentences import (
    RECOGNISED,
    TagColumns,
    TagItems,
    TagReading,
    check_trainable,
    with_every_split,
)
from .tag_tables import is_of_tags, roles, sentences_of

LAYOUT = (
    "a .conllu file, a file of lines token<TAB>tag with blank lines between sentences, a table, or"
    " files named like my-train.conllu, my-dev.conllu, my-test.conllu (the last two if any)"
)
_SPLIT_OF_WORD = SPLIT_OF | {"testa": "validation", "testb": "test"}  # testa, testb: CoNLL-2003


def read_treebank(
    where: str | Path, columns: TagColumns = RECOGNISED, *, ready_splits: bool = True
) -> TagItems:
    """Read the sentences of a file, or of a folder whose file names state their split.

    A missing validation or test split is carved from train, a tenth each, by a hash of the
    sentence.

    Args:
        where: a file or folder.
        columns: the columns and the encoding, as far as a person gave them.
        ready_splits: whether names of files and folders state splits.

    Raises:
        UserError: no such path, no file of tagged sentences, a malformed line, columns in doubt, no
            usable training sentence, one tag only.
    """
    where = data_path(where, LAYOUT)
    files = _find_files(where, ready_splits)
    sentences, left_out, remarks = {}, [*files.left_out], []
    for split, paths in files.paths_of.items():
        readings = [read_tagged(path, columns) for path in paths]
        sentences[split] = [one for reading in readings for one in reading.sentences]
        left_out += [item for reading in readings for item in reading.left_out]
        remarks += [remark for reading in readings for remark in reading.remarks]
    shown = printable(where)
    tags = check_trainable(sentences["train"], left_out, f"--data-dir {shown}")
    every, carved = with_every_split(sentences, printable(where.name))
    return TagItems(
        every, without_repetitions(remarks) + carved, f"{shown} ({len(tags)} tags)", left_out
    )


def read_tagged(path: Path, columns: TagColumns = RECOGNISED) -> TagReading:
    """Read the sentences of a file: CoNLL-U, columns with blank lines between, or a table."""
    token, tag, sentence = roles(columns.token, columns.tag, columns.sentence)
    if path.suffix.lower() == ".conllu":
        return read_conllu(path, columns.encoding)
    known = known_names((token, tag, sentence))
    if not is_delimited(path):
        table = read_table(path, columns.encoding, known)
        return sentences_of(table, token, tag, sentence)
    text = read_text(path, columns.encoding)
    if _is_conllu(text) and not (columns.token or columns.tag):
        return read_conllu(path, columns.encoding)
    has_blank_lines = re.search(r"\n[ \t]*\n", text.strip()) is not None
    if not text.strip() or (has_blank_lines and path.suffix.lower() != ".csv"):
        return parse_columns(text, path, token, tag)
    return sentences_of(parse_delimited(TextSource([text]), path, known), token, tag, sentence)


def _is_conllu(text: str) -> bool:
    """Whether the first line that is no comment has ten columns, of which the first is 1."""
    lines = (line for line in text.split("\n", 500) if line.strip() and not line.startswith("#"))
    cells = next(lines, "").split("\t")
    return len(cells) == 10 and re.fullmatch(r"1(-\d+)?|0\.1", cells[0]) is not None


class _Files(NamedTuple):
    """The files of each split, and those that are left out."""

    paths_of: Mapping[str, list[Path]]
    left_out: list[LeftOut]


def _find_files(where: Path, use_splits: bool) -> _Files:
    if where.is_file():
        return _Files({"train": [where]}, [])
    top = _single_level(where)
    every = [(path, entry) for entry in visible(top) for path in files_below(entry)]
    suffix = ".conllu" if any(path.suffix.lower() == ".conllu" for path, _ in every) else ""
    usable = [pair for pair in every if _is_usable(pair[0], suffix)]
    reason = f"not a {suffix} file" if suffix else "not a file of tagged sentences"
    others = [LeftOut(printable(path), reason) for path, _ in every if not _is_usable(path, suffix)]
    if not usable:
        raise UserError(
            f"--data-dir {printable(where)}: no .conllu file in it, nor another file of tagged"
            f" sentences; expected {LAYOUT}"
        )
    if not use_splits:
        return _Files({"train": [path for path, _ in usable]}, others)
    paths_of: dict[str | None, list[Path]] = {}
    for path, entry in usable:
        split = split_by_name(entry) if entry.is_dir() else None
        paths_of.setdefault(split or split_by_name(path), []).append(path)
    unnamed = paths_of.pop(None, [])
    if not paths_of:
        return _Files({"train": unnamed}, others)
    if "train" not in paths_of:
        raise UserError(f"--data-dir {printable(where)}: no train file in it; expected {LAYOUT}")
    reason = "its name says no split (train, dev, test)"
    others += [LeftOut(printable(path), reason) for path in unnamed]
    return _Files({split: paths_of.get(split, []) for split in SPLITS}, others)


def _is_usable(path: Path, suffix: str) -> bool:
    if suffix:
        return path.suffix.lower() == suffix
    is_about = re.match(r"(?i)(readme|licen[sc]e|copying|citation|changelog)\b", path.name)
    return is_of_tags(path) and path.is_file() and not is_about


def _single_level(folder: Path) -> Path:
    """Return the folder that is not just a cover of another one."""
    for _ in range(8):
        inner = visible(folder)
        if len(inner) != 1 or not inner[0].is_dir():
            break
        folder = inner[0]
    return folder


def split_by_name(path: Path) -> str | None:
    """Return the split that a file's or folder's name states, or None."""
    splits = {_SPLIT_OF_WORD[word] for word in _words(path) if word in _SPLIT_OF_WORD}
    if len(splits) > 1:
        names = " and ".join(sorted(splits))
        raise UserError(f"{printable(path)}: its name says {names}; rename it")
    return splits.pop() if splits else None


def _words(path: Path) -> Iterator[str]:
    return (match.group() for match in re.finditer("[a-z]+", path.name.lower()))
