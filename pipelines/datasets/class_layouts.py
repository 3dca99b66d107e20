"""The layouts of folders with one sub-folder per class, below ready splits or without."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ..core.errors import UserError
from .item_kinds import Kind
from .listing import printable, subfolders, visible
from .ready_splits import SPLIT_OF, find_ready_splits, split_named
from .splits import SPLITS

FLAG = "--no-ready-splits"


class ClassFolders(NamedTuple):
    """The folder of each class: {split: {label: folder}}; `outside`: {reason: other paths}."""

    folders_of: dict[str, dict[str, Path]]
    ready: bool
    outside: dict[str, list[Path]]
    remarks: list[str]


def find_class_folders(directory: Path, kind: Kind, ready_splits: bool) -> ClassFolders:
    """Find the folder of each class; see `find_labelled_files`, which lists their files.

    Raises:
        UserError: fewer than two classes, splits without classes, or several folders for one.
    """
    if not directory.is_dir():
        where = f"--data-dir {printable(directory)}"
        raise UserError(f"{where}: is a file; expected {kind.layout}")
    top, splits, others, remarks = _find_splits(directory, kind, ready_splits)
    if splits:
        return _in_splits(directory, splits, others, remarks, kind)
    folders, beside = _classes(top, kind)
    _check_classes(directory, top, folders, kind)
    if ready_splits:
        _check_not_splits(directory, folders, kind)
        if inner := _splits_in_classes(folders, kind):
            return ClassFolders(inner, True, {"not in a split": beside}, _skipped(directory, top))
    return ClassFolders(
        {"train": folders},
        False,
        {"not in the folder of a class": beside},
        [*_skipped(directory, top), *remarks, *_empty(beside, kind)],
    )


def _find_splits(
    directory: Path, kind: Kind, use: bool
) -> tuple[Path, dict[str, Path], list[Path], list[str]]:
    """Return the folder that holds the splits or classes, the splits, the others, and remarks."""

    def holds_classes(path: Path) -> bool:
        return path.is_dir() and any(map(kind.is_in, subfolders(path)))

    top = directory
    while True:
        ready = find_ready_splits(top, holds_classes, use)
        if ready.paths:
            return top, ready.paths, ready.others, [*_skipped(directory, top), *ready.remarks]
        holding = [folder for folder in subfolders(top) if kind.is_in(folder)]
        if len(holding) != 1 or not holds_classes(holding[0]):
            break
        top = holding[0]
    named = _named_in_part(filter(holds_classes, holding)) if use else {}
    if not named:
        return top, {}, [], ready.remarks
    others = [path for path in visible(top) if path not in named.values()]
    pairs = ", ".join(f"{printable(path.name)} for {split}" for split, path in named.items())
    return (
        top,
        named,
        others,
        [f"{printable(top)}: splits by their names: {pairs}; {FLAG}: classes"],
    )


def _named_in_part(folders: Iterator[Path]) -> dict[str, Path]:
    """Return the splits among names such as seg_train and seg_test; none unless train is one."""
    found: dict[str, Path] = {}
    for folder in folders:
        words = re.split(r"[\W_]+", folder.name.casefold())
        splits = {SPLIT_OF[word] for word in words if word in SPLIT_OF}
        if len(splits) == 1:
            (split,) = splits
            if split in found:
                return {}
            found[split] = folder
    return found if "train" in found and len(found) > 1 else {}


def _in_splits(
    directory: Path, splits: Mapping[str, Path], others: list[Path], remarks: list[str], kind: Kind
) -> ClassFolders:
    folders_of: dict[str, dict[str, Path]] = {}
    beside: list[Path] = []
    for split, path in splits.items():  # train is the first
        known = folders_of.get("train", {})
        folders_of[split], outside = _classes(_single_level(path, known, kind), kind)
        beside += outside
    _check_classes(directory, splits["train"], folders_of["train"], kind)
    outside = {"not in a split": others, "not in the folder of a class": beside}
    return ClassFolders(folders_of, True, outside, [*remarks, *_empty(beside, kind)])


def _single_level(split: Path, known: Mapping[str, Path], kind: Kind) -> Path:
    """Return the folder of a split's classes: further down, if a level is a single folder."""
    folder = split
    while True:
        holding = [sub for sub in subfolders(folder) if kind.is_in(sub)]
        if len(holding) != 1 or printable(holding[0].name) in known:
            return folder
        if not any(map(kind.is_in, subfolders(holding[0]))):
            return folder
        folder = holding[0]


