"""Image files without their metadata, which may be broken while the pixels are whole."""

from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_JPEG = b"\xff\xd8"
_JPEG_SCAN = 0xDA  # the marker in front of the pixels
_JPEG_METADATA = (
    *range(0xE0, 0xEE),
    0xEF,
    0xFE,
)  # APP0 … APP15 and comments, without Adobe's APP14


def without_metadata(content: bytes) -> bytes | None:
    """Return a PNG or JPEG file without its metadata; None for other or cut files."""
    parts = {_PNG: _png_chunks, _JPEG: _jpeg_segments}
    for signature, split in parts.items():
        if content.startswith(signature):
            try:
                return signature + b"".join(split(content))
            except IndexError:
                return None
    return None


def _png_chunks(content: bytes) -> Iterator[bytes]:
    """Yield the chunks that the pixels need; a chunk is length, kind, data and checksum."""
    place = len(_PNG)
    while place < len(content):
        end = place + 12 + int.from_bytes(content[place : place + 4])
        chunk = content[place:end]
        if not chunk[4:8].isalpha():
            raise IndexError("not a chunk")
        if chunk[4:8] in _PNG_PIXELS:
            yield chunk
        place = end


def _jpeg_segments(content: bytes) -> Iterator[bytes]:
    """Yield the segments that the pixels need; a segment is 0xFF, marker, length and data."""
    place = len(_JPEG)
    while content[place + 1] != _JPEG_SCAN:
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4])
        if content[place + 1] not in _JPEG_METADATA:
            yield content[place:end]
        place = end
    yield content[place:]
