"""The one door to clips: moving digits, a TFDS set of films, or the user's own folder of films."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.console import note
from ...core.errors import UserError
from ..splits import SPLITS, Items, Row, splits_hash
from ..text.text_data import TextData, assemble, check_single_source, drop_untrained_classes
from . import clip_folder
from .videos import read_clip


@dataclass(frozen=True)
class ClipSplit:
    """One split: N clips of F frames, and what is to be seen in them, as indices of labels."""

    clips: np.ndarray  # uint8 [N, F, H, W, C]
    labels: np.ndarray  # int32 [N]
    frame_labels: np.ndarray | None  # int32 [N, F], None where only clips have labels

    @property
    def frame_weights(self) -> np.ndarray:
        """How much the label of each frame counts, float32 [F]: the first shows no action yet."""
        weights = np.ones(self.clips.shape[1], np.float32)
        weights[0] = 0
        return weights

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ClipData:
    """Labelled clips in three splits.

    `content_hash` is of all films found and of their ready splits, whatever `limit` leaves out and
    whatever is broken; `counts` is {label: {split: n}} of what is left; `problems` says line by
    line what was left out and why.
    """

    train: ClipSplit
    validation: ClipSplit
    test: ClipSplit
    labels: list[str]
    content_hash: str
    counts: dict[str, dict[str, int]]
    problems: list[str]
    source: str


def load_clips(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    frames: int = 16,
    size: int = 32,
    limit: int | None = None,
    seed: int = 0,
) -> ClipData:
    """Reads labelled films as clips of one form; nothing is ever downloaded.

    Args:
        dataset: `moving_digits` (the default), or a prepared TFDS set of films, such as ucf101.
        data_dir: the user's folder, one sub-folder of films per class; see `find_videos`.
        frames: of each clip, evenly spaced over its film; their labels are those of these frames.
        size: height and width of each frame.
        limit: at most so many training clips, labels in proportion; other splits likewise.
        seed: chooses the clips that stay under `limit`.

    Raises:
        UserError: the data are not there, not usable, or the arguments do not go together.
    """
    check_single_source(dataset, data_dir)
    if data_dir is not None:
        return _from_folder(data_dir, frames, size, limit, seed)
    return _from_tfds(dataset, frames, size, limit, seed)


def _from_folder(
    data_dir: str | Path, frames: int, size: int, limit: int | None, seed: int
) -> ClipData:
    films = clip_folder.find_videos(data_dir)
    clip_of: dict[str, np.ndarray] = {}
    faults: dict[str, str] = {}
    while True:  # until none of the chosen films is broken
        chosen = _choose(clip_folder.split_videos(films, faults), limit, seed)
        digests = [digest for split in SPLITS for digest in getattr(chosen, split).texts]
        new = {digest: films.path_of[digest] for digest in digests if digest not in clip_of}
        if not new:
            break
        read, broken = _read(new, frames, size)
        clip_of |= read
        faults |= broken
    grey = all((clip == clip[..., :1]).all() for clip in clip_of.values())
    parts = {}
    for split in SPLITS:
        part = getattr(chosen, split)
        clips = np.stack([clip_of[digest][..., : 1 if grey else 3] for digest in part.texts])
        parts[split] = ClipSplit(clips, part.labels, None)
    return _assembled(chosen, parts, splits_hash(films.rows_of))


def _read(
    path_of: Mapping[str, Path], frames: int, size: int
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The clips of films in RGB, and why others have none, by the same keys."""

    def read(path: Path) -> np.ndarray | UserError:
        try:
            return read_clip(path, frames, (size, size, 3))
        except UserError as error:
            return error

    clip_of, faults = {}, {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = zip(path_of, pool.map(read, path_of.values()), strict=True)
        for number, (key, result) in enumerate(results, start=1):
            if isinstance(result, UserError):
                faults[key] = str(result)
            else:
                clip_of[key] = result
            if number % 500 == 0:
                note(f"data: {number:,} of {len(path_of):,} films read")
    return clip_of, faults


def _from_tfds(
    dataset: str | None, frames: int, size: int, limit: int | None, seed: int
) -> ClipData:
    from .tfds_clips import ClipSet, Selection  # imports TensorFlow

    films = ClipSet(dataset)
    found, problems = films.parts()
    rows_of = {
        split: [
            Row(films.labels[label], str(place))
            for place, label in zip(found[split].places, found[split].labels, strict=True)
        ]
        for split in SPLITS
    }
    source = f"{films.builder.info.full_name} ({len(films.labels)} classes)"
    chosen = _choose(Items(rows_of, films.labels, problems, source), limit, seed)
    parts = {}
    for split in SPLITS:
        part = getattr(chosen, split)
        some = Selection(found[split].split, np.array(part.texts, int), part.labels)
        clips, frame_labels = films.clips(some, frames, size)
        parts[split] = ClipSplit(clips, part.labels, frame_labels)
    return _assembled(chosen, parts, films.content_hash)


def _choose(items: Items, limit: int | None, seed: int) -> TextData:
    """What is taken of the films: their keys in the place of texts."""
    items = drop_untrained_classes(items)
    for split in SPLITS:
        if not items.rows_of[split]:
            raise UserError(f"{items.source}: no {split} film is left; give more")
    return assemble(items, limit, seed)


def _assembled(chosen: TextData, parts: dict[str, ClipSplit], content_hash: str) -> ClipData:
    problems = []
    for split in SPLITS:
        absent = [label for label, tally in chosen.counts.items() if not tally[split]]
        if absent:
            problems.append(f"no {split} film of {len(absent)} classes: {', '.join(absent[:5])}")
    return ClipData(
        **parts,
        labels=chosen.labels,
        content_hash=content_hash,
        counts=chosen.counts,
        problems=[*problems, *chosen.problems],
        source=chosen.source,
    )
