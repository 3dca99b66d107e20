"""The user's own clips: a folder with one sub-folder of videos per class."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..class_folders import LabelledFile, LabelledFiles, find_labelled_files
from ..data_path import data_path
from ..images.image_files import with_progress
from ..item_kinds import Kind
from ..left_out import LeftOut
from ..listing import files_below, printable
from ..splits import SPLITS, Items, Row, assign_splits, counts
from .ffmpeg import check_installed
from .videos import SUFFIXES, VIDEOS, frame_files, is_frame

LAYOUT = "a folder with one sub-folder per class, of videos (.mp4, .gif, …) or of folders of frames"
Faults = Mapping[str, LeftOut]  # of unreadable videos, by digest


class Videos(NamedTuple):
    """The videos of a folder, not yet opened: rows of (label, digest of the content)."""

    listing: LabelledFiles
    rows_of: dict[str, list[Row]]  # by ready split; all are in train if there is none
    path_of: dict[str, Path]  # by digest
    problems: list[str]
    left_out: list[LeftOut]


def find_videos(directory: str | Path, *, ready_splits: bool = True) -> LabelledFiles:
    """Find the videos of a folder, <class>/VIDEO or, with ready splits, <split>/<class>/VIDEO.

    A video is a file that `read_clip` reads or a folder of frames. No video is opened; see
    `find_labelled_files`.

    Args:
        directory: a person's folder.
        ready_splits: whether folders named train, val, test are splits.

    Raises:
        UserError: no such folder, no videos where they are expected, only one class, several
            folders for a split; or the package that reads video files is missing.
    """
    listing = find_labelled_files(data_path(directory, LAYOUT), KIND, ready_splits)
    files = (file for files in listing.files_of.values() for file in files)
    if any(file.path.suffix.lower() in VIDEOS for file in files):
        check_installed()
    return listing


def without_repetitions(listing: LabelledFiles) -> Videos:
    """Return the videos of a listing; one that is repeated within its class is left out."""
    paths = [file.path for files in listing.files_of.values() for file in files]
    with ThreadPoolExecutor() as pool:
        digests = with_progress(pool.map(_digest, paths), len(paths), "video files")
        digest_of = dict(zip(paths, digests, strict=True))
    rows_of: dict[str, list[Row]] = {}
    left_out = list(listing.left_out)
    for split, files in listing.files_of.items():
        first: dict[Row, LabelledFile] = {}
        for file in files:
            before = first.setdefault(Row(file.label, digest_of[file.path]), file)
            if before is not file:
                same = f"the same as {printable(before.path)}"
                left_out.append(LeftOut(printable(file.path), "repeated video of its class", same))
        rows_of[split] = list(first)
    path_of = {digest: path for path, digest in reversed(digest_of.items())}
    return Videos(listing, rows_of, path_of, [*listing.remarks, *_shared(rows_of)], left_out)


def split_videos(videos: Videos, faults: Faults) -> Items:
    """Return the videos in three splits, without those that cannot be read.

    Without ready splits they are split 80/10/10 by their digests; a missing split is a tenth
    of train. The rows' texts are digests.

    Args:
        videos: the videos of a folder.
        faults: the unreadable videos.

    Raises:
        UserError: a class without enough videos for the splits.
    """
    good: dict[str, Sequence[Row]] = {
        s: [row for row in rows if row.text not in faults] for s, rows in videos.rows_of.items()
    }
    missing = [split for split in SPLITS if split not in good]
    if missing:
        good |= assign_splits(good["train"], ["train", *missing])
        _check_every_split(videos, {split: good[split] for split in ("train", *missing)}, faults)
    labels = sorted({row.label for rows in videos.rows_of.values() for row in rows})
    where = printable(videos.listing.directory)
    problems = [f"{where}: no {' and no '.join(missing)} split; carved from train"]
    if not (missing and videos.listing.ready):
        problems = []
    return Items(
        {split: good[split] for split in SPLITS},
        labels,
        problems + videos.problems,
        f"{where} ({len(labels)} classes)",
        [*videos.left_out, *faults.values()],
        {s: [printable(videos.path_of[row.text]) for row in rows] for s, rows in good.items()},
    )


def _digest(video: Path) -> str:
    """Return the SHA-256 of a video's content, or of the frames of a folder in their order."""
    if video.is_dir():
        frames = "".join(map(_digest, frame_files(video)))
        return hashlib.sha256(frames.encode()).hexdigest()
    try:
        if not video.is_file():  # opening a pipe could wait forever
            raise OSError
        with video.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:  # reading it will say why
        return hashlib.sha256(os.fsencode(video)).hexdigest()


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
    videos: Videos, rows_of: Mapping[str, Sequence[Row]], faults: Faults
) -> None:
    where = printable(videos.listing.directory)
    labels = sorted({row.label for row in videos.rows_of["train"]})
    for label, tally in counts(rows_of, labels).items():
        if not all(tally.values()):
            rows = [row for row in videos.rows_of["train"] if row.label == label]
            broken = [faults[row.text] for row in rows if row.text in faults]
            first = f" ({len(broken)} cannot be read, first {broken[0].where})" if broken else ""
            raise UserError(
                f"--data-dir {where}: {sum(tally.values())} different videos in class {label!r}"
                f"{first}, at least {len(rows_of)} of its own are needed: one each for"
                f" {', '.join(rows_of)}"
            )


def _files(path: Path) -> Iterator[tuple[Path, bool]]:
    """Yield the videos and other files below a path: folders of frames, but not `path` itself."""
    frames_in: set[Path] = set()
    for file in files_below(path):
        folder = file.parent
        if folder in frames_in:
            continue
        if path not in (folder, file) and is_frame(file):
            frames_in.add(folder)
            yield folder, True
        else:
            yield file, file.suffix.lower() in SUFFIXES


KIND = Kind("video", "not a video", LAYOUT, _files)
