"""Bytes of the user's text files: what every reader of them takes and refuses alike."""

import unicodedata
from pathlib import Path


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
