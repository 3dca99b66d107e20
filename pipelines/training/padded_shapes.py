"""The few shapes that batches of sequences are padded to.

A recurrent layer is compiled once per shape (B, T) in training, so there should be few shapes, but
also little padding.
"""

import numpy as np

MAX_PADDING = 0.085  # share of all steps; below a tenth together with the filled-up batches
MAX_SHAPES = 16  # each takes seconds to compile
MAX_CANDIDATES = 300  # shapes to start from, if an example has several sequences


def padded_lengths(lengths: np.ndarray, max_shapes: int = MAX_SHAPES) -> list[int]:
    """Return the lengths that batches are padded to, ascending; the last fits every sequence.

    Their number is the smallest that keeps padding below `MAX_PADDING`, but at most `max_shapes`.
    For that number, dynamic programming finds the lengths with the least padding.

    Args:
        lengths: lengths of the sequences, [N].
    """
    values, counts = np.unique(lengths, return_counts=True)
    up_to = np.concatenate([[0], np.cumsum(counts)])  # number of sequences below value j
    steps = lengths.sum() / (1 - MAX_PADDING)
    padded = np.where(up_to == 0, 0.0, np.inf)  # steps of the first j values, padded
    choices = []
    while not choices or (len(choices) < max_shapes and padded[-1] > steps):
        costs = padded[None, :-1] + values[:, None] * (up_to[1:, None] - up_to[None, :-1])
        costs[np.triu_indices(len(values), 1)] = np.inf  # [last value of the new length, first one]
        choices.append(costs.argmin(axis=1))
        padded = np.concatenate([[0.0], costs.min(axis=1)])
    chosen, end = [], len(values)
    for first in reversed(choices):
        if end:
            chosen.append(int(values[end - 1]))
            end = first[end - 1]
    return chosen[::-1]


def padded_shapes(lengths: np.ndarray, max_shapes: int = MAX_SHAPES) -> list[tuple[int, ...]]:
    """Return the shapes that batches are padded to, if each example has D sequences.

    Starting from all shapes of the data, the two whose union adds the least padding are merged.
    This is repeated while there are too many shapes or padding stays low. The last shape fits
    every example.

    Args:
        lengths: lengths of each example's sequences, [N, D].
    """
    shapes, counts = _candidates(lengths)
    steps = lengths.sum() / (1 - MAX_PADDING)
    while len(shapes) > 1:
        union = np.maximum(shapes[:, None], shapes[None])  # [G, G, D]
        added = (counts[:, None] * (union - shapes[:, None]).sum(axis=2)).astype(float)
        added += added.T
        added[np.tril_indices(len(shapes))] = np.inf
        i, j = np.unravel_index(added.argmin(), added.shape)
        if len(shapes) <= max_shapes and shapes.sum(axis=1) @ counts + added[i, j] > steps:
            break
        shapes[i], counts[i] = union[i, j], counts[i] + counts[j]
        shapes, counts = np.delete(shapes, j, axis=0), np.delete(counts, j)
    shapes = shapes[np.argsort(shapes.sum(axis=1), kind="stable")]
    shapes[-1] = lengths.max(axis=0)
    return [tuple(map(int, shape)) for shape in shapes]


def _candidates(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return shapes [G, D] and their numbers of examples [G]; many shapes are rounded up."""
    shapes, counts, grain = *np.unique(lengths, axis=0, return_counts=True), 1
    while len(shapes) > MAX_CANDIDATES:
        grain += 1
        coarse = np.minimum(-(-lengths // grain) * grain, lengths.max(axis=0))
        shapes, counts = np.unique(coarse, axis=0, return_counts=True)
    return shapes, counts
