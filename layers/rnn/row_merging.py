"""The rows of a whole batch, from those that replicas and workers hold of their shares of it."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..workers import Strategy, exchange_arrays, worker_count
from .row_ring import Row


class Shares(NamedTuple):
    """The rows of one ring on this worker.

    Attributes:
        replicas: those of each replica.
        labels: the names of the labels of a row; "order" identifies it on all replicas.
        merges: the `Statistic.merge` of each statistic, [S, 1].
    """

    replicas: Sequence[Sequence[Row]]
    labels: Sequence[str]
    merges: np.ndarray


def merge_shares(strategy: Strategy, rings: Sequence[Shares]) -> list[list[Row]]:
    """Return the rows of the whole batch, for each ring.

    With several workers, each must call it, with the same rings; see `layers.workers`.

    Raises:
        tf.errors.OpError: a worker cannot be reached.
    """
    of_worker = [_merged(ring.replicas, ring.merges) for ring in rings]
    if worker_count(strategy) == 1:
        return of_worker
    arrays = [
        array
        for rows, ring in zip(of_worker, rings, strict=True)
        for array in _pack(rows, ring.labels)
    ]
    of_workers = exchange_arrays(strategy, arrays)
    by_ring = zip(*(zip(of[::2], of[1::2], strict=True) for of in of_workers), strict=True)
    return [
        _merged([_unpack(p, v, ring.labels) for p, v in shares], ring.merges)
        for shares, ring in zip(by_ring, rings, strict=True)
    ]


def _pack(rows, names):
    """→ [N, labels + 4] int64: labels, shape of the values and T; the values one behind another"""
    places = [[*row.labels.values(), *row.values.shape, row.steps] for row in rows]
    values = [np.zeros(0), *(row.values.ravel() for row in rows)]
    return np.array(places, np.int64).reshape(-1, len(names) + 4), np.concatenate(values)


def _unpack(places, values, names):
    rows, start = [], 0
    for *labels, alignments, statistics, kept, steps in places.tolist():
        shape = alignments, statistics, kept
        own = values[start : start + math.prod(shape)].reshape(shape)
        rows.append(Row(dict(zip(names, labels, strict=True)), own, steps))
        start += own.size
    return rows


def _merged(parts: Sequence[Iterable[Row]], merges: np.ndarray) -> list[Row]:
    """Return the rows of a batch from those of its parts, which all parts still hold."""
    by_order: dict[int, list[Row]] = {}
    for row in itertools.chain(*parts):
        by_order.setdefault(row.labels["order"], []).append(row)
    return [_merge(rows, merges) for rows in by_order.values() if len(rows) == len(parts)]


def _merge(parts, merges):
    if len(parts) == 1:
        return parts[0]
    steps = max(part.steps for part in parts)
    labels = {**parts[0].labels, "examples": sum(part.labels["examples"] for part in parts)}
    if any(part.is_left_out for part in parts):
        return Row(labels, parts[0].values[:, :, :0], steps)
    stack = _aligned(parts, steps)
    values = np.where(merges == "max", np.max(stack, axis=0), np.sum(stack, axis=0))
    return Row(labels, values, steps)


def _aligned(parts, steps):
    """The values of all parts, each [A, S, steps]; see `error_record.ALIGNMENTS`."""
    if all(part.steps == steps for part in parts):
        return [part.values for part in parts]
    return [
        np.stack(
            [_pad(part.values[0], steps, at_end=True), _pad(part.values[-1], steps, at_end=False)]
        )
        for part in parts
    ]


def _pad(values, steps, at_end):
    missing = steps - values.shape[-1]
    return np.pad(values, [(0, 0), (0, missing) if at_end else (missing, 0)])
