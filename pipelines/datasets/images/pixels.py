"""The pixels of decoded images as arrays of 8 bits, no larger than a network can use."""

import math

import numpy as np
from PIL import Image, ImageCms

GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "F")
LARGEST = 2**24  # pixels of an array
_STRIP = 2**22  # pixels of a larger image that are converted at a time
_ORIENTATION = 0x0112  # the EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def to_array(image: Image.Image, channels: int) -> np.ndarray:
    """Return a decoded image as uint8 [H, W, channels], channels 1 (grey) or 3 (RGB).

    It is rotated as its EXIF data require. An image of more than `LARGEST` pixels is reduced by a
    whole factor; it is converted in strips, so that no other copy of its size is in memory.
    """
    turn = _turn(image)
    factor = _factor(*image.size)
    if factor > 1:
        image = _reduced(image, factor, channels)
    if turn is not None:
        image = image.transpose(turn)
    return _pixels(image, channels)


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata say nothing about the orientation
        return None


def _factor(width: int, height: int) -> int:
    return math.ceil(math.sqrt(max(1.0, width * height / LARGEST)))


def _reduced(image: Image.Image, factor: int, channels: int) -> Image.Image:
    """Return an image of which each pixel is the mean of a block."""
    if image.mode in ("I", "F"):  # their range is that of the whole image
        return image.reduce(factor)
    width, height = image.size
    rows = factor * max(1, _STRIP // (factor * width))
    strips = []
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        strips.append(np.asarray(_as_image(_pixels(strip, channels)).reduce(factor)))
    return Image.fromarray(np.concatenate(strips))


def _as_image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)


def _pixels(image: Image.Image, channels: int) -> np.ndarray:
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_in_8_bits(np.asarray(image), image.mode))
    if image.mode == "LAB":
        spaces = [ImageCms.createProfile(space) for space in ("LAB", "sRGB")]
        converted = ImageCms.profileToProfile(image, *spaces, outputMode="RGB")
        image = converted or image
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, _rgba(image))
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[..., None] if channels == 1 else pixels


def _rgba(image: Image.Image) -> Image.Image:
    if image.mode == "La":  # premultiplied; Pillow converts it to LA only
        image = image.convert("LA")
    return image.convert("RGBA")


def _in_8_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """Reduce integers of 16 or 32 bits, or floats, to 8 bits; NaN becomes 0."""
    if mode.startswith("I;16"):
        return (values.astype(np.uint32) // 257).astype(np.uint8)
    values = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    low, high = values.min(), values.max()
    tops = (65535,) if mode == "I" else (1, 255, 65535)
    top = next((top for top in tops if low >= 0 and high <= top), None)
    if top is None:
        values, top = values - low, (high - low) or 1
    return np.rint(values * (255 / top)).astype(np.uint8)
