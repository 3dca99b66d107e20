"""The user's own clips: a folder with one sub-folder of films per class."""

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

LAYOUT = "one sub-folder per class, of films (.mp4, .gif, …) or of folders of frames"


class VideoFiles(NamedTuple):
    """The films of a folder, not yet opened: rows of (label, digest of the content)."""

    directory: Path
    rows_of: dict[str, list[Row]]  # by ready split; all are in train if there is none
    path_of: dict[str, Path]  # by digest
    problems: list[str]


def find_videos(directory: str | Path) -> VideoFiles:
    """Find the films of a folder <class>/FILM, or of ready splits in it: <split>/<class>/FILM.

    A film is a file that `read_clip` reads or a folder of frames. Splits are named train,
    validation (valid, dev) and test. A film that is repeated within its class is left out.

    Raises:
        UserError: no such folder, no films where they are expected, one class only, several folders
            for a split; or video files without the package that reads them.
    """
    directory = Path(directory).expanduser()
    if not directory.is_dir():
        fault = "is a file" if directory.exists() else "no such folder"
        raise UserError(f"--data-dir {directory}: {fault}; expected a folder with {LAYOUT}")
    label_of = {split: _films(folder) for split, folder in _split_folders(directory).items()}
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
        problems.append(f"{repeated} films left out: the same film is in their class already")
    return VideoFiles(directory, distinct, {digest_of[path]: path for path in paths}, problems)


def split_videos(films: VideoFiles, faults: Mapping[str, str]) -> Items:
    """Return the films in three splits, without those that cannot be read.

    Without ready splits they are split 80/10/10 by their digests; a missing split is carved from
    train, a tenth. The rows' texts are digests.

    Args:
        films: the films of a folder.
        faults: the reason for each unreadable film, by digest.

    Raises:
        UserError: a class without enough films for the splits.
    """
    good = {s: [row for row in rows if row.text not in faults] for s, rows in films.rows_of.items()}
    missing = [split for split in SPLITS if split not in good]
    if missing:
        good |= assign_splits(good["train"], ["train", *missing])
        _check_every_split(films, {split: good[split] for split in ("train", *missing)}, faults)
    labels = sorted({row.label for rows in films.rows_of.values() for row in rows})
    problems = list(faults.values())
    if faults:
        problems.insert(0, f"{len(faults)} films cannot be read; left out")
    if missing and len(films.rows_of) > 1:
        problems.append(
            f"{films.directory}: no {' and no '.join(missing)} split; carved from train"
        )
    source = f"{films.directory} ({len(labels)} classes)"
    return Items({s: good[s] for s in SPLITS}, labels, problems + films.problems, source)


def _split_folders(directory: Path) -> dict[str, Path]:
    """Return the folder of each ready split; without a train split, {"train": directory}."""
    paths_of = {
        split: [path for path in paths if any(map(_films_in, _folders(path)))]
        for split, paths in split_paths(directory).items()
    }
    return unique_paths(paths_of, directory) if paths_of["train"] else {"train": directory}


def _films(directory: Path) -> dict[Path, str]:
    """Return {film: label}, sorted by label."""
    folders = _folders(directory)
    if not folders:
        raise UserError(f"--data-dir {directory}: no sub-folder in it; expected {LAYOUT}")
    if len(folders) == 1:
        raise UserError(f"--data-dir {directory}: only one class ({folders[0].name}); add a second")
    label_of = {}
    for folder in folders:
        films = _films_in(folder)
        if not films:
            raise UserError(f"--data-dir {directory}: no film in {folder.name}; expected {LAYOUT}")
        label_of |= dict.fromkeys(films, unicodedata.normalize("NFC", folder.name))
    return label_of


def _films_in(folder: Path) -> list[Path]:
    """Return the films in the folder of a class."""
    return [p for p in _visible(folder) if p.suffix.lower() in SUFFIXES or frame_files(p)]


def _of_other_kinds(label_of: Mapping[str, Mapping[Path, str]]) -> list[str]:
    """Return a line about the files that are not films by their suffix."""
    films = {film for labels in label_of.values() for film in labels}
    folders = sorted({film.parent for film in films})
    others = [p for folder in folders for p in _visible(folder) if p.is_file() and p not in films]
    if not others:
        return []
    return [f"{len(others):,} files are no films by their suffix, first {others[0]}; left out"]


def _folders(path: Path) -> list[Path]:
    return [p for p in _visible(path) if p.is_dir()] if path.is_dir() else []


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None


def _digest(film: Path) -> str:
    """Return the SHA-256 of a film's content, or of the frames of a folder in their order."""
    if film.is_dir():
        frames = "".join(map(_digest, frame_files(film)))
        return hashlib.sha256(frames.encode()).hexdigest()
    try:
        with film.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{film}: cannot be read ({error.strerror})") from None


def _shared(rows_of: dict[str, list[Row]]) -> list[str]:
    """Return a line for the films in several classes, and for those in train and another split."""
    classes = defaultdict(set)
    for row in (row for rows in rows_of.values() for row in rows):
        classes[row.text].add(row.label)
    tally = Counter(" and ".join(sorted(names)) for names in classes.values() if len(names) > 1)
    problems = [f"{n} films are the same in classes {names}" for names, n in tally.items()]
    trained = {row.text for row in rows_of["train"]}
    for split, rows in rows_of.items():
        shared = sum(row.text in trained for row in rows)
        if shared and split != "train":
            problems.append(f"{split}: {shared} of {len(rows)} films are in train too")
    return problems


def _check_every_split(
    films: VideoFiles, rows_of: dict[str, list[Row]], faults: Mapping[str, str]
) -> None:
    labels = sorted({row.label for row in films.rows_of["train"]})
    for label, tally in counts(rows_of, labels).items():
        if not all(tally.values()):
            rows = [row for row in films.rows_of["train"] if row.label == label]
            broken = [faults[row.text] for row in rows if row.text in faults]
            first = f" ({len(broken)} cannot be read, first {broken[0]})" if broken else ""
            raise UserError(
                f"--data-dir {films.directory}: {sum(tally.values())} different films in class"
                f" {label!r}{first}, at least {len(rows_of)} of its own are needed: one each for"
                f" {', '.join(rows_of)}"
            )
