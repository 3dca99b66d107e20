"""Images of scenes: grey, 80×80, real handwritten digits on black."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from .scenes import MOST, PLACES, SIZES, Scene

QUADRANT = 40  # pixels
SIDE = 2 * QUADRANT
# The longer side of a digit. MNIST's own 20 would leave no gap between two digits in a quadrant.
PIXELS = {"small": 12, "large": 18}

VARIANTS = 15  # of each training digit
TURN, SLANT = 15.0, 0.2  # degrees, and pixels to the side for a pixel down, at most

Stamps = Mapping[str, Sequence[Sequence[np.ndarray]]]  # digits by size and value, cut to their ink


class Appearance(NamedTuple):
    """The digits that a group shows, and their positions in its quadrant.

    It holds for any count, size and place: a group that grows, moves or is joined keeps it.
    """

    digits: Sequence[int]  # [MOST] different ones of those of its value
    corners: Sequence[int]  # [MOST] different quarters of the quadrant
    cut: Sequence[float]  # [2] where the quarters meet, vertically and horizontally; 0 … 1
    shift: np.ndarray  # [MOST, 2] of each digit in its quarter; 0 … 1


def make_stamps(images: np.ndarray, values: np.ndarray) -> Stamps:
    """Return digits [N, 28, 28] of some values [N], in both sizes."""
    inked = [[_ink(image) for image in images[values == value]] for value in range(10)]
    return {size: [[_shrunk(i, PIXELS[size]) for i in same] for same in inked] for size in SIZES}


def with_variants(
    images: np.ndarray, values: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return digits [M, 28, 28] and values [M]: each with `VARIANTS` rotated and slanted copies.

    A network would memorise the few hundred original digits of a value.
    """
    more = [[image, *(_variant(image, random) for _ in range(VARIANTS))] for image in images]
    return np.concatenate(more), np.repeat(values, VARIANTS + 1)


def _variant(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the image rotated and slanted about its middle."""
    turn, slant = np.radians(random.uniform(-TURN, TURN)), random.uniform(-SLANT, SLANT)
    middle = (np.array(image.shape) - 1) / 2
    cos, sin = np.cos(turn), np.sin(turn)
    to_source = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, slant], [0, 1]])  # of x, y
    shift = middle - to_source @ middle
    numbers = np.column_stack([to_source, shift]).ravel().tolist()
    turned = Image.fromarray(image).transform(
        image.shape[::-1], Image.Transform.AFFINE, numbers, Image.Resampling.BICUBIC
    )
    return np.asarray(turned)


def _ink(image: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _shrunk(ink: np.ndarray, longest: int) -> np.ndarray:
    """Scale in proportion and keep the largest brightness: otherwise thin strokes would fade."""
    height, width = (max(1, round(side * longest / max(ink.shape))) for side in ink.shape)
    small = Image.fromarray(ink).resize((width, height), Image.Resampling.LANCZOS)
    pixels = np.asarray(small, np.float32)
    return np.round(pixels * (ink.max() / pixels.max())).astype(np.uint8)


def draw_appearance(random: np.random.Generator, digits: int) -> Appearance:
    """Draw the appearance of a group whose value has this number of digits to choose from."""
    return Appearance(
        digits=random.choice(digits, MOST, replace=False).tolist(),
        corners=random.permutation(4)[:MOST].tolist(),
        cut=random.random(2).tolist(),
        shift=random.random((MOST, 2)),
    )


def draw_appearances(random: np.random.Generator, scene: Scene, stamps: Stamps) -> list[Appearance]:
    """Draw the appearance of each group of a scene."""
    return [draw_appearance(random, len(stamps[group.size][group.value])) for group, _ in scene]


def paint(scene: Scene, appearances: Sequence[Appearance], stamps: Stamps) -> np.ndarray:
    """Return the image, uint8 [80, 80, 1]; at least one black row or column separates digits."""
    image = np.zeros((SIDE, SIDE, 1), np.uint8)
    for (group, place), appearance in zip(scene, appearances, strict=True):
        quadrant = divmod(PLACES.index(place), 2)
        for number in range(group.number):
            stamp = stamps[group.size][group.value][appearance.digits[number]]
            top, left = (
                QUADRANT * quadrant[axis]
                + _position(appearance, number, axis, stamp.shape[axis], PIXELS[group.size])
                for axis in (0, 1)
            )
            image[top : top + stamp.shape[0], left : left + stamp.shape[1], 0] = stamp
    return image


def _position(appearance: Appearance, number: int, axis: int, extent: int, longest: int) -> int:
    """Return where a digit begins in its quadrant: in its quarter, whose last pixel stays black."""
    cut = longest + 1 + int(appearance.cut[axis] * (QUADRANT - 2 * longest - 1))
    second = divmod(appearance.corners[number], 2)[axis]
    room = (QUADRANT - cut if second else cut) - 1 - extent
    return second * cut + int(appearance.shift[number, axis] * (room + 1))