def _classes(folder: Path, kind: Kind) -> tuple[dict[str, Path], list[Path]]:
    """Return {label: folder}, sorted, and the files and folders beside them."""
    folders: dict[str, Path] = {}
    outside = []
    for path in visible(folder):
        label = printable(path.name)
        if not (path.is_dir() and kind.is_in(path)):
            outside.append(path)
        elif label in folders:
            names = " and ".join(repr(os.fsencode(p.name)) for p in (folders[label], path))
            raise UserError(
                f"--data-dir {printable(folder)}: the names {names} are both read as class"
                f" {label!r}; rename one"
            )
        else:
            folders[label] = path
    return dict(sorted(folders.items())), outside


def _check_classes(directory: Path, top: Path, folders: Mapping[str, Path], kind: Kind) -> None:
    if len(folders) > 1:
        return
    where, expected = f"--data-dir {printable(directory)}", f"expected {kind.layout}"
    empty = ", ".join(printable(path.name) for path in subfolders(top) if not kind.is_in(path))
    if folders:
        also = f", no {kind.noun} in {empty}" if empty else ""
        raise UserError(f"{where}: only one class ({', '.join(folders)}){also}; add a second")
    if empty:
        files = (path for path, _ in kind.files(top))
        foreign = [f" ({printable(p.name)}: {why})" for p in files if (why := kind.foreign(p))]
        raise UserError(f"{where}: no {kind.noun} in {empty}{''.join(foreign[:1])}; {expected}")
    loose = sum(is_item for _, is_item in kind.files(top))
    found = f"{loose:,} {kind.noun}s, but no sub-folder" if loose else "no sub-folder"
    raise UserError(f"{where}: {found} in it; {expected}")


def _check_not_splits(directory: Path, folders: Mapping[str, Path], kind: Kind) -> None:
    """Raise `UserError` if the classes are a train split and others."""
    splits = {label: split_named(path) for label, path in folders.items() if split_named(path)}
    if {"train"} < set(splits.values()):
        names = " and ".join(splits)
        raise UserError(
            f"--data-dir {printable(directory)}: {names} are named like splits, but hold no"
            f" sub-folder of {kind.noun}s per class; if they are classes, give {FLAG}"
        )


def _splits_in_classes(
    folders: Mapping[str, Path], kind: Kind
) -> dict[str, dict[str, Path]] | None:
    """Return {split: {label: folder}} of the layout <class>/<split>/ITEM; None for others."""
    folders_of: dict[str, dict[str, Path]] = {}
    for label, folder in folders.items():
        for path in visible(folder):
            split = split_named(path) if path.is_dir() else None
            if split is None or label in folders_of.setdefault(split, {}):
                return None
            folders_of[split][label] = path
    if len(folders_of) < 2 or any(folders.keys() - of.keys() for of in folders_of.values()):
        return None
    return {split: folders_of[split] for split in SPLITS if split in folders_of}


def _skipped(directory: Path, top: Path) -> list[str]:
    return [] if top == directory else [f"the classes are read from {printable(top)}"]


def _empty(beside: list[Path], kind: Kind) -> list[str]:
    return [
        f"{printable(path)}: no {kind.noun} in it, so it is no class"
        for path in beside
        if path.is_dir()
    ]
