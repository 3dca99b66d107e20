"""The user's films: a fixed number of small frames out of each, however long it is.

Video files are decoded by ffmpeg, which the optional package imageio-ffmpeg brings; .gif files and
folders of single frames need nothing more.
"""

import importlib.util
import logging
import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, ImageSequence

from ...core.errors import UserError
from ..images.image_folder import SUFFIXES as FRAMES
from ..images.image_folder import read_image

VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm")
SUFFIXES = (*VIDEOS, ".gif")
Shape = tuple[int, int, int]  # [H, W, C]
_FINER = 8  # times as many frames are held as are wanted: then the gaps between these are even


def read_clip(path: str | Path, frames: int, shape: Shape) -> np.ndarray:
    """Evenly spaced frames of a film, uint8 [frames, H, W, C], the first one included.

    Frames are scaled, and cut where they are too long. Of a film with fewer frames, some come
    several times. Memory does not grow with the length of the film. Half a file that can be played
    (.mkv, .webm and .avi can) is a film of what is there.

    Args:
        path: a film (.mp4, .mov, .avi, .mkv, .webm, .gif), or a folder of frames (.jpg, .jpeg,
            .png), which are taken in the order of the numbers in their names.
        frames: how many.
        shape: [H, W, C] of each; C is 1 (grey) or 3 (RGB).

    Raises:
        UserError: no such file, not a film, broken, one frame only; or the package is missing.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if path.is_dir():
        return _from_folder(path, frames, shape)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{path}: not a film by its suffix; give {', '.join(SUFFIXES)}, or a folder of frames"
            f" ({', '.join(FRAMES)})"
        )
    if not path.stat().st_size:
        raise UserError(f"{path}: empty file")
    read = _gif_frames if suffix == ".gif" else _video_frames
    return evenly_spaced_frames(_several(read(path, shape), path), frames)


def check_installed() -> None:
    """Raises `UserError` where the package that reads video files is missing."""
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        raise UserError(
            "imageio-ffmpeg, which reads video files, is not installed: pip install"
            " 'errorflow[video]', or give .gif files or folders of frames"
        )


def spaced_indices(count: int, wanted: int) -> np.ndarray:
    """Which of `count` frames are taken: evenly spaced, the first and the last one included."""
    return np.rint(np.linspace(0, count - 1, wanted)).astype(int)


def evenly_spaced_frames(film: Iterable[np.ndarray], frames: int) -> np.ndarray:
    """So many frames of a film of unknown length, stacked.

    Every `stride`-th frame is held; when they are too many, every second one of them is dropped,
    and `stride` doubles. So a gap is off by an eighth of its length at most.
    """
    held, stride = [], 1
    for place, frame in enumerate(film):
        if place % stride == 0:
            held.append(frame)
            if len(held) == 2 * _FINER * frames:
                held, stride = held[::2], 2 * stride
    return np.stack([held[place] for place in spaced_indices(len(held), frames)])


def frame_files(folder: Path) -> list[Path]:
    """The frames in a folder, 2 before 10; none in what is no folder."""
    if not folder.is_dir():
        return []
    found = [p for p in folder.iterdir() if p.suffix.lower() in FRAMES and p.name[0] != "."]
    return sorted(found, key=lambda path: (_natural(path.name), path.name))


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts the numbers in a name by value."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _several(film: Iterator[np.ndarray], path: Path) -> Iterator[np.ndarray]:
    """The same; `UserError` unless there are two frames."""
    count = 0
    for frame in film:
        count += 1
        yield frame
    _check_count(count, path)


def _check_count(count: int, path: Path) -> None:
    if count < 2:
        found = "one frame only" if count else "no frame in it"
        raise UserError(f"{path}: {found}; a clip needs at least two")


def _from_folder(path: Path, frames: int, shape: Shape) -> np.ndarray:
    files = frame_files(path)
    _check_count(len(files), path)
    chosen = [files[place] for place in spaced_indices(len(files), frames)]
    read = {file: _fit(read_image(file, shape[2]), shape) for file in dict.fromkeys(chosen)}
    return np.stack([read[file] for file in chosen])


# What Pillow raises where the file ends within a frame, beside what it does for any image.
_BROKEN_GIF = (OSError, SyntaxError, ValueError, EOFError, LookupError, struct.error)


def _gif_frames(path: Path, shape: Shape) -> Iterator[np.ndarray]:
    try:
        with Image.open(path) as film:
            paper = Image.new("RGBA", film.size, "white")  # as read_image does
            for frame in ImageSequence.Iterator(film):
                whole = Image.alpha_composite(paper, frame.convert("RGBA"))
                pixels = np.asarray(whole.convert("L" if shape[2] == 1 else "RGB"))
                yield _fit(pixels.reshape(*pixels.shape[:2], shape[2]), shape)
    except (*_BROKEN_GIF, Image.DecompressionBombError) as error:
        raise _broken(path, error) from None


def _fit(pixels: np.ndarray, shape: Shape) -> np.ndarray:
    """An image scaled to this shape, its middle where it is too long."""
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    fitted = ImageOps.fit(image, (shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(fitted).reshape(shape)


def _video_frames(path: Path, shape: Shape) -> Iterator[np.ndarray]:
    """The frames of a file that ffmpeg reads, as ffmpeg scales them."""
    check_installed()
    import imageio_ffmpeg

    # It warns of every film that its frames are not read in their own size.
    logging.getLogger("imageio_ffmpeg").setLevel(logging.ERROR)
    height, width, channels = shape
    kind = "gray" if channels == 1 else "rgb24"
    fit = f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=area"
    film = imageio_ffmpeg.read_frames(
        str(path.absolute()),  # a relative one with a colon in it would be an address
        pix_fmt=kind,
        bits_per_pixel=8 * channels,
        input_params=["-threads", "1"],  # films are read side by side
        output_params=[
            *("-vf", f"{fit},format=rgb24,format={kind},crop={width}:{height}"),
            # Each frame once: where the rate varies, ffmpeg would repeat some to make it even.
            *("-fps_mode", "passthrough"),
        ],
    )
    try:
        next(film)  # what is known of the film
        for frame in film:
            yield np.frombuffer(frame, np.uint8).reshape(shape)
    except (OSError, RuntimeError, LookupError, AttributeError, ValueError) as error:
        raise _broken(path, error) from None


def _broken(path: Path, error: Exception) -> UserError:
    """The error with the last thing that was said of it: ffmpeg says much."""
    said = [line for line in str(error).splitlines() if line.strip()]
    return UserError(f"{path}: broken film ({said[-1].strip() if said else 'no reason known'})")
