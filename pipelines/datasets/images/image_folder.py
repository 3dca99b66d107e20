"""The user's own images: a folder with one sub-folder of jpg or png files per class."""

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ...core.console import note
from ...core.errors import UserError
from ..splits import SPLITS, Items, Row, assign_splits, counts

SUFFIXES = (".jpg", ".jpeg", ".png")
GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "F")
Item = TypeVar("Item")
_LAYOUT = "one sub-folder of .jpg or .png files per class"


class ImageFolder(NamedTuple):
    """The images of a folder: items whose texts are paths, and their common shape."""

    items: Items
    shape: tuple[int | None, int | None, int]  # [H, W, C]; H and W None if they differ
    content_hash: str


def read_image(path: str | Path, channels: int) -> np.ndarray:
    """Return the pixels of an image file, uint8 [H, W, channels], channels 1 (grey) or 3 (RGB).

    The image is rotated as its EXIF data require; 16 bits are reduced to 8; transparent pixels
    become white.

    Raises:
        UserError: the file does not exist, is not an image, or is broken.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return _pixels(ImageOps.exif_transpose(image), channels)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: not an image that can be read (jpg and png can)") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: broken image ({error})") from None


def _pixels(image: Image.Image, channels: int) -> np.ndarray:
    if image.mode.startswith("I"):  # 16 bits of either byte order
        image = Image.fromarray((np.asarray(image).astype(np.uint32) // 257).astype(np.uint8))
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image.convert("RGBA"))
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[..., None] if channels == 1 else pixels


class Inspection(NamedTuple):
    """An image file that was opened: its fault, or the digest, size and mode of the image."""

    path: Path
    fault: str | None
    digest: str = ""
    size: tuple[int, int] = (0, 0)  # height, width
    grey: bool = False


def inspect_image(path: Path) -> Inspection:
    """Open an image file and report whether it can be read, and what it holds."""
    try:
        pixels = read_image(path, 3)
        with Image.open(path) as image:
            grey = image.mode in GREY
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (UserError, OSError) as error:
        return Inspection(path, str(error).removeprefix(f"{path}: "))
    return Inspection(path, None, digest, (pixels.shape[0], pixels.shape[1]), grey)


def read_folder(directory: str | Path) -> ImageFolder:
    """Read the images of a folder, split 80/10/10 by a hash of each file's content.

    Every file is opened once. Broken files, and those that are repeated within their class, are
    left out and listed in `problems`; equal files in several classes are listed too.

    Raises:
        UserError: no such folder, no images in it, one class only, a class without readable images
            or with too few to be in every split.
    """
    directory = Path(directory).expanduser()
    label_of = _files(directory)
    with ThreadPoolExecutor() as pool:
        checked = list(with_progress(pool.map(inspect_image, label_of), len(label_of)))
    problems = [f"{c.path}: {c.fault}; left out" for c in checked if c.fault]
    if problems:
        problems.insert(0, f"{len(problems)} of {len(checked)} images cannot be read")
    good, repeated = _without_repetitions([c for c in checked if not c.fault], label_of)
    if repeated:
        problems.append(f"{repeated} files left out: the same image is in their class already")
    rows = [Row(label_of[c.path], str(c.path)) for c in good]
    digest_of = {str(c.path): c.digest for c in good}
    problems += _shared(rows, digest_of)
    labels = sorted(set(label_of.values()))
    rows_of = assign_splits(rows, key=digest_of.__getitem__)
    _check_every_split(counts(rows_of, labels), directory)
    return ImageFolder(
        Items(rows_of, labels, problems, f"{directory} ({len(labels)} classes)"),
        common_shape(good),
        _content_hash(rows, digest_of),
    )


def _files(directory: Path) -> dict[Path, str]:
    """Return {image file: label}, sorted by label."""
    if not directory.exists():
        raise UserError(f"--data-dir {directory}: no such folder")
    if not directory.is_dir():
        raise UserError(f"--data-dir {directory}: is a file; give a folder with {_LAYOUT}")
    folders = sorted(p for p in directory.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise UserError(f"--data-dir {directory}: no sub-folder in it; expected {_LAYOUT}")
    if len(folders) == 1:
        raise UserError(f"--data-dir {directory}: only one class ({folders[0].name}); add a second")
    label_of = {}
    for folder in folders:
        images = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SUFFIXES]
        label_of |= dict.fromkeys(images, unicodedata.normalize("NFC", folder.name))
        if not images:
            raise UserError(f"{folder}: no .jpg or .png in it; expected {_LAYOUT}")
    return label_of


def with_progress(items: Iterable[Item], total: int) -> Iterator[Item]:
    """Yield the items, with a note on stderr about the progress after every 5,000."""
    for number, item in enumerate(items, start=1):
        if number % 5000 == 0:
            note(f"data: {number} of {total} images read")
        yield item


def _without_repetitions(
    good: Sequence[Inspection], label_of: Mapping[Path, str]
) -> tuple[list[Inspection], int]:
    first = {}
    for c in good:
        first.setdefault((label_of[c.path], c.digest), c)
    return list(first.values()), len(good) - len(first)


def _shared(rows: Sequence[Row], digest_of: Mapping[str, str]) -> list[str]:
    classes = defaultdict(set)
    for row in rows:
        classes[digest_of[row.text]].add(row.label)
    tally = Counter(" and ".join(sorted(names)) for names in classes.values() if len(names) > 1)
    return [f"{n} images are the same in classes {names}" for names, n in tally.items()]


def common_shape(good: Sequence[Inspection]) -> tuple[int | None, int | None, int]:
    """Return [H, W, C] of readable images, H and W None if they differ."""
    sizes = {c.size for c in good}
    height, width = sizes.pop() if len(sizes) == 1 else (None, None)
    return height, width, 1 if all(c.grey for c in good) else 3


def _content_hash(rows: Sequence[Row], digest_of: Mapping[str, str]) -> str:
    lines = sorted(f"{row.label}\t{digest_of[row.text]}\n" for row in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _check_every_split(tallies: dict[str, dict[str, int]], directory: Path) -> None:
    for label, tally in tallies.items():
        if not all(tally.values()):
            raise UserError(
                f"{directory / label}: {sum(tally.values())} different images that can be read, at"
                f" least {len(SPLITS)} of its own are needed: one each for {', '.join(SPLITS)}"
            )
