"""The user's own images and texts: opened, checked, and assigned to splits."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...core.errors import UserError
from ..images.image_files import Inspection, common_shape, inspect_images
from ..left_out import LeftOut
from ..listing import printable
from ..splits import SPLITS, Row, assign_splits
from .annotation_files import AnnotationFiles, find_annotations
from .image_text_data import AnnotatedImages, ImageTextItems
from .layout import Annotation, Layout


class Item(NamedTuple):
    """Images that lines name together, and all texts of them."""

    paths: tuple[Path, ...]
    texts: list[str]
    split: str | None
    descriptions: list[str]
    place: str  # the first line


Inspections = Mapping[Path, Inspection]


def read_annotated_images(
    where: str | Path,
    layout: Layout,
    ready_splits: bool = True,
    found: AnnotationFiles | None = None,
) -> ImageTextItems:
    """Read the images of a folder, and the texts of its files, see `find_annotations`.

    Lines with the same images form one item, with the first descriptions that are not empty. Either
    all lines of a file name their split or none does; a split without lines is carved from train, a
    tenth each, by a hash of the images' content.

    Every image is opened once. Items with a broken image, images that no line names, and repeated
    texts are left out.

    Raises:
        UserError: no such folder or file, a line that does not follow `layout`, contradictory
            splits, too few items.
    """
    files = found or find_annotations(where, layout, ready_splits)
    items, repeated = _group_by_images(files, layout)
    inspections = _inspect({path for item in items for path in item.paths})
    whole = [item for item in items if not any(inspections[path].fault for path in item.paths)]
    items_of, carved = _with_every_split(whole, inspections, files, layout)
    shape = common_shape(i for i in inspections.values() if not i.fault)
    images_of = {
        split: _annotated(items_of[split], inspections, layout, shape[-1]) for split in SPLITS
    }
    remarks = [*carved, *_in_train_too(items_of, inspections, layout), *files.remarks]
    left_out = [
        *files.left_out,
        *(inspection.fault for inspection in inspections.values() if inspection.fault),
        *_with_broken_image(items, inspections),
        *repeated,
        *_unnamed(files, inspections, layout),
    ]
    return ImageTextItems(images_of, shape, remarks, printable(files.where), left_out)


def _group_by_images(files: AnnotationFiles, layout: Layout) -> tuple[list[Item], list[LeftOut]]:
    """Return the distinct texts of the same images as items, and the repeated texts."""
    every, left_out = [], []
    for split, entries in files.entries.items():
        if not split:
            _check_splits(entries)
        items: dict[tuple[Path | str, ...], Item] = {}
        for place, line, paths in entries:
            named = tuple(path for path in paths if isinstance(path, Path))
            new = Item(named, [], split or line.split, [], place)
            item = items.setdefault(named, new)
            item.descriptions[:] = item.descriptions or line.descriptions
            for text in line.texts:
                if text in item.texts:
                    left_out.append(LeftOut(place, f"repeated {layout.text}", printable(text)))
                else:
                    item.texts.append(text)
        every += items.values()
    return every, left_out


def _check_splits(entries: Sequence[Annotation]) -> None:
    """Raise `UserError` unless all lines or none name their split, the same for the same images."""
    if not any(entry.line.split for entry in entries):
        return
    first: dict[tuple[Path | str, ...], Annotation] = {}
    for entry in entries:
        place, line, paths = entry
        if not line.split:
            raise UserError(f'{place}: no "split"; give it on all lines or on none')
        before = first.setdefault(tuple(paths), entry)
        if before.line.split != line.split:
            number = before.place.rpartition(":")[2]
            raise UserError(
                f'{place}: "split" is "{line.split}", but on line {number}, for the same'
                f' {printable(line.images[0])}, "{before.line.split}"; give one'
            )


def _inspect(paths: set[Path]) -> dict[Path, Inspection]:
    return {inspection.path: inspection for inspection in inspect_images(sorted(paths))}


def _with_every_split(
    items: Sequence[Item], inspections: Inspections, files: AnnotationFiles, layout: Layout
) -> tuple[dict[str, list[Item]], list[str]]:
    """Return the items of each split, missing ones carved from train, and the problem if so."""
    items_of = defaultdict(list)
    for item in items:
        items_of[item.split or "train"].append(item)
    missing = [split for split in SPLITS[1:] if not items_of[split]]
    place = printable(files.files[0] if len(files.files) == 1 else files.where)
    _check_enough(len(items_of["train"]), missing, place, layout)
    if missing:
        items_of |= _carve(items_of["train"], ["train", *missing], inspections)
    if not missing or not items[0].split:  # without splits in the file this is no problem
        return items_of, []
    return items_of, [f"{place}: no {' and no '.join(missing)} split; carved from train"]


def _check_enough(number: int, missing: Sequence[str], place: str, layout: Layout) -> None:
    if number <= len(missing):
        needed = ", ".join(["train", *missing])
        raise UserError(
            f"{place}: {number} {layout.item}s for {needed} that can be read, at least"
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
                f" of train, first {printable(shared[0].paths[0])}"
            )
    return lines


def _with_broken_image(items: Sequence[Item], inspections: Inspections) -> Iterator[LeftOut]:
    """Yield the items of several images that are left out because of one; others are that one."""
    for item in items:
        broken = [printable(path) for path in item.paths if inspections[path].fault]
        if broken and len(item.paths) > 1:
            yield LeftOut(item.place, "an image of the sequence cannot be read", broken[0])


def _unnamed(files: AnnotationFiles, inspections: Inspections, layout: Layout) -> Iterator[LeftOut]:
    """Yield the other files of the folder."""
    if not files.where.is_dir():
        return
    for path, is_image in files.images.files.items():
        if path not in inspections and path not in files.files:
            reason = f"image without a {layout.text}" if is_image else "not an image"
            yield LeftOut(printable(path), reason)
