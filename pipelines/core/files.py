"""Write files under a temporary name and rename them: a killed process leaves none incomplete."""

import contextlib
import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .config import UserError

_ESCAPED = "backslashreplace"


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with its suffix; rename it if the block succeeds."""
    temporary = path.with_name(f".writing-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8.

    A path of a person may hold bytes that are not UTF-8. They are written as backslash escapes,
    which JSON and YAML read back as they were.
    """
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=_ESCAPED)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(_plain(content), indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file; empty if the file does not exist."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise UserError(f"{path} is damaged (not JSON): repair or delete it") from None


def _plain(value: Any) -> Any:
    """Return a value for JSON: NumPy numbers as Python numbers, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as a CSV file; the keys of the first row are the header."""
    with (
        atomic(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors=_ESCAPED) as file,
    ):
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)
