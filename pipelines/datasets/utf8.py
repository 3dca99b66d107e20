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

from ..core.errors import UserError
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


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, unpacked if it is a gzip file.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
        is_packed = path.suffix.lower() == ".gz" or content.startswith(b"\x1f\x8b")
        return gzip.decompress(content) if is_packed else content
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "not a whole gzip file"
        raise UserError(f"{printable(path)}: cannot be read ({reason})") from None


def read_text(path: Path, encoding: str | None = None) -> str:
    r"""Return the text of a file without a byte order mark; each line ends in \n.

    Args:
        path: a file; .gz is unpacked.
        encoding: the file's encoding; None: UTF-8, or what its byte order mark says.

    Raises:
        UserError: the file cannot be read, or has a byte that is not text, with its line.
    """
    check_encoding(encoding)
    content = read_bytes(path)
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
