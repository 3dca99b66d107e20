"""Reading the user's videos: a fixed number of small frames from each, whatever its length.

ffmpeg, from the optional package imageio-ffmpeg, decodes video files; .gif files and folders of
single frames need no further package.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, ImageSequence

from ...core.errors import UserError
from ..images.decoding import MemoryBudget, open_image
from ..images.image_files import opened, read_image
from ..images.image_formats import suffixes
from ..left_out import UnreadableFile
from ..listing import printable, visible
from .ffmpeg import video_frames

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv")
SUFFIXES = (*VIDEOS, ".gif")
Shape = tuple[int, int, int]  # [H, W, C]
LONGEST = 10**6  # frames
LONGEST_GIF = 2**32  # pixels of all its frames, which Pillow decodes in their full size
_BYTES_OF_GIF = 16  # of memory per pixel
_FINER = 8  # at least this multiple of the requested frames is kept: gaps are nearly even


def read_clip(
    path: str | Path, frames: int, shape: Shape, budget: MemoryBudget | None = None
) -> np.ndarray:
    """Return evenly spaced frames of a video, uint8 [frames, H, W, C], the first one included.

    Frames are scaled and their longer side is cropped. Frames of a video with fewer frames are
    repeated. Memory does not grow with the length of the video. If a file is incomplete but can
    be played (as .mkv, .webm and .avi files can), its available frames are read.

    Args:
        path: a video, with one of `SUFFIXES`, or a folder of frames, images of any format but
            .gif, in the order of the numbers in their names.
        frames: the number of frames.
        shape: [H, W, C] of each; C is 1 (grey) or 3 (RGB).
        budget: the memory that threads share; None: this video has all of it.

    Raises:
        UserError: no such file, not a video, broken, one frame only, too large or too long; or the
            package is missing.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise UnreadableFile(path, "no such file or folder")
    if path.is_dir():
        return _from_folder(path, frames, shape, budget)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{printable(path)}: not a video suffix; give {', '.join(SUFFIXES)}, or a folder of"
            " frames (.jpg, .png, …)"
        )
    if not path.is_file():  # reading a pipe or a device could wait forever
        raise UnreadableFile(path, "a pipe or device, not a file")
    if not path.stat().st_size:
        raise UnreadableFile(path, "empty file")
    budget = budget or MemoryBudget()
    read = _gif_frames(path, shape, budget) if suffix == ".gif" else video_frames(path, shape)
    return evenly_spaced_frames(_several(read, path), frames)


def spaced_indices(count: int, selected: int) -> np.ndarray:
    """Return evenly spaced indices of `count` frames, the first and the last included."""
    return np.rint(np.linspace(0, count - 1, selected)).astype(int)


def evenly_spaced_frames(video: Iterable[np.ndarray], frames: int) -> np.ndarray:
    """Return evenly spaced frames of a video of unknown length, stacked.

    Every `stride`-th frame is kept; when there are too many, every second one is dropped and
    `stride` doubles. A gap therefore deviates by at most an eighth of its length.
    """
    kept, stride = [], 1
    for index, frame in enumerate(video):
        if index % stride == 0:
            kept.append(frame)
            if len(kept) == 2 * _FINER * frames:
                kept, stride = kept[::2], 2 * stride
    return np.stack([kept[index] for index in spaced_indices(len(kept), frames)])


def frame_files(folder: Path) -> list[Path]:
    """Return the frames in a folder, 2 before 10; an empty list for any other path."""
    files = filter(is_frame, visible(folder)) if folder.is_dir() else []
    return sorted(files, key=lambda path: (_natural(path.name), path.name))


def is_clip_folder(folder: Path) -> bool:
    """Whether a folder holds the frames of a clip."""
    return any(map(is_frame, visible(folder)))


def is_video(path: Path) -> bool:
    """Whether a file is a video, by its suffix."""
    return path.suffix.lower() in SUFFIXES


def is_frame(path: Path) -> bool:
    """Whether a file is a frame of a video, by its suffix."""
    suffix = path.suffix.lower()
    return suffix in suffixes() and suffix not in SUFFIXES


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts the numbers in a name by value."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _several(video: Iterator[np.ndarray], path: Path) -> Iterator[np.ndarray]:
    """Yield the frames; raise `UserError` unless there are at least two."""
    count = 0
    for frame in video:
        count += 1
        if count > LONGEST:
            raise UnreadableFile(path, "too long a video", f"more than {LONGEST:,} frames")
        yield frame
    _check_count(count, path)


def _check_count(count: int, path: Path) -> None:
    if count < 2:
        fault = "one frame only" if count else "no frame in it"
        raise UnreadableFile(path, f"{fault}; a clip needs at least two")


def _from_folder(path: Path, frames: int, shape: Shape, budget: MemoryBudget | None) -> np.ndarray:
    files = frame_files(path)
    _check_count(len(files), path)
    selected = [files[index] for index in spaced_indices(len(files), frames)]
    read = {
        file: _fit(read_image(file, shape[2], budget), shape) for file in dict.fromkeys(selected)
    }
    return np.stack([read[file] for file in selected])


def _gif_frames(path: Path, shape: Shape, budget: MemoryBudget) -> Iterator[np.ndarray]:
    try:
        with opened(path) as file, open_image(path, file) as video:
            pixels = video.width * video.height
            with budget.taken(pixels * _BYTES_OF_GIF):
                for count, frame in enumerate(ImageSequence.Iterator(video), start=1):
                    if count * pixels > LONGEST_GIF:
                        size = f"{count:,} frames of {video.width:,} x {video.height:,} pixels"
                        raise UnreadableFile(path, "too long a video", f"{size} and more")
                    yield _on_white(frame, shape)
    except UnreadableFile:
        raise
    except Exception as error:  # whatever a decoder raises for damaged data is the file's fault
        raise UnreadableFile(path, "broken video", str(error) or type(error).__name__) from None


def _on_white(frame: Image.Image, shape: Shape) -> np.ndarray:
    whole = frame.convert("RGBA")
    whole = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole)  # as read_image
    pixels = np.asarray(whole.convert("L" if shape[2] == 1 else "RGB"))
    return _fit(pixels.reshape(*pixels.shape[:2], shape[2]), shape)


def _fit(pixels: np.ndarray, shape: Shape) -> np.ndarray:
    """Return an image scaled to this shape, with its longer side cropped."""
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    fitted = ImageOps.fit(image, (shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(fitted).reshape(shape)
