"""Write files under a temporary name and rename them: a killed process leaves none incomplete.

What was written is read with suspicion: a disk may have cut it, or another program changed it.
"""

import contextlib
import csv
import json
import math
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import DamagedFile

MOST_BYTES = 128 * 2**20  # of a file of a run or a search
_ESCAPED = "backslashreplace"


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with its suffix; rename it if the block succeeds."""
    temporary = path.with_name(f".writing-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # as of a write to a full disk
            error.filename = str(path)
        raise
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


def read_text(path: Path) -> str:
    """Return the text of a file of a run or a search.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: it is no file of text, or cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DamagedFile(path, "not a regular file")
        if status.st_size > MOST_BYTES:
            raise DamagedFile(path, f"larger than {MOST_BYTES:,} bytes")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if path.is_symlink():
            raise DamagedFile(path, "a link to nothing") from None
        raise
    except UnicodeDecodeError:
        raise DamagedFile(path, "not UTF-8 text") from None
    except OSError as error:
        raise DamagedFile(path, f"cannot be read: {error.strerror}") from None


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; empty if the file does not exist.

    Raises:
        DamagedFile: it holds something else.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        return {}
    try:
        content = json.loads(text)
    except ValueError:
        raise DamagedFile(path, "not JSON" if text.strip() else "empty") from None
    except RecursionError:
        raise DamagedFile(path, "nested too deeply") from None
    if not isinstance(content, dict):
        raise DamagedFile(path, "not a JSON object")
    return content


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
