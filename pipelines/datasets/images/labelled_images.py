"""Labelled image files: opened, checked, and assigned to splits."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..class_folders import LabelledFiles
from ..left_out import LeftOut
from ..listing import printable
from ..splits import SPLITS, Items, Row, assign_splits, content_hash, counts, splits_hash
from .image_files import Inspection, common_shape, inspect_images

RowsOf = dict[str, list[Row]]  # the text of a row is the path of an image


class LabelledImages(NamedTuple):
    """The images of a listing: items whose texts are paths, and their common shape."""

    items: Items
    shape: tuple[int | None, int | None, int]  # [H, W, C]; H and W None if they differ
    content_hash: str
    digest_of: dict[str, str]  # by path


def read_images(listing: LabelledFiles) -> LabelledImages:
    """Open every image of a listing once, and return those that can be used.

    Without ready splits, images are split 80/10/10 by a hash of each file's content; a missing
    split is carved from train, a tenth of it. Left out are broken files, files that are repeated
    within their class and split, and the images of classes that are in a single ready split or not
    in train.

    Raises:
        UserError: a class with too few images for the splits, or a split without images.
    """
    inspections = _inspect(listing)
    digest_of = {str(path): i.digest for path, i in inspections.items() if not i.fault}
    faults = [i.fault for i in inspections.values() if i.fault]
    rows_of, repeated = _distinct(listing, digest_of)
    without = _without_lone_classes(rows_of) if len(rows_of) > 1 else []
    rows_of, carved = _with_every_split(rows_of, digest_of, listing)
    without += _without_untrained_classes(rows_of, listing)
    used = [row for rows in rows_of.values() for row in rows]
    labels = sorted({row.label for row in used})
    classes = dict.fromkeys(f"{x.detail}: {x.reason.removeprefix('its class ')}" for x in without)
    shared = [*_shared(used, digest_of), *_in_train(rows_of, digest_of)]
    remarks = [*carved, *listing.remarks, *classes, *shared]
    source = f"{printable(listing.directory)} ({len(labels)} classes)"
    left_out = [*listing.left_out, *faults, *repeated, *without]
    return LabelledImages(
        Items({split: rows_of[split] for split in SPLITS}, labels, remarks, source, left_out),
        common_shape(inspections[Path(row.text)] for row in used),
        _hash(rows_of, digest_of, listing.ready),
        digest_of,
    )


def _inspect(listing: LabelledFiles) -> dict[Path, Inspection]:
    paths = dict.fromkeys(file.path for files in listing.files_of.values() for file in files)
    return {inspection.path: inspection for inspection in inspect_images(paths)}


def _distinct(listing: LabelledFiles, digest_of: Mapping[str, str]) -> tuple[RowsOf, list[LeftOut]]:
    """Return the readable images of each split without those that their class has already."""
    rows_of: RowsOf = {}
    repeated = []
    for split, files in listing.files_of.items():
        first: dict[tuple[str, str], Row] = {}
        for row in (Row(label, str(path)) for path, label in files if str(path) in digest_of):
            before = first.setdefault((row.label, digest_of[row.text]), row)
            if before is not row:
                same = f"the same as {printable(before.text)}"
                repeated.append(LeftOut(printable(row.text), "repeated image of its class", same))
        rows_of[split] = list(first.values())
    return rows_of, repeated


def _without_lone_classes(rows_of: RowsOf) -> list[LeftOut]:
    """Remove the classes that are in a single split: nothing can test them."""
    splits = Counter(label for rows in rows_of.values() for label in {row.label for row in rows})
    lone = {label for label, number in splits.items() if number == 1}
    return _remove(rows_of, lone, "its class is in one split only")


def _without_untrained_classes(rows_of: RowsOf, listing: LabelledFiles) -> list[LeftOut]:
    trained = {row.label for row in rows_of["train"]}
    if len(trained) < 2:
        raise UserError(
            f"--data-dir {printable(listing.directory)}: {len(trained)} classes with training"
            " images that can be read and that another split has too; at least two are needed"
        )
    labels = {row.label for rows in rows_of.values() for row in rows}
    left_out = _remove(rows_of, labels - trained, "its class has no training item")
    for split in SPLITS:
        if not rows_of[split]:
            raise UserError(
                f"--data-dir {printable(listing.directory)}: no {split} image of a training class"
                " is left; name the classes alike"
            )
    return left_out


def _remove(rows_of: RowsOf, labels: Iterable[str], reason: str) -> list[LeftOut]:
    removed = []
    for split, rows in rows_of.items():
        removed += [row for row in rows if row.label in labels]
        rows_of[split] = [row for row in rows if row.label not in labels]
    return [LeftOut(printable(row.text), reason, f"class {row.label!r}") for row in removed]


def _with_every_split(
    rows_of: RowsOf, digest_of: Mapping[str, str], listing: LabelledFiles
) -> tuple[RowsOf, list[str]]:
    """Return the rows of all splits, missing ones carved from train, and the remark if so."""
    missing = [split for split in SPLITS if split not in rows_of]
    if not missing:
        return rows_of, []
    splits = ["train", *missing]
    carved = assign_splits(rows_of["train"], splits, key=digest_of.__getitem__)
    files = listing.files_of["train"] if len(rows_of) == 1 else rows_of["train"]
    labels = sorted({file.label for file in files})  # with those whose images are all broken
    _check_every_split(counts(carved, labels), listing.directory)
    where = printable(listing.directory)
    remark = f"{where}: no {' and no '.join(missing)} split; carved from train"
    carved_of = {split: list(rows) for split, rows in carved.items()}
    return rows_of | carved_of, [remark] if listing.ready else []


def _check_every_split(tallies: dict[str, dict[str, int]], directory: Path) -> None:
    for label, tally in tallies.items():
        if not all(tally.values()):
            raise UserError(
                f"--data-dir {printable(directory)}: class {label}: {sum(tally.values())} different"
                f" images that can be read, at least {len(tally)} of its own are needed: one each"
                f" for {', '.join(tally)}"
            )


def _shared(rows: Sequence[Row], digest_of: Mapping[str, str]) -> list[str]:
    classes = defaultdict(set)
    for row in rows:
        classes[digest_of[row.text]].add(row.label)
    tally = Counter(" and ".join(sorted(names)) for names in classes.values() if len(names) > 1)
    return [f"{n} images are the same in classes {names}" for names, n in tally.items()]


def _in_train(rows_of: RowsOf, digest_of: Mapping[str, str]) -> list[str]:
    """Return a line for each split that shares images with train: there, memorising is rewarded."""
    trained = {digest_of[row.text] for row in rows_of["train"]}
    lines = []
    for split in SPLITS[1:]:
        shared = sum(digest_of[row.text] in trained for row in rows_of[split])
        if shared:
            lines.append(f"{split}: {shared:,} of {len(rows_of[split]):,} images are in train too")
    return lines


def _hash(rows_of: RowsOf, digest_of: Mapping[str, str], ready: bool) -> str:
    """Return the hash of all images; of ready splits, also of the split of each image.

    Splits that are not ready follow from the images.
    """
    by_digest = {s: [Row(r.label, digest_of[r.text]) for r in rows] for s, rows in rows_of.items()}
    if ready:
        return splits_hash(by_digest)
    return content_hash(row for rows in by_digest.values() for row in rows)
