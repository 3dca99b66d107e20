"""The user's own clips: a folder with one sub-folder of videos per class."""

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..splits import SPLITS, Items, Row, assign_splits, counts
from ..utf8 import split_paths, unique_paths
from .videos import SUFFIXES, VIDEOS, check_installed, frame_files

LAYOUT = "one sub-folder per class, of videos (.mp4, .gif, …) or of folders of frames"


class VideoFiles(NamedTuple):
    """The videos of a folder, not yet opened: rows of (label, digest of the content)."""

    directory: Path
    rows_of: dict[str, list[Row]]  # by predefined split; all are in train if there is none
    path_of: dict[str, Path]  # by digest
    problems: list[str]


def find_videos(directory: str | Path) -> VideoFiles:
    """Find the videos of a folder, <class>/VIDEO or, with predefined splits, <split>/<class>/VIDEO.

    A video is a file that `read_clip` reads or a folder of frames. Splits are named train,
    validation (valid, dev) and test. A video that is repeated within its class is left out.

    Raises:
        UserError: no such folder, no videos where they are expected, only one class, several
            folders for a split; or the package that reads video files is missing.
    """
    directory = Path(directory).expanduser()
    if not directory.is_dir():
        fault = "is a file" if directory.exists() else "no such folder"
        raise UserError(f"--data-dir {directory}: {fault}; expected a folder with {LAYOUT}")
    label_of = {split: _videos(folder) for split, folder in _split_folders(directory).items()}
    paths = [path for labels in label_of.values() for path in labels]
    if any(path.suffix.lower() in VIDEOS for path in paths):
        check_installed()
    with ThreadPoolExecutor() as pool:
        digest_of = dict(zip(paths, pool.map(_digest, paths), strict=True))
    rows_of = {
        split: [Row(label, digest_of[path]) for path, label in labels.items()]
        for split, labels in label_of.items()
    }
    distinct = {split: list(dict.fromkeys(rows)) for split, rows in rows_of.items()}
    repeated = sum(len(rows_of[split]) - len(distinct[split]) for split in rows_of)
    problems = [*_of_other_kinds(label_of), *_shared(distinct)]
    if repeated:
        problems.append(f"{repeated} videos left out: the same video is in their class already")
    return VideoFiles(directory, distinct, {digest_of[path]: path for path in paths}, problems)


def split_videos(videos: VideoFiles, faults: Mapping[str, str]) -> Items:
    """Return the videos in three splits, without those that cannot be read.

    Without predefined splits they are split 80/10/10 by their digests; a missing split is a tenth
    of train. The rows' texts are digests.

    Args:
        videos: the videos of a folder.
        faults: the reason for each unreadable video, by digest.

    Raises:
        UserError: a class without enough videos for the splits.
    """
    good = {
        s: [row for row in rows if row.text not in faults] for s, rows in videos.rows_of.items()
    }
    missing = [split for split in SPLITS if split not in good]
    if missing:
        good |= assign_splits(good["train"], ["train", *missing])
        _check_every_split(videos, {split: good[split] for split in ("train", *missing)}, faults)
    labels = sorted({row.label for rows in videos.rows_of.values() for row in rows})
    problems = list(faults.values())
    if faults:
        problems.insert(0, f"{len(faults)} videos cannot be read; left out")
    if missing and len(videos.rows_of) > 1:
        problems.append(
            f"{videos.directory}: no {' and no '.join(missing)} split; carved from train"
        )
    source = f"{videos.directory} ({len(labels)} classes)"
    return Items({s: good[s] for s in SPLITS}, labels, problems + videos.problems, source)


def _split_folders(directory: Path) -> dict[str, Path]:
    """Return the folder of each predefined split; without a train split, {"train": directory}."""
    paths_of = {
        split: [path for path in paths if any(map(_videos_in, _folders(path)))]
        for split, paths in split_paths(directory).items()
    }
    return unique_paths(paths_of, directory) if paths_of["train"] else {"train": directory}


def _videos(directory: Path) -> dict[Path, str]:
    """Return {video: label}, sorted by label."""
    folders = _folders(directory)
    if not folders:
        raise UserError(f"--data-dir {directory}: no sub-folder in it; expected {LAYOUT}")
    if len(folders) == 1:
        raise UserError(f"--data-dir {directory}: only one class ({folders[0].name}); add a second")
    label_of = {}
    for folder in folders:
        videos = _videos_in(folder)
        if not videos:
            raise UserError(f"--data-dir {directory}: no video in {folder.name}; expected {LAYOUT}")
        label_of |= dict.fromkeys(videos, unicodedata.normalize("NFC", folder.name))
    return label_of


def _videos_in(folder: Path) -> list[Path]:
    """Return the videos in the folder of a class."""
    return [p for p in _visible(folder) if p.suffix.lower() in SUFFIXES or frame_files(p)]


def _of_other_kinds(label_of: Mapping[str, Mapping[Path, str]]) -> list[str]:
    """Return a line about the files that are not videos by their suffix."""
    videos = {video for labels in label_of.values() for video in labels}
    folders = sorted({video.parent for video in videos})
    others = [p for folder in folders for p in _visible(folder) if p.is_file() and p not in videos]
    if not others:
        return []
    return [f"{len(others):,} files have no video suffix, first {others[0]}; left out"]


def _folders(path: Path) -> list[Path]:
    return [p for p in _visible(path) if p.is_dir()] if path.is_dir() else []


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None


def _digest(video: Path) -> str:
    """Return the SHA-256 of a video's content, or of the frames of a folder in their order."""
    if video.is_dir():
        frames = "".join(map(_digest, frame_files(video)))
        return hashlib.sha256(frames.encode()).hexdigest()
    try:
        with video.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{video}: cannot be read ({error.strerror})") from None


def _shared(rows_of: dict[str, list[Row]]) -> list[str]:
    """Return a line for the videos in several classes, and for those in train and another split."""
    classes = defaultdict(set)
    for row in (row for rows in rows_of.values() for row in rows):
        classes[row.text].add(row.label)
    tally = Counter(" and ".join(sorted(names)) for names in classes.values() if len(names) > 1)
    problems = [f"{n} videos are the same in classes {names}" for names, n in tally.items()]
    trained = {row.text for row in rows_of["train"]}
    for split, rows in rows_of.items():
        shared = sum(row.text in trained for row in rows)
        if shared and split != "train":
            problems.append(f"{split}: {shared} of {len(rows)} videos are in train too")
    return problems


def _check_every_split(
    videos: VideoFiles, rows_of: dict[str, list[Row]], faults: Mapping[str, str]
) -> None:
    labels = sorted({row.label for row in videos.rows_of["train"]})
    for label, tally in counts(rows_of, labels).items():
        if not all(tally.values()):
            rows = [row for row in videos.rows_of["train"] if row.label == label]
            broken = [faults[row.text] for row in rows if row.text in faults]
            first = f" ({len(broken)} cannot be read, first {broken[0]})" if broken else ""
            raise UserError(
                f"--data-dir {videos.directory}: {sum(tally.values())} different videos in class"
                f" {label!r}{first}, at least {len(rows_of)} of its own are needed: one each for"
                f" {', '.join(rows_of)}"
            )
