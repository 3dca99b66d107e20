"""Clips of a digit that moves, turns or changes its size: an action, then another one.

The label of a clip is the action that takes most of it. The label of frame t is the action that
leads from frame t − 1 to it; frame 0 has the label of frame 1 and shows no action yet, so it must
have no weight in a score of frames.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import ndimage

FRAMES, SIZE = 16, 32
_SHORTER = (2, 5)  # number of steps of the other action; the other 10 to 13 show the label
_SIZES = (0.5, 1.0)  # relative to MNIST's 20 pixels, at the start of the clip
_SMALLEST = 0.4  # minimum size in the clip
_TILT = 15.0  # maximum rotation at the start of the clip, in degrees, either way
_BRIGHTNESS = (0.7, 1.0)
_NOISE = 3.0  # standard deviation, in grey levels of 255
_FINER = 2  # a pixel is the mean of 2×2 points: without that a small digit's strokes flicker

# What one step of an action changes at a speed of 1: y (down), x, angle (anticlockwise), log size.
_STEP_OF = {
    "move_left": (0, -1, 0, 0),
    "move_right": (0, 1, 0, 0),
    "move_up": (-1, 0, 0, 0),
    "move_down": (1, 0, 0, 0),
    "turn_left": (0, 0, 1, 0),
    "turn_right": (0, 0, -1, 0),
    "grow": (0, 0, 0, 1),
    "shrink": (0, 0, 0, -1),
    "stay": (0, 0, 0, 0),
}
_SLOWEST = np.array([0.7, 0.7, np.radians(6), np.log(1.03)])
_FASTEST = np.array([1.3, 1.3, np.radians(12), np.log(1.06)])
ACTIONS = tuple(_STEP_OF)


class Clip(NamedTuple):
    """One clip and its labels, as indices into `ACTIONS`."""

    video: np.ndarray  # uint8 [F, H, W, 1]
    frame_labels: np.ndarray  # int [F]
    label: int


class _Path(NamedTuple):
    """The position of the digit in each frame."""

    centres: np.ndarray  # [F, 2]: y, x
    turns: np.ndarray  # [F, 2, 2]: rotates (y, x) about the digit's middle
    scales: np.ndarray  # [F]


def clips(digits: np.ndarray, number: int, seed: int) -> Iterator[Clip]:
    """Draw clips of digits uint8 [N, 28, 28]; each action is equally often the label.

    Clip i depends on the digits, the seed and i alone.
    """
    for i in range(number):
        random = np.random.default_rng([seed, i])
        yield draw(digits[random.integers(len(digits))], i % len(ACTIONS), random)


def draw(digit: np.ndarray, label: int, random: np.random.Generator) -> Clip:
    """Draw a clip of the digit in which the action `label` takes most of the frames."""
    other = (label + random.integers(1, len(ACTIONS))) % len(ACTIONS)
    shorter = random.integers(*_SHORTER, endpoint=True)
    steps = np.full(FRAMES - 1, label)
    if random.random() < 0.5:
        steps[:shorter] = other
    else:
        steps[-shorter:] = other
    rows, columns = np.nonzero(digit)
    box = np.array([[rows.min(), columns.min()], [rows.max(), columns.max()]])
    path = None
    while path is None:
        path = _path(steps, box[1] - box[0] + 1, random)
    video = _video(digit, box.mean(axis=0), path, random)
    return Clip(video, np.concatenate([steps[:1], steps]), label)


def _path(steps: np.ndarray, extent: np.ndarray, random: np.random.Generator) -> _Path | None:
    """Draw a path, or None if a digit of this extent [2] would leave the canvas."""
    speeds = random.uniform(_SLOWEST, _FASTEST, [len(ACTIONS), 4])  # one for each action
    changes = speeds * np.array(list(_STEP_OF.values()))
    course = np.concatenate([np.zeros([1, 4]), np.cumsum(changes[steps], axis=0)])
    angles = course[:, 2] + np.radians(random.uniform(-_TILT, _TILT))
    scales = np.exp(course[:, 3] + random.uniform(*np.log(_SIZES)))
    cos, sin = np.cos(angles), np.sin(angles)
    turns = np.moveaxis(np.array([[cos, -sin], [sin, cos]]), 2, 0)
    # Half the box around the rotated digit, whose grey reaches one pixel beyond its outline.
    half = scales[:, None] * (np.abs(turns) @ (extent + 1)) / 2
    lowest = (half - 0.5 - course[:, :2]).max(axis=0)
    highest = (SIZE - 0.5 - half - course[:, :2]).min(axis=0)
    if (lowest > highest).any() or scales.min() < _SMALLEST:
        return None
    return _Path(course[:, :2] + random.uniform(lowest, highest), turns, scales)


def _video(
    digit: np.ndarray, middle: np.ndarray, path: _Path, random: np.random.Generator
) -> np.ndarray:
    """Draw the digit along its path, uint8 [F, H, W, 1]."""
    light = digit * np.float32(random.uniform(*_BRIGHTNESS))
    fine = np.empty([FRAMES, SIZE * _FINER, SIZE * _FINER], np.float32)
    for frame, centre, turn, scale in zip(fine, *path, strict=True):
        # `back` maps a point of the frame to the point of the digit that is visible there.
        back = turn.T / scale
        first = (1 / _FINER - 1) / 2  # point 0, counted in pixels of the frame
        start = back @ (first - centre) + middle
        ndimage.affine_transform(light, back / _FINER, start, frame.shape, frame, order=1)
    grey = fine.reshape(FRAMES, SIZE, _FINER, SIZE, _FINER).mean(axis=(2, 4))
    grey += random.normal(0, _NOISE, grey.shape)
    return np.rint(grey.clip(0, 255)).astype(np.uint8)[..., None]
