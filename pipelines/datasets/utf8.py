"""Reading a person's text files: UTF-8, or another encoding by `--encoding`; faults name the line.

A byte order mark says UTF-8, UTF-16 or UTF-32 by itself. Files that end in .gz are unpacked.
"""

import codecs
import gzip
import itertools
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..core.errors import UnfitFile, UserError
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
_WIDE = ("utf-16", "utf-32")
_NO_TEXT = {
    b"PK\3\4": "a zip archive or office document; unpack it, or save it as CSV (UTF-8)",
    b"%PDF": "a PDF document; save it as text",
    b"PAR1": "a Parquet file; name it .parquet",
}
LONGEST_LINE = 10_000_000  # bytes
COPIES = 12  # bytes of memory per byte of text: decoded, composed, cut into lines and cells
_LINE = re.compile(rb"[^\r\n]*")
_CHUNK = 2**20  # bytes that are read, or unpacked, at a time
_OTHER = "give --encoding, such as cp1252 or latin-1"


class NotText(UnfitFile):
    """A file with bytes that are no text in its encoding."""


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
    return b"".join(_fitting(_blocks(path, any_length), printable(path)))


def _fitting(parts: Iterable[Any], shown: str) -> Iterator[Any]:
    """Yield the parts of a content; a few bytes in a file may unpack to more than fits."""
    size = 0
    for part in parts:
        size += len(part)
        if size > _CHUNK and size * COPIES > (limit := memory_limit()):  # a small file always fits
            raise UserError(
                f"{shown}: more than {in_gigabytes(limit / COPIES)} of text, too much for the"
                f" {in_gigabytes(limit)} of memory here; divide the file"
            )
        yield part


def _blocks(path: Path, any_length: bool = False) -> Iterator[bytes]:
    """Yield the content of a file in blocks of whole lines; of any bytes with `any_length`."""
    rest, lines, shown = b"", 0, printable(path)
    for part in _parts(path):
        # After \r there may be a \n, which ends the same line.
        end = part.rfind(b"\n") + 1 or part.rfind(b"\r", 0, -1) + 1
        if any_length:
            yield part
        elif len(rest) + len(_LINE.match(part)[0]) > LONGEST_LINE:  # pyright: ignore[reportOptionalSubscript]
            raise UserError(f"{shown}:{lines + 1}: a line of more than {LONGEST_LINE:,} bytes")
        elif end:
            yield rest + part[:end]
            rest, lines = part[end:], lines + part.count(b"\n")
        else:
            rest += part
    if rest:
        yield rest


def _parts(path: Path) -> Iterator[bytes]:
    """Yield the content of a file in parts, unpacked if it is a gzip file."""
    shown = printable(path)
    try:
        if (kind := special_kind(path)) and not is_open_pipe(path):
            raise UserError(f"{shown}: is {kind}, not a file")
        with path.open("rb") as file:
            is_packed = path.suffix.lower() == ".gz" or file.peek(2).startswith(b"\x1f\x8b")
            source: Any = gzip.GzipFile(fileobj=file) if is_packed else file
            while part := source.read(_CHUNK):
                yield part
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "not a whole gzip file"
        raise UserError(f"{shown}: cannot be read ({reason})") from None


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
    return "".join(_fitting(text_blocks(path, encoding, any_length), printable(path)))


def text_blocks(path: Path, encoding: str | None = None, any_length: bool = False) -> Iterator[str]:
    """Yield the text of a file in blocks of whole lines, see `read_text`."""
    check_encoding(encoding)
    blocks, shown, lines = _blocks(path, any_length), printable(path), 0
    first = next(blocks, b"")
    if kind := _NO_TEXT.get(first[:4]):
        raise UserError(f"{shown}: {kind}")
    chosen = _marked(first) or encoding or "utf-8"
    blocks = itertools.chain([first], blocks)
    if any_length or chosen.lower().replace("_", "-").startswith(_WIDE):  # \n is not one byte there
        blocks = iter([b"".join(_fitting(blocks, shown))])
    for block in blocks:
        text = _decoded(block, chosen, shown, lines)
        yield text
        lines += text.count("\n")
        chosen = chosen.removesuffix("-sig")  # the mark is in front of the first block only


def _decoded(content: bytes, encoding: str, shown: str, before: int) -> str:
    """Return the text of some lines, of which `before` others are in front."""
    try:
        text = content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeError as error:
        line, fault = _fault(content, encoding, error)
        raise NotText(f"{shown}:{before + line}: {fault}", _OTHER) from None
    if "\0" in text:  # UTF-16 without its mark passes for UTF-8
        line = before + text.count("\n", 0, text.index("\0")) + 1
        raise NotText(
            f"{shown}:{line}: not text (zero byte)",
            "save it as UTF-8, or give --encoding, such as utf-16-le",
        )
    return text


def _marked(content: bytes) -> str | None:
    """Return the encoding that a byte order mark says."""
    return next((name for mark, name in _MARKS if content.startswith(mark)), None)


def _fault(content: bytes, encoding: str, error: UnicodeError) -> tuple[int, str]:
    """Return the line of the first byte that is not text, and what is wrong with it."""
    name = "UTF-8" if encoding.startswith("utf-8") else encoding
    if not isinstance(error, UnicodeDecodeError):
        return 1, f"not {name} ({error})"
    before = content[: error.start].removeprefix(codecs.BOM_UTF8)
    if encoding.startswith(_WIDE):
        line, position = before.decode(encoding, "ignore").count("\n") + 1, len(before) + 1
    else:
        lines = (before + b"x").splitlines()
        line, position = len(lines), len(lines[-1])
    byte = content[min(error.start, len(content) - 1)]
    return line, f"not {name} (byte 0x{byte:02x} at position {position})"


def lines_and_faults(path: Path, encoding: str | None = None) -> Iterator[tuple[int, str, str]]:
    """Yield number and text of each line, and which of its bytes is not UTF-8 ("": all are).

    Raises:
        UserError: the file cannot be read, or is not in the encoding that was given.
    """
    blocks = _blocks(path)
    first = next(blocks, b"")
    if encoding is not None or _marked(first) not in (None, "utf-8-sig"):
        yield from ((number, line, "") for number, line in numbered_lines(path, encoding))
        return
    blocks = itertools.chain([first.removeprefix(codecs.BOM_UTF8)], blocks)
    lines = itertools.chain.from_iterable(block.splitlines() for block in blocks)
    for number, line in enumerate(lines, start=1):
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
    lines = lines_of(text_blocks(path, encoding))
    yield from enumerate((unicodedata.normalize("NFC", line) for line in lines), start=1)


def lines_of(blocks: Iterable[str]) -> Iterator[str]:
    """Yield the lines of blocks of whole lines."""
    for block in blocks:
        lines = block.split("\n")
        yield from lines if lines[-1] else lines[:-1]


def collapse_whitespace(text: str) -> str:
    """Return the text with single spaces for runs of whitespace, and none at its ends."""
    return " ".join(text.split())
