"""Folders with one sub-folder per class, and the files in them."""

from pathlib import Path
from typing import NamedTuple

from .class_layouts import find_class_folders
from .item_kinds import Kind
from .left_out import LeftOut
from .listing import printable


class LabelledFile(NamedTuple):
    """An item of a class, not yet opened."""

    path: Path
    label: str


class LabelledFiles(NamedTuple):
    """The labelled files of a person.

    Attributes:
        directory: the folder or file that they were found by.
        files_of: {split: files}; without ready splits all are in train.
        ready: whether the splits are ready.
        remarks: which folders are the classes or splits, where that is not obvious; one line each.
        left_out: the files that are not used.
    """

    directory: Path
    files_of: dict[str, list[LabelledFile]]
    ready: bool
    remarks: list[str]
    left_out: list[LeftOut]


def find_labelled_files(directory: Path, kind: Kind, ready_splits: bool = True) -> LabelledFiles:
    """Find the items of each class, <class>/ITEM, <split>/<class>/ITEM or <class>/<split>/ITEM.

    Items may lie deeper below the folder of their class. Levels that consist of a single folder
    are skipped, above the splits and above the classes. A folder without items is no class.

    Args:
        directory: a person's folder.
        kind: what the folder of a class holds.
        ready_splits: whether folders with the names of splits are splits.

    Raises:
        UserError: fewer than two classes, splits without classes, several folders for a split or
            class, or a folder that cannot be read.
    """
    found = find_class_folders(directory, kind, ready_splits)
    files_of, left_out = {}, []
    for split, folders in found.folders_of.items():
        every = [(*entry, label) for label in folders for entry in kind.files(folders[label])]
        files_of[split] = [LabelledFile(path, label) for path, is_item, label in every if is_item]
        left_out += [kind.leave_out(path) for path, is_item, _ in every if not is_item]
    for reason, paths in found.outside.items():
        for file, is_item in (entry for path in paths for entry in kind.files(path)):
            item = LeftOut(printable(file), reason)
            left_out.append(item if is_item else kind.leave_out(file))
    return LabelledFiles(directory, files_of, found.ready, found.remarks, left_out)
