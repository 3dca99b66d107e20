"""The user's own images and texts: a folder with images and a file of JSON lines."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from unicodedata import normalize

import numpy as np

from ...core.errors import UserError
from ..images.image_files import Inspection, common_shape, inspect_images, is_image
from ..splits import SPLITS, Row, assign_splits
from ..utf8 import collapse_whitespace
from .image_text_data import AnnotatedImages, ImageTextItems
from .json_lines import parsed_lines
from .layout import Layout, Line


class Item(NamedTuple):
    """Images that lines name together, and all texts of them."""

    paths: tuple[Path, ...]
    texts: list[str]
    split: str | None
    descriptions: list[str]


Inspections = Mapping[Path, Inspection]


def read_annotated_images(where: str | Path, layout: Layout) -> ImageTextItems:
    """Read the images of a folder, and the texts of its file of lines.

    Lines with the same images form one item, with the first descriptions that are not empty. Either
    all lines name their split or none does; a split that no line names is carved from train, a
    tenth each, by a hash of the images' content.

    Every image is opened once. Items with a broken image are left out and listed in `problems`, as
    are images that no line names, and repeated texts.

    Raises:
        UserError: no such folder or file, a line that does not follow `layout` or names a missing
            image, contradictory splits, too few items.
    """
    where = Path(where).expanduser()
    file, path_of = _file(where, layout), _images(where)
    lines = {
        n: _normalised(line, path_of, f"{file}:{n}") for n, line in _lines(file, layout).items()
    }
    _check_splits(lines, file)
    items, repeated = _group_by_images(lines.values(), path_of)
    inspections = _inspect({path for item in items for path in item.paths})
    whole = [item for item in items if not any(inspections[path].fault for path in item.paths)]
    items_of, carved = _with_every_split(whole, inspections, file, layout)
    shape = common_shape(
        [inspection for inspection in inspections.values() if not inspection.fault]
    )
    problems = [
        *carved,
        *_in_train_too(items_of, inspections, layout),
        *_broken(inspections, len(items) - len(whole), layout),
        *_unnamed(set(path_of.values()) - inspections.keys(), layout),
        *([f"{file}: {repeated:,} repeated texts left out"] if repeated else []),
    ]
    images_of = {
        split: _annotated(items_of[split], inspections, layout, shape[-1]) for split in SPLITS
    }
    return ImageTextItems(images_of, shape, problems, str(where))


def _file(where: Path, layout: Layout) -> Path:
    expected = f"expected a folder with images and {layout.file}, lines {layout.line}"
    if not where.exists():
        raise UserError(f"--data-dir {where}: no such folder; {expected}")
    if not where.is_dir():
        raise UserError(f"--data-dir {where}: is a file; {expected}")
    if not (where / layout.file).is_file():
        raise UserError(f"--data-dir {where}: no {layout.file} in it; {expected}")
    return where / layout.file


def _images(where: Path) -> dict[str, Path]:
    """Return {name in lines: image}; the hidden files of macOS are left out."""
    paths = (path for path in sorted(where.rglob("*")) if is_image(path))
    visible = (path for path in paths if not path.name.startswith("."))
    names = ((normalize("NFC", path.relative_to(where).as_posix()), path) for path in visible)
    return {collapse_whitespace(name): path for name, path in names}


def _lines(file: Path, layout: Layout) -> dict[int, Line]:
    lines = dict(parsed_lines(file, layout.parse, layout.line))
    if not lines:
        raise UserError(f"{file}: no line in it; expected lines {layout.line}")
    return lines


def _normalised(line: Line, names_in_folder: Collection[str], location: str) -> Line:
    """Return the line with normalised names of images.

    Raises:
        UserError: an image is not in the folder.
    """
    names = [PurePosixPath(name).as_posix() for name in line.images]
    for name in names:
        if name not in names_in_folder:
            raise UserError(
                f"{location}: no image {name!r} in the folder (.jpg and .png count); add it or"
                " remove the line"
            )
    return line._replace(images=names)


def _check_splits(lines: Mapping[int, Line], file: Path) -> None:
    """Raise `UserError` unless all lines or none name their split, the same for the same images."""
    if not any(line.split for line in lines.values()):
        return
    first: dict[tuple[str, ...], int] = {}
    for number, line in lines.items():
        if not line.split:
            raise UserError(f'{file}:{number}: no "split"; give it on all lines or on none')
        before = first.setdefault(tuple(line.images), number)
        if lines[before].split != line.split:
            raise UserError(
                f'{file}:{number}: "split" is "{line.split}", but on line {before}, for the same'
                f' {line.images[0]}, "{lines[before].split}"; give one'
            )


def _group_by_images(
    lines: Collection[Line], path_of: Mapping[str, Path]
) -> tuple[list[Item], int]:
    """Return the distinct texts of the same images as items, and the number of repeated texts."""
    items: dict[tuple[Path, ...], Item] = {}
    for line in lines:
        paths = tuple(path_of[name] for name in line.images)
        item = items.setdefault(paths, Item(paths, [], line.split, []))
        item.texts.extend(text for text in dict.fromkeys(line.texts) if text not in item.texts)
        item.descriptions[:] = item.descriptions or line.descriptions
    kept = sum(len(item.texts) for item in items.values())
    return list(items.values()), sum(len(line.texts) for line in lines) - kept


def _inspect(paths: set[Path]) -> dict[Path, Inspection]:
    return {inspection.path: inspection for inspection in inspect_images(sorted(paths))}


def _with_every_split(
    items: Sequence[Item], inspections: Inspections, file: Path, layout: Layout
) -> tuple[dict[str, list[Item]], list[str]]:
    """Return the items of each split, missing ones carved from train, and the problem if so."""
    items_of = defaultdict(list)
    for item in items:
        items_of[item.split or "train"].append(item)
    missing = [split for split in SPLITS[1:] if not items_of[split]]
    _check_enough(len(items_of["train"]), missing, file, layout)
    if missing:
        items_of |= _carve(items_of["train"], ["train", *missing], inspections)
    if not missing or not items[0].split:  # without splits in the file this is no problem
        return items_of, []
    return items_of, [f"{file}: no {' and no '.join(missing)} split; carved from train"]


def _check_enough(number: int, missing: Sequence[str], file: Path, layout: Layout) -> None:
    if number <= len(missing):
        needed = ", ".join(["train", *missing])
        raise UserError(
            f"{file}: {number} {layout.item}s for {needed} that can be read, at least"
            f" {1 + len(missing)} are needed, one each; add some"
        )


def _carve(
    items: Sequence[Item], splits: Sequence[str], inspections: Inspections
) -> dict[str, list[Item]]:
    """Assign items to splits by their images' content: items of equal images stay together."""
    key_of = {str(index): " ".join(_digests(item, inspections)) for index, item in enumerate(items)}
    rows_of = assign_splits([Row("", index) for index in key_of], splits, key=key_of.__getitem__)
    return {split: [items[int(row.text)] for row in rows] for split, rows in rows_of.items()}


