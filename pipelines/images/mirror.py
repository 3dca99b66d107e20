"""Whether images may be mirrored: a photograph may, a letter may not.

A simple classifier of edge directions is trained on the images and applied to others, as they are
and mirrored. Where it recognises mirrored ones less well, left and right mean something here.
"""

from collections.abc import Iterable

import numpy as np

LIMIT = 2000  # images
FOLDS = 4
CELLS, DIRECTIONS = 4, 8  # edges are counted in 4×4 cells, in 8 directions of a half turn
RIDGE = 0.1


def mirror_verdict(batches: Iterable[np.ndarray], labels: np.ndarray) -> bool | None:
    """Return whether mirrored images are recognised as well as the others; None: not known.

    Args:
        batches: pixels, each [B, H, W, C], of N images in all.
        labels: index of the class of each image, [N].
    """
    features = []
    for images in batches:
        grey = images.mean(axis=-1, dtype=np.float32)
        features.append((edge_features(grey), edge_features(grey[:, :, ::-1])))
    plain, mirrored = (np.concatenate(rows) for rows in zip(*features, strict=True))
    targets = np.eye(labels.max() + 1)[labels]
    fold = np.random.default_rng(0).permutation(len(labels)) % FOLDS
    right = np.zeros([2, len(labels)])
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        weights = _ridge(plain[train], targets[train])
        for row, side in zip(right, (plain, mirrored), strict=True):
            row[test] = (side[test] @ weights).argmax(axis=1) == labels[test]
    as_they_are, as_mirrored = right.mean(axis=1)
    noise = np.sqrt(0.5 / len(labels))  # standard error of a difference of two shares, at most
    if as_they_are - as_mirrored > 2 * noise:
        return False
    chance = targets.mean(axis=0).max()
    return True if as_they_are > chance + 4 * noise else None


def edge_features(grey: np.ndarray) -> np.ndarray:
    """Return the share of each direction in the edges of each cell, [N, cells · directions + 1].

    Args:
        grey: brightness [N, H, W].
    """
    down, across = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, across)
    direction = np.floor(np.arctan2(down, across) / np.pi * DIRECTIONS).astype(int) % DIRECTIONS
    maps = [np.where(direction == number, strength, 0.0) for number in range(DIRECTIONS)]
    rows = [
        cell.mean(axis=(1, 2))
        for part in maps
        for band in np.array_split(part, CELLS, axis=1)
        for cell in np.array_split(band, CELLS, axis=2)
    ]
    features = np.stack(rows, axis=1)
    features /= np.linalg.norm(features, axis=1, keepdims=True) + 1e-6
    return np.concatenate([features, np.ones([len(grey), 1])], axis=1)


def _ridge(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the weights W of least squares, features · W ≈ targets, with a penalty on them."""
    gram = features.T @ features + RIDGE * np.eye(features.shape[1])
    return np.linalg.solve(gram, features.T @ targets)
