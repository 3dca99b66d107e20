"""Files of JSON lines from the user: an object a line, every value checked."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from unicodedata import normalize

from ...core.errors import UserError
from ..utf8 import collapse_whitespace, numbered_lines

Parsed = TypeVar("Parsed")


def parsed_lines(
    path: Path, parse: Callable[[dict[str, Any]], Parsed], example: str
) -> Iterator[tuple[int, Parsed]]:
    """What `parse` makes of each line that is not empty, with the line's number.

    Raises:
        UserError: with file and line, where it is no text, no JSON object, or `parse` has raised
            ValueError; it shows `example` as what is expected.
    """
    for number, line in numbered_lines(path):
        if line.strip():
            try:
                yield number, parse(_entry(line))
            except ValueError as problem:
                raise UserError(f"{path}:{number}: {problem}; expected {example}") from None


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg}, column {error.colno})") from None
    if not isinstance(entry, dict):
        raise ValueError("no JSON object")
    return entry


def check_keys(entry: dict[str, Any], needed: Sequence[str], others: Sequence[str]) -> None:
    """ValueError for a key that is unknown or missing."""
    for key in entry:
        if key not in (*needed, *others):
            raise ValueError(f'unknown key "{key}"')
    for key in needed:
        if key not in entry:
            raise ValueError(f'no "{key}"')


def text_of(entry: dict[str, Any], key: str) -> str:
    """The text of a key; ValueError if it is none."""
    return _text(entry[key], f'"{key}"')


def texts_of(entry: dict[str, Any], key: str) -> list[str]:
    """The texts of a key, one at least; ValueError if they are none."""
    if not isinstance(entry[key], list) or not entry[key]:
        raise ValueError(f'"{key}" is no list of texts')
    return [_text(value, f'a text of "{key}"') for value in entry[key]]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text ({json.dumps(value)[:40]})")
    if not (text := collapse_whitespace(normalize("NFC", value))):
        raise ValueError(f"{name} is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # JSON can say half of a surrogate pair
        raise ValueError(f"{name} has half a character ({text[error.start]!a})") from None
    return text


def choice_of(entry: dict[str, Any], key: str, choices: Sequence[str]) -> str | None:
    """The value of a key that may be missing; ValueError if it is none of the choices."""
    value = entry.get(key)
    if key in entry and value not in choices:
        raise ValueError(f'"{key}" is {json.dumps(value)[:40]}, none of {", ".join(choices)}')
    return value
