"""The loader of clips: moving digits, a TFDS dataset of videos, or the user's own videos."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import UserError
from ...core.memory import require_memory
from ..class_folders import LabelledFiles
from ..images.decoding import MemoryBudget
from ..images.image_files import with_progress
from ..left_out import LeftOut, UnreadableFile
from ..listing import printable
from ..sources import check_single_source
from ..splits import SPLITS, Items, Row, splits_hash
from ..text.text_data import TextData, assemble, drop_untrained_classes
from . import clip_folder
from .videos import read_clip


@dataclass(frozen=True)
class ClipSplit:
    """One split: N clips of F frames, and the indices of their labels."""

    clips: np.ndarray  # uint8 [N, F, H, W, C]
    labels: np.ndarray  # int32 [N]
    frame_labels: np.ndarray | None  # int32 [N, F]; None if only clips have labels

    @property
    def frame_weights(self) -> np.ndarray:
        """The weight of each frame's label, float32 [F]; 0 for the first, which shows no action."""
        weights = np.ones(self.clips.shape[1], np.float32)
        weights[0] = 0
        return weights

    @property
    def counted_frame_labels(self) -> np.ndarray:
        """The labels of the frames with a weight, int32 [N, F - 1]; [N, 0] without labels."""
        if self.frame_labels is None:
            return np.zeros([len(self), 0], np.int32)
        return self.frame_labels[:, self.frame_weights > 0]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ClipData:
    """Labelled clips in three splits.

    Attributes:
        train, validation, test: the splits.
        labels: the classes, in the order of their indices.
        content_hash: hash of all videos and their splits, before `limit`, with broken videos.
        counts: {label: {split: number of clips}}, after `limit`.
        problems: remarks on the data, such as a missing split, one line each.
        source: where the data come from.
        left_out: each item that was left out.
    """

    train: ClipSplit
    validation: ClipSplit
    test: ClipSplit
    labels: list[str]
    content_hash: str
    counts: dict[str, dict[str, int]]
    problems: list[str]
    source: str
    left_out: Sequence[LeftOut] = ()


def load_clips(
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    *,
    frames: int = 16,
    size: int = 32,
    limit: int | None = None,
    seed: int = 0,
    ready_splits: bool = True,
    found: LabelledFiles | None = None,
) -> ClipData:
    """Read labelled videos as clips of the same size. Nothing is downloaded.

    Args:
        dataset: `moving_digits` (the default), or a prepared TFDS dataset of videos: ucf101, …
        data_dir: the user's folder, one sub-folder of videos per class; see `find_videos`.
        frames: the number of frames of a clip, evenly spaced over its video.
        size: the height and width of each frame.
        limit: the maximum number of training clips; labels stay in proportion, and the other
            splits shrink in proportion.
        seed: selects the clips that `limit` keeps.
        ready_splits: whether folders of `data_dir` named train, val, test are splits.
        found: the result of `find_videos`, if it has been called already.

    Raises:
        UserError: the data are missing or unusable, or the arguments exclude each other.
    """
    check_single_source(dataset, data_dir)
    if data_dir is not None:
        found = found or clip_folder.find_videos(data_dir, ready_splits=ready_splits)
        return _from_folder(found, frames, size, limit, seed)
    return _from_tfds(dataset, frames, size, limit, seed)


def _from_folder(
    listing: LabelledFiles, frames: int, size: int, limit: int | None, seed: int
) -> ClipData:
    videos = clip_folder.without_repetitions(listing)
    clip_of: dict[str, np.ndarray] = {}
    faults: dict[str, LeftOut] = {}
    while True:  # until none of the selected videos is broken
        selected = _select(clip_folder.split_videos(videos, faults), limit, seed)
        _require_memory(selected, frames, size, 3)
        digests = [digest for split in SPLITS for digest in getattr(selected, split).texts]
        new = {digest: videos.path_of[digest] for digest in digests if digest not in clip_of}
        if not new:
            break
        read, broken = _read(new, frames, size)
        clip_of |= read
        faults |= broken
    grey = all((clip == clip[..., :1]).all() for clip in clip_of.values())
    splits = {}
    for split in SPLITS:
        keys = getattr(selected, split)
        clips = np.stack([clip_of[digest][..., : 1 if grey else 3] for digest in keys.texts])
        splits[split] = ClipSplit(clips, keys.labels, None)
    return _assembled(selected, splits, splits_hash(videos.rows_of))


def _read(
    path_of: Mapping[str, Path], frames: int, size: int
) -> tuple[dict[str, np.ndarray], dict[str, LeftOut]]:
    """Return the RGB clips of videos, and the unreadable videos, by the same keys."""

    budget = MemoryBudget()

    def read(path: Path) -> np.ndarray | LeftOut:
        try:
            return read_clip(path, frames, (size, size, 3), budget)
        except UnreadableFile as error:
            fault = error.left_out  # of the video or of one of its frames
            detail = fault.detail if fault.where == printable(path) else str(error)
            return LeftOut(printable(path), fault.reason, detail)

    clip_of, faults = {}, {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = zip(path_of, pool.map(read, path_of.values()), strict=True)
        for key, result in with_progress(results, len(path_of), "videos"):
            if isinstance(result, LeftOut):
                faults[key] = result
            else:
                clip_of[key] = result
    return clip_of, faults


def _from_tfds(
    dataset: str | None, frames: int, size: int, limit: int | None, seed: int
) -> ClipData:
    from .tfds_clips import ClipSet, Selection  # imports TensorFlow

    videos = ClipSet(dataset)
    selections, problems = videos.select_splits()
    rows_of = {
        split: [
            Row(videos.labels[label], str(index))
            for index, label in zip(
                selections[split].indices, selections[split].labels, strict=True
            )
        ]
        for split in SPLITS
    }
    source = f"{videos.builder.info.full_name} ({len(videos.labels)} classes)"
    selected = _select(Items(rows_of, videos.labels, problems, source), limit, seed)
    _require_memory(selected, frames, size, 1)
    splits = {}
    for split in SPLITS:
        keys = getattr(selected, split)
        indices = np.array(keys.texts, int)
        selection = Selection(selections[split].split, indices, keys.labels)
        clips, frame_labels = videos.clips(selection, frames, size)
        splits[split] = ClipSplit(clips, keys.labels, frame_labels)
    return _assembled(selected, splits, videos.content_hash)


def _require_memory(selected: TextData, frames: int, size: int, channels: int) -> None:
    """Raise `UserError` if the clips of all splits would not fit into memory."""
    count = sum(len(getattr(selected, split).texts) for split in SPLITS)
    what = f"{count:,} clips of {frames:,} frames of {size:,}×{size:,} pixels"
    require_memory(count * frames * size**2 * channels, what, ["size", "frames", "limit"])


def _select(items: Items, limit: int | None, seed: int) -> TextData:
    """Return the videos that `limit` keeps, with their keys in place of texts."""
    items = drop_untrained_classes(items)
    for split in SPLITS:
        if not items.rows_of[split]:
            raise UserError(f"{items.source}: no {split} video is left; give more")
    return assemble(items, limit, seed)


def _assembled(selected: TextData, splits: dict[str, ClipSplit], content_hash: str) -> ClipData:
    problems = []
    for split in SPLITS:
        absent = [label for label, tally in selected.counts.items() if not tally[split]]
        if absent:
            problems.append(f"no {split} video of {len(absent)} classes: {', '.join(absent[:5])}")
    return ClipData(
        **splits,
        labels=selected.labels,
        content_hash=content_hash,
        counts=selected.counts,
        problems=[*problems, *selected.problems],
        source=selected.source,
        left_out=selected.left_out,
    )
