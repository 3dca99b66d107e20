"""Reading the user's files of JSON lines: an object per line, every value checked."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from unicodedata import normalize

from ...core.errors import UserError
from ..listing import printable
from ..tables.json_tables import json_object
from ..utf8 import collapse_whitespace, numbered_lines

Parsed = TypeVar("Parsed")


def parsed_lines(
    path: Path,
    parse: Callable[[dict[str, Any]], Parsed],
    example: str,
    encoding: str | None = None,
) -> Iterator[tuple[int, Parsed]]:
    """Yield the number of each line that is not empty, and the result of `parse` for it.

    Raises:
        UserError: with file and line, for a line that is not text, not a JSON object, or for which
            `parse` raises ValueError; the message shows `example` as the expected form.
    """
    for number, line in numbered_lines(path, encoding):
        if line.strip():
            try:
                yield number, parse(json_object(line))
            except ValueError as problem:
                place = f"{printable(path)}:{number}"
                fault = printable(str(problem))
                raise UserError(f"{place}: {fault}; expected {example}") from None


def check_keys(entry: dict[str, Any], needed: Sequence[str], others: Sequence[str]) -> None:
    """Raise ValueError for an unknown or missing key."""
    for key in entry:
        if key not in (*needed, *others):
            raise ValueError(f'unknown key "{key}"')
    for key in needed:
        if key not in entry:
            raise ValueError(f'no "{key}"')


def text_of(entry: dict[str, Any], key: str) -> str:
    """Return the text of a key; raise ValueError if its value is not a text."""
    return _text(entry[key], f'"{key}"')


def texts_of(entry: dict[str, Any], key: str) -> list[str]:
    """Return the list of texts of a key; raise ValueError if it is empty or not a list of texts."""
    if not isinstance(entry[key], list) or not entry[key]:
        raise ValueError(f'"{key}" is not a list of texts')
    return [_text(value, f'a text of "{key}"') for value in entry[key]]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text ({json.dumps(value)[:40]})")
    if not (text := collapse_whitespace(normalize("NFC", value))):
        raise ValueError(f"{name} is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # JSON can hold half of a surrogate pair
        raise ValueError(f"{name} has half a character ({text[error.start]!a})") from None
    return text


def choice_of(entry: dict[str, Any], key: str, choices: Sequence[str]) -> str | None:
    """Return the value of an optional key; raise ValueError if it is none of the choices."""
    value = entry.get(key)
    if key in entry and value not in choices:
        raise ValueError(f'"{key}" is {json.dumps(value)[:40]}, not one of {", ".join(choices)}')
    return value
