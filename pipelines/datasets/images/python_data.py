"""Images from Python: lists, arrays and data frames, written as files that the readers take."""

import hashlib
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...core.errors import UserError
from ..listing import printable
from ..python_data import by_split
from ..tables.columns import IMAGE, LABEL, Role
from ..tables.header import plain_name

EXPECTED = "pairs (image, {}), arrays (images, {}s), a DataFrame, or a dict of these by split"
Pair = tuple[Any, Any]


def write_images(
    data: Any, folder: Path, image_column: str | None = None, label_column: str | None = None
) -> None:
    """Write labelled images to a folder that `find_images` reads: images.jsonl and PNG files.

    Args:
        data: pairs (image, label), a pair of arrays (images [N, H, W, C], labels [N]), a DataFrame
            with a column of images and one of labels, or {"train": ..., "test": ...} of these. An
            image is a path, an array [H, W] or [H, W, C], or a PIL image.
        folder: an empty folder. Files that are given by path are not copied.
        image_column: column of the images in a DataFrame; None: by name.
        label_column: column of the labels in a DataFrame; None: by name.

    Raises:
        UserError: data of another kind; the message names the item.
    """
    roles = IMAGE._replace(chosen=image_column), LABEL._replace(chosen=label_column)
    write_lines(data, roles, folder / "images.jsonl", _label)


def _label(label: Any) -> dict[str, str]:
    is_missing = label is None or (isinstance(label, float) and math.isnan(label))
    return {"label": "" if is_missing else str(label)}


def write_lines(
    data: Any,
    roles: tuple[Role, Role],
    file: Path,
    entry: Callable[[Any], dict[str, Any]],
) -> None:
    """Write a line of JSON for each pair of an image and something else.

    Args:
        data: see `write_images`.
        roles: the columns of a DataFrame.
        file: the file of lines; images without a file are written beside it.
        entry: function of the second part of a pair that returns the keys of its line.
    """
    lines = []
    for split, part in by_split(data).items():
        for place, (image, other) in _pairs(part, roles, split or "data"):
            name = _stored(image, file.parent, place)
            lines.append({"image": name, **entry(other), **({"split": split} if split else {})})
    if not lines:
        raise UserError(f"data: empty; give {EXPECTED.format(*[roles[1].name] * 2)}")
    text = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)
    file.write_text(text, encoding="utf-8")


def _pairs(data: Any, roles: tuple[Role, Role], name: str) -> Iterator[tuple[str, Pair]]:
    """Yield the pairs of one split, each with its place for messages."""
    if hasattr(data, "columns"):
        data = list(zip(*(data[_column(data, role)] for role in roles), strict=True))
    elif isinstance(data, tuple) and len(data) == 2 and hasattr(data[0], "shape"):
        if len(data[0]) != len(data[1]):
            raise UserError(f"{name}: {len(data[0])} images, but {len(data[1])} {roles[1].name}s")
        data = list(zip(*data, strict=True))
    expected = EXPECTED.format(*[roles[1].name] * 2)
    if not isinstance(data, Sequence) or isinstance(data, str):
        raise UserError(f"{name}: a {type(data).__name__}; expected {expected}")
    for number, pair in enumerate(data):
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise UserError(f"{name}[{number}]: no pair; expected {expected}")
        yield f"{name}[{number}]", (pair[0], pair[1])


def _column(frame: Any, role: Role) -> Any:
    """Return the column of a role: chosen, or the only one with a usual name."""
    if role.chosen is not None:
        found = [column for column in frame.columns if str(column) == role.chosen]
    else:
        usual = {plain_name(name) for name in role.usual}
        found = [column for column in frame.columns if plain_name(str(column)) in usual]
        first = [column for column in found if plain_name(str(column)) == role.usual[0]]
        found = first or found
    if len(found) != 1:
        names = ", ".join(map(str, frame.columns))
        raise UserError(
            f"data: {len(found)} columns could be the {role.name} ({names}); choose it with"
            f" {role.name}_column"
        )
    return found[0]


def _stored(image: Any, folder: Path, place: str) -> str:
    """Return the path of an image's file, written if it has none; equal images have one file."""
    if isinstance(image, str | Path):
        path = Path(image).expanduser().absolute()
        return (
            _copied(path, folder) if path.is_file() and printable(path) != str(path) else str(path)
        )
    picture = image if isinstance(image, Image.Image) else _from_array(image, place)
    try:
        picture.load()  # Pillow opens a file without decoding it
    except Exception as error:  # whatever a decoder raises for damaged data is the image's fault
        raise UserError(f"{place}: broken image ({printable(str(error))})") from None
    if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        picture = picture.convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return _written(buffer.getvalue(), ".png", folder)


def _copied(path: Path, folder: Path) -> str:
    """Return the name of a copy of a file whose name is not UTF-8, as JSON holds no such names."""
    try:
        return _written(path.read_bytes(), printable(path.suffix), folder)
    except OSError:
        return printable(path)  # it will be left out


def _written(content: bytes, suffix: str, folder: Path) -> str:
    name = f"images/{hashlib.sha256(content).hexdigest()}{suffix}"
    (folder / "images").mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return name


def _from_array(image: Any, place: str) -> Image.Image:
    """Return an array of pixels 0 … 255, or of floats 0 … 1, as an image."""
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    is_image = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if not is_image or pixels.dtype.kind not in "buif" or not pixels.size:
        raise UserError(
            f"{place}: not an image: {type(image).__name__} of shape {list(pixels.shape)}; expected"
            " a path, a PIL image, or an array [H, W] or [H, W, C] with 1, 3 or 4 channels"
        )
    low, high = pixels.min(), pixels.max()
    if not (low >= 0 and high <= 255):
        raise UserError(f"{place}: pixels from {low} to {high}; expected 0 … 255, or floats 0 … 1")
    is_unit = pixels.dtype.kind == "b" or (pixels.dtype.kind == "f" and high <= 1)
    return Image.fromarray(np.rint(pixels * (255.0 if is_unit else 1.0)).astype(np.uint8))
