"""Ready splits: files or folders of a person's data that are named train, val, test, or alike."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..core.errors import UserError
from .listing import printable, visible
from .shards import is_later_shard, without_shard
from .splits import SPLITS

# In a person's data, whatever their letter case.
NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval"),
}
SPLIT_OF = {name: split for split, names in NAMES.items() for name in names}


class ReadySplits(NamedTuple):
    """The ready splits of a folder.

    Attributes:
        paths: the file or folder of each split, in the order of SPLITS; empty if there are none.
        others: the visible files and folders beside them, which belong to no split.
        remarks: one line for names that look like splits and are not used.
    """

    paths: dict[str, Path]
    others: list[Path]
    remarks: list[str]


def find_ready_splits(
    folder: Path, holds_data: Callable[[Path], bool], use: bool = True
) -> ReadySplits:
    """Find the splits of a folder by the names of its files and folders.

    A folder has ready splits if it has a train split: a file or folder named train or training
    (letter case and suffix aside) that holds data.

    Args:
        folder: a person's folder.
        holds_data: whether a file or folder of the right name can be a split of the task's data.
        use: False: find none; their names are those of classes.

    Raises:
        UserError: several files or folders for one split.
    """
    entries = [path for path in visible(folder) if not is_later_shard(path)]
    if not use:
        return ReadySplits({}, entries, [])
    named = [(split_named(path), path) for path in entries]
    paths_of = {
        split: [path for name, path in named if name == split and holds_data(path)]
        for split in SPLITS
    }
    if not paths_of["train"]:
        return ReadySplits({}, entries, _unused(folder, entries))
    for split, paths in paths_of.items():
        if len(paths) > 1:
            names = ", ".join(printable(path.name) for path in paths)
            raise UserError(
                f"--data-dir {printable(folder)}: several {split} splits ({names}); keep one"
            )
    paths = {split: found[0] for split, found in paths_of.items() if found}
    others = [path for path in entries if path not in paths.values()]
    return ReadySplits(paths, others, _unused(folder, others))


def split_named(path: Path) -> str | None:
    """Return the split that a file or folder is named after, if any."""
    name = path.name if path.is_dir() else path.name.split(".")[0]
    return SPLIT_OF.get(without_shard(name).casefold())


def _unused(folder: Path, entries: list[Path]) -> list[str]:
    """Return a line about names such as `test` or `seg_train`, which look like splits."""
    words = {path: re.split(r"[\W_]+", path.name.casefold()) for path in entries}
    alike = [printable(path.name) for path in entries if SPLIT_OF.keys() & words[path]]
    if not alike:
        return []
    names = ", ".join(alike)
    return [
        f"{printable(folder)}: {names}: named like a split, but not used as one; the names of"
        " splits are train, val and test"
    ]
