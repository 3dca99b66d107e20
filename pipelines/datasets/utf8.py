"""The user's text files: what every reader of them takes and refuses alike."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import UserError
from .splits import SPLIT_NAMES


def read_bytes(path: Path) -> bytes:
    """The content of a file without a byte order mark; ValueError says why it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError("is UTF-16; save it as UTF-8")
    return content.removeprefix(b"\xef\xbb\xbf")


def decode(line: bytes) -> str:
    """The text of a line, NFC-normalised; ValueError says which byte is not UTF-8."""
    try:
        return unicodedata.normalize("NFC", line.decode())
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise ValueError(f"not UTF-8 (byte 0x{byte:02x} at position {error.start + 1})") from None


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers; `UserError` names the line that is not text."""
    number = 1
    try:
        for number, line in enumerate(read_bytes(path).splitlines(), start=1):
            if b"\0" in line:  # UTF-16 without its mark would pass for UTF-8
                raise ValueError("not text (zero byte); save it as UTF-8")
            yield number, decode(line)
    except ValueError as problem:
        raise UserError(f"{path}:{number}: {problem}") from None


def collapse_whitespace(text: str) -> str:
    """Each run of whitespace as one space, none at the ends."""
    return " ".join(text.split())


def split_paths(where: Path) -> dict[str, list[Path]]:
    """What is in a folder under the names of each split, as a folder, as .tsv or as .txt."""
    return {
        split: [path for name in names for path in _spellings(where, name) if path.exists()]
        for split, names in SPLIT_NAMES.items()
    }


def _spellings(where: Path, name: str) -> list[Path]:
    return [where / name, where / f"{name}.tsv", where / f"{name}.txt"]


def unique_paths(paths_of: dict[str, list[Path]], where: Path) -> dict[str, Path]:
    """The path of each split that has one; `UserError` if one has several."""
    for split, paths in paths_of.items():
        if len(paths) > 1:
            found = ", ".join(path.name for path in paths)
            raise UserError(f"--data-dir {where}: several {split} splits ({found}); keep one")
    return {split: paths[0] for split, paths in paths_of.items() if paths}
