"""Reading tagged sentences from tables: a token per row, or a sentence per row."""

import ast
import itertools
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from ...core.errors import UserError
from ..tables.columns import Role, choose_columns, is_missing, list_columns
from ..tables.rows import Table
from .sentences import Sentence, TagReading, checked, clean

TOKEN = Role("token", ("token", "tokens", "word", "words", "form", "forms"))
_TEXT = ("text", "sentence", "sentences")  # whole sentences, if there are no tokens
TAG = Role(
    "tag",
    ("tag", "tags", "label", "labels", "pos", "ner", "upos", "ner tag", "ner tags", "pos tag",
     "pos tags", "bio", "iob", "xpos", "entity", "word labels"),
)  # fmt: skip
SENTENCE = Role(
    "sentence",
    ("sentence id", "sentence", "sent id", "sentence idx", "sentence index", "sentence number",
     "sent", "sent idx", "sentence no", "sid"),
    optional=True,
)  # fmt: skip


def roles(token: str | None, tag: str | None, sentence: str | None) -> tuple[Role, Role, Role]:
    """Return the roles of token, tag and sentence, with what a person chose."""
    chosen = zip((TOKEN, TAG, SENTENCE), (token, tag, sentence), strict=True)
    first, second, third = (role._replace(chosen=name) for role, name in chosen)
    return first, second, third


def sentences_of(table: Table, token: Role, tag: Role, sentence: Role) -> TagReading:
    """Return the sentences of a table.

    A row holds a whole sentence (lists, or words and tags with spaces between), or a token; tokens
    of a sentence share the cell of the sentence column, where an empty cell repeats the one above.
    Without such a column, blank lines separate sentences.

    Raises:
        UserError: columns in doubt, or nothing says where a sentence ends.
    """
    tokens, tags = _columns(table, token, tag)
    chosen = f"token from column {table.columns[tokens]}, tag from column {table.columns[tags]}"
    if _holds_sentences(table, tokens, tags):
        found = [
            Sentence(_items(row[tokens]), _items(row[tags]), table.place(i))
            for i, row in enumerate(table.rows)
        ]
    else:
        keys, source = _keys(table, sentence, {tokens, tags})
        chosen += f", {source}"
        found = _grouped(table, tokens, tags, keys)
    usable = checked([_cleaned(one) for one in found])
    left_out = [*table.left_out, *usable.left_out]
    return TagReading(usable.sentences, left_out, [*table.remarks, f"{table.path}: {chosen}"])


def _columns(table: Table, token: Role, tag: Role) -> tuple[int, int]:
    """Return the columns of tokens and tags."""
    if len(table.columns) == 2 and not table.has_header and not (token.chosen or tag.chosen):
        return 0, 1
    first, _ = choose_columns(table, [token._replace(optional=True), tag]).indices
    if first is None:
        token = token._replace(usual=_TEXT)
    tokens, tags = choose_columns(table, [token, tag]).indices
    if tokens is None or tags is None:
        raise UserError(f"{table.path}: no column of tokens and tags; {list_columns(table)}")
    return tokens, tags


def _holds_sentences(table: Table, tokens: int, tags: int) -> bool:
    """Whether rows hold as many tags as tokens, and most of them several."""
    lengths = [(len(_items(row[tokens])), len(_items(row[tags]))) for row in table.rows[:200]]
    several = [(n, m) for n, m in lengths if m > 1]
    return 2 * len(several) > len(lengths) and 2 * sum(n == m for n, m in several) > len(several)


def _items(cell: str) -> tuple[str, ...]:
    """Return the items of a list in JSON or Python's notation, or of words between spaces."""
    text = cell.strip()
    if text.startswith("[") and text.endswith("]"):
        for parse in (json.loads, ast.literal_eval):
            try:
                return tuple(map(str, parse(text)))
            except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
                continue
    return tuple(text.split())


def _keys(table: Table, sentence: Role, taken: set[int]) -> tuple[list[str], str]:
    """Return the sentence that each row belongs to, and where that was read."""
    index = choose_columns(table, [sentence]).indices[0]
    if index is not None and (index not in taken or sentence.chosen):
        keys: list[str] = []
        for cell in table.column(index):
            keys.append(cell or (keys[-1] if keys else ""))
        return keys, f"sentence from column {table.columns[index]}"
    gaps = [b - a > 1 for a, b in itertools.pairwise(table.lines)]
    if not any(gaps):
        raise UserError(
            f"{table.path}: nothing says where a sentence ends: give the column that numbers the"
            f" sentences with --sentence-column, or a blank line after each; {list_columns(table)}"
        )
    return [str(n) for n in itertools.accumulate(gaps, initial=0)], "sentences by blank lines"


def _grouped(table: Table, tokens: int, tags: int, keys: Sequence[str]) -> list[Sentence]:
    found = []
    for _, rows in itertools.groupby(range(len(keys)), key=keys.__getitem__):
        indices = list(rows)
        cells = [(table.rows[i][tokens], table.rows[i][tags]) for i in indices]
        words, labels = zip(*cells, strict=True)
        found.append(Sentence(words, labels, table.place(indices[0])))
    return found


def _cleaned(sentence: Sentence) -> Sentence:
    tags = ("" if is_missing(tag) else unicodedata.normalize("NFC", tag) for tag in sentence.tags)
    tokens = (clean(token.strip()) for token in sentence.tokens)
    return sentence._replace(
        tokens=tuple(tokens), tags=tuple("_".join(tag.split()) for tag in tags)
    )


def is_of_tags(path: Path) -> bool:
    """Whether a file's suffix is one of tagged sentences: lines of columns, or a table."""
    return path.suffix.lower() in _SUFFIXES


_SUFFIXES = frozenset(
    ".conllu .conll .conll03 .bio .iob .iob2 .bioes .txt .tsv .csv .jsonl .json .ndjson .parquet"  # noqa: SIM905
    " .train .testa .testb .dev .valid .test".split()
)
