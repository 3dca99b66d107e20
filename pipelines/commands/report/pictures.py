"""Pictures inside of an HTML file: small, and only what is truly a picture."""

import base64
import io
import warnings
from typing import Any, NamedTuple

from PIL import Image

LARGE = 200_000  # bytes of a picture without loss


class Picture(NamedTuple):
    """A picture as a data: URL, and its size in pixels."""

    url: str
    width: int
    height: int


def picture(content: bytes) -> Picture:
    """Return a picture in WebP: usually without loss, at a third of the size of a PNG file.

    A photograph, which would be large without loss, is compressed as such.

    Raises:
        ValueError: it is no picture, it is cut, or it is larger than a picture should be.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content))
            image = image.convert("RGB" if _is_opaque(image) else "RGBA")
            packed = _webp(image, lossless=True)
            if len(packed) > LARGE:
                packed = min(packed, _webp(image, quality=85), key=len)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Warning) as error:
        raise ValueError(f"it is no picture that can be read ({error})") from error
    url = f"data:image/webp;base64,{base64.b64encode(packed).decode()}"
    return Picture(url, *image.size)


def _webp(image: Image.Image, **options: Any) -> bytes:
    packed = io.BytesIO()
    image.save(packed, "webp", **options)
    return packed.getvalue()


def _is_opaque(image: Image.Image) -> bool:
    """Whether no pixel is transparent."""
    if "A" not in image.getbands():
        return "transparency" not in image.info
    return image.getchannel("A").getextrema() == (255, 255)