def _annotated(
    items: Sequence[Item], inspections: Inspections, layout: Layout, channels: int
) -> AnnotatedImages:
    return AnnotatedImages(
        [item.texts for item in items],
        [item.descriptions for item in items],
        [" ".join(_digests(item, inspections)) for item in items],
        np.zeros(len(items), bool),
        lambda indices: layout.load([items[index].paths for index in indices], channels),
    )


def _digests(item: Item, inspections: Inspections) -> list[str]:
    return [inspections[path].digest for path in item.paths]


def _in_train_too(
    items_of: Mapping[str, Sequence[Item]], inspections: Inspections, layout: Layout
) -> list[str]:
    """Return a line for each split that shares images with train: there, memorising is rewarded."""
    trained = {digest for item in items_of["train"] for digest in _digests(item, inspections)}
    lines = []
    for split in SPLITS[1:]:
        shared = [i for i in items_of[split] if not trained.isdisjoint(_digests(i, inspections))]
        if shared:
            lines.append(
                f"{split}: {len(shared):,} of {len(items_of[split]):,} {layout.item}s show an image"
                f" of train, first {shared[0].paths[0]}"
            )
    return lines


def _broken(inspections: Inspections, lost: int, layout: Layout) -> list[str]:
    """Return a line for each image that cannot be read."""
    faults = [
        f"{inspection.path}: {inspection.fault.reason} ({inspection.fault.detail}); left out"
        for inspection in inspections.values()
        if inspection.fault
    ]
    if not faults:
        return []
    summary = f"{len(faults)} of {len(inspections)} images cannot be read"
    return [f"{summary}; {lost:,} {layout.item}s left out", *faults]


def _unnamed(paths: Collection[Path], layout: Layout) -> list[str]:
    """Return a line about the images without a text."""
    if not paths:
        return []
    return [f"{len(paths):,} images without a {layout.text}, first {min(paths)}; left out"]
