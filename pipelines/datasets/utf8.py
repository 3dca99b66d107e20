"""Reading the user's text files: UTF-8 only, with errors that name file and line."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import UserError
from .splits import SPLIT_NAMES


def read_bytes(path: Path) -> bytes:
    """Return the content of a file without a byte order mark.

    Raises:
        ValueError: why the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError("is UTF-16; save it as UTF-8")
    return content.removeprefix(b"\xef\xbb\xbf")


def decode(line: bytes) -> str:
    """Return the text of a line, NFC-normalised.

    Raises:
        ValueError: the byte that is not UTF-8.
    """
    try:
        return unicodedata.normalize("NFC", line.decode())
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise ValueError(f"not UTF-8 (byte 0x{byte:02x} at position {error.start + 1})") from None


def without_surrogates(text: str) -> str:
    """Return a text with U+FFFD for each byte of a command line that is not UTF-8.

    Python represents such bytes by surrogates, which TensorFlow takes in no string.
    """
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line of a file.

    Raises:
        UserError: with file and line, for a line that is not text.
    """
    number = 1
    try:
        for number, line in enumerate(read_bytes(path).splitlines(), start=1):
            if b"\0" in line:  # UTF-16 without its mark would pass for UTF-8
                raise ValueError("not text (zero byte); save it as UTF-8")
            yield number, decode(line)
    except ValueError as problem:
        raise UserError(f"{path}:{number}: {problem}") from None


def collapse_whitespace(text: str) -> str:
    """Return the text with single spaces for runs of whitespace, and none at its ends."""
    return " ".join(text.split())


def split_paths(folder: Path) -> dict[str, list[Path]]:
    """Return the sub-folders and .tsv and .txt files of a folder that are named like each split."""
    return {
        split: [path for name in names for path in _spellings(folder, name) if path.exists()]
        for split, names in SPLIT_NAMES.items()
    }


def _spellings(folder: Path, name: str) -> list[Path]:
    return [folder / name, folder / f"{name}.tsv", folder / f"{name}.txt"]


def unique_paths(paths_of: dict[str, list[Path]], folder: Path) -> dict[str, Path]:
    """Return the path of each split that has one.

    Raises:
        UserError: a split has several paths.
    """
    for split, paths in paths_of.items():
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise UserError(f"--data-dir {folder}: several {split} splits ({names}); keep one")
    return {split: paths[0] for split, paths in paths_of.items() if paths}
