"""Reading a person's text files: UTF-8, or another encoding by `--encoding`; faults name the line.

A byte order mark says UTF-8, UTF-16 or UTF-32 by itself. Files that end in .gz are unpacked.
"""

import codecs
import gzip
import re
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..core.errors import UserError
from ..core.memory import in_gigabytes, memory_limit
from ..core.paths import is_open_pipe, special_kind
from .listing import printable

_MARKS = (  # UTF-32's mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_NO_TEXT = {
    b"PK\3\4": "a zip archive or office document; unpack it, or save it as CSV (UTF-8)",
    b"%PDF": "a PDF document; save it as text",
    b"PAR1": "a Parquet file; name it .parquet",
}
LONGEST_LINE = 10_000_000  # bytes
COPIES = 12  # bytes of memory per byte of text: decoded, composed, cut into lines and cells
_CHUNK = 2**20  # bytes that are read, or unpacked, at a time
_OTHER = "give --encoding, such as cp1252 or latin-1"


def check_encoding(encoding: str | None) -> None:
    """Raise `UserError` if there is no text encoding of that name."""
    try:
        if encoding is not None:
            "".encode(encoding)
    except (LookupError, ValueError, UnicodeError):
        raise UserError(
            f"--encoding {printable(encoding or '')}: no text encoding of that name; give one such"
            " as utf-8, utf-16, latin-1, cp1252 or shift_jis"
        ) from None


def read_bytes(path: Path, any_length: bool = False) -> bytes:
    """Return the content of a file, unpacked if it is a gzip file.

    Args:
        path: a file, or a pipe that the shell has opened.
        any_length: whether lines may be longer than `LONGEST_LINE`.

    Raises:
        UserError: the file cannot be read, does not fit into memory, or has a longer line.
    """
    shown = printable(path)
    try:
        if (kind := special_kind(path)) and not is_open_pipe(path):
            raise UserError(f"{shown}: is {kind}, not a file")
        with path.open("rb") as file:
            is_packed = path.suffix.lower() == ".gz" or file.peek(2).startswith(b"\x1f\x8b")
            content = _whole(gzip.GzipFile(fileobj=file) if is_packed else file, shown)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "not a whole gzip file"
        raise UserError(f"{shown}: cannot be read ({reason})") from None
    if not any_length:
        _check_lines(content, shown)
    return content


def _whole(file: BinaryIO | gzip.GzipFile, shown: str) -> bytes:
    """Return the content of an open file, which may be a few bytes that unpack to very many."""
    parts, size = [], 0
    while part := file.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > _CHUNK and size * COPIES > (limit := memory_limit()):  # a small file always fits
            raise UserError(
                f"{shown}: more than {in_gigabytes(limit / COPIES)} of text, too much for the"
                f" {in_gigabytes(limit)} of memory here; divide the file"
            )
    return b"".join(parts)


def _check_lines(content: bytes, shown: str) -> None:
    """Raise `UserError` if a line is too long for a text, as in a damaged file or of zeros."""
    start = 0
    while len(content) - start > LONGEST_LINE:
        end = start + LONGEST_LINE
        start_of_next = max(content.rfind(mark, start, end) for mark in (b"\n", b"\r")) + 1
        if start_of_next <= start:
            line = content.count(b"\n", 0, start) + 1
            raise UserError(f"{shown}:{line}: a line of more than {LONGEST_LINE:,} bytes")
        start = start_of_next


def read_text(path: Path, encoding: str | None = None, any_length: bool = False) -> str:
    r"""Return the text of a file without a byte order mark; each line ends in \n.

    Args:
        path: a file; .gz is unpacked.
        encoding: the file's encoding; None: UTF-8, or what its byte order mark says.
        any_length: as in `read_bytes`.

    Raises:
        UserError: the file cannot be read, see `read_bytes`, or has a byte that is not text; the
            message names the line.
    """
    check_encoding(encoding)
    content = read_bytes(path, any_length)
    if kind := _NO_TEXT.get(content[:4]):
        raise UserError(f"{printable(path)}: {kind}")
    chosen = _marked(content) or encoding or "utf-8"
    try:
        text = content.decode(chosen).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeError as error:
        raise UserError(f"{printable(path)}:{_fault(content, chosen, error)}") from None
    if "\0" in text:  # UTF-16 without its mark passes for UTF-8
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(
            f"{printable(path)}:{line}: not text (zero byte); save it as UTF-8, or give --encoding,"
            " such as utf-16-le"
        )
    return text


def _marked(content: bytes) -> str | None:
    """Return the encoding that a byte order mark says."""
    return next((name for mark, name in _MARKS if content.startswith(mark)), None)


def _fault(content: bytes, encoding: str, error: UnicodeError) -> str:
    """Return the line of the first byte that is not text, and what is wrong with it."""
    name = "UTF-8" if encoding.startswith("utf-8") else encoding
    if not isinstance(error, UnicodeDecodeError):
        return f"1: not {name} ({error}); {_OTHER}"
    before = content[: error.start].removeprefix(codecs.BOM_UTF8)
    if encoding.startswith(("utf-16", "utf-32")):
        line, position = before.decode(encoding, "ignore").count("\n") + 1, len(before) + 1
    else:
        lines = (before + b"x").splitlines()
        line, position = len(lines), len(lines[-1])
    byte = content[min(error.start, len(content) - 1)]
    return f"{line}: not {name} (byte 0x{byte:02x} at position {position}); {_OTHER}"


def lines_and_faults(path: Path, encoding: str | None = None) -> Iterator[tuple[int, str, str]]:
    """Yield number and text of each line, and which of its bytes is not UTF-8 ("": all are).

    Raises:
        UserError: the file cannot be read, or is not in the encoding that was given.
    """
    content = read_bytes(path)
    if encoding is not None or _marked(content) not in (None, "utf-8-sig"):
        yield from ((number, line, "") for number, line in numbered_lines(path, encoding))
        return
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).splitlines(), start=1):
        try:
            yield number, unicodedata.normalize("NFC", line.decode()), ""
        except UnicodeDecodeError as error:
            yield number, "", f"byte 0x{line[error.start]:02x} at position {error.start + 1}"


def without_surrogates(text: str) -> str:
    """Return a text with U+FFFD for each lone surrogate, which TensorFlow takes in no string.

    Python represents bytes of a command line that are not UTF-8 by them; JSON may escape one.
    """
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)


def numbered_lines(path: Path, encoding: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line of a file, NFC-normalised.

    Raises:
        UserError: with file and line, for a line that is not text.
    """
    text = unicodedata.normalize("NFC", read_text(path, encoding))
    lines = text.split("\n")
    yield from enumerate(lines[:-1] if not lines[-1] else lines, start=1)


def collapse_whitespace(text: str) -> str:
    """Return the text with single spaces for runs of whitespace, and none at its ends."""
    return " ".join(text.split())
