"""Tables in JSON: an object per line, or a list of objects."""

import json
import math
import operator
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ...core.errors import UserError
from ..listing import printable
from ..stored import mapped, stored
from ..text_source import TextSource, text_source
from ..utf8 import read_text, without_surrogates
from .rows import Table, of_records

_EXPECTED = "expected an object per line, or one list of objects"


def read_json(path: Path, encoding: str | None = None, known: Collection[str] = ()) -> Table:
    """Read JSON lines, a list of objects, an object of columns, or one that holds such a list.

    An object of texts in place of a value, such as {"translation": {"en": ..., "fr": ...}}, is
    taken apart: its keys are columns. Other values that are no texts are written as text: numbers
    as in `text_of`, lists and objects as JSON. Rows of a file that is one JSON value have numbers
    instead of lines.

    Names of columns are not needed: each object has its own.

    Raises:
        UserError: a line is not a JSON object; the message names it.
    """
    if ".json" in path.suffixes:  # one value is often written in one line
        text = TextSource([read_text(path, encoding, any_length=True)])
    else:
        text = text_source(path, encoding)
    is_whole = text.head.lstrip()[:1] == "[" or ".json" in path.suffixes
    records = _whole("\n".join(text.lines())) if is_whole else None
    if records is not None:
        numbers = list(range(1, len(records) + 1))
        return of_records(path, [_texts(record) for record in records], numbers)
    numbered = stored(
        (number, _texts(_record(line, f"{printable(path)}:{number}")))
        for number, line in enumerate(text.lines(), start=1)
        if line.strip()
    )
    records = mapped(numbered, operator.itemgetter(1))
    return of_records(path, records, [number for number, _ in numbered])


def _whole(text: str) -> list[dict[str, Any]] | None:
    """Return the objects of a text that is one JSON value; None if it is not, or has none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        value = _of_columns(value) or _only_list(value)
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        return value
    return None


def _of_columns(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of {column: [value, ...]} or {column: {index: value}}, as pandas writes."""
    columns = [list(part.values()) if isinstance(part, dict) else part for part in value.values()]
    if len(columns) < 2 or not all(isinstance(column, list) for column in columns):
        return None
    if len({len(column) for column in columns}) > 1:
        return None
    return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _only_list(value: dict[str, Any]) -> list[Any] | None:
    lists = [part for part in value.values() if isinstance(part, list)]
    return lists[0] if len(lists) == 1 else None


def _record(line: str, place: str) -> dict[str, Any]:
    try:
        return json_object(line)
    except ValueError as fault:
        raise UserError(f"{place}: {fault}; {_EXPECTED}") from None


def json_object(text: str) -> dict[str, Any]:
    """Parse a text as a JSON object.

    Raises:
        ValueError: it is something else; the message says why.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("not JSON (nested too deeply)") from None
    except ValueError:
        raise ValueError("not JSON (too long a number)") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _texts(record: dict[str, Any]) -> dict[str, str]:
    return {key: text_of(value) for key, value in unnested(record).items()}


def unnested(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the texts of inner objects as values of its own, under their keys.

    An inner object stays as it is if it holds something else, or a key that the record has too.
    """
    flat: dict[str, Any] = {}
    for key, value in record.items():
        taken = record.keys() | flat.keys()
        flat |= value if _is_of_texts(value) and not value.keys() & taken else {key: value}
    return flat


def _is_of_texts(value: Any) -> bool:
    is_object = isinstance(value, dict) and bool(value)
    return is_object and all(isinstance(inner, str) for inner in value.values())


def text_of(value: Any) -> str:
    """Return a value as text: whole numbers without ".0", missing ones empty, lists as JSON."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
    return text if text.isascii() else without_surrogates(text)
