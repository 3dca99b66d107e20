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
        size: the number of rows, and of time steps, that fit.
        labels: the names of the labels of a row; "order" identifies it on all replicas.
        merges: the `Statistic.merge` of each statistic, [S, 1].
    """

    replicas: Sequence[Sequence[Row]]
    size: tuple[int, int]
    labels: Sequence[str]
    merges: np.ndarray


class Merged(NamedTuple):
    """The rows of one ring of the whole batch, and what fits into it on every worker."""

    rows: list[Row]
    size: tuple[int, int]


def merge_shares(strategy: Strategy, rings: Sequence[Shares]) -> list[Merged]:
    """Return the rows of the whole batch, for each ring.

    With several workers, each must call it, with the same rings; see `layers.workers`.

    Raises:
        tf.errors.OpError: a worker cannot be reached.
    """
    of_worker = [Merged(_merged(ring.replicas, ring.merges), ring.size) for ring in rings]
    if worker_count(strategy) == 1:
        return of_worker
    arrays = [_pack(*own, ring.labels) for own, ring in zip(of_worker, rings, strict=True)]
    of_workers = exchange_arrays(strategy, [*itertools.chain(*arrays)])
    by_ring = [
        [of[place : place + 3] for of in of_workers] for place in range(0, 3 * len(rings), 3)
    ]
    return [_merge_workers(shares, ring) for shares, ring in zip(by_ring, rings, strict=True)]


def _merge_workers(shares, ring):
    """shares: what `_pack` returned on each worker."""
    rows = _merged([_unpack(p, v, ring.labels) for p, v, _ in shares], ring.merges)
    fits = np.min([size for *_, size in shares], axis=0)
    return Merged(rows, (int(fits[0]), int(fits[1])))


def _pack(rows, size, names):
    """→ [N, labels + 4]: labels, shape of the values and T; the values one behind another; size"""
    places = [[*row.labels.values(), *row.values.shape, row.steps] for row in rows]
    values = [np.zeros(0), *(row.values.ravel() for row in rows)]
    places = np.array(places, np.int64).reshape(-1, len(names) + 4)
    return places, np.concatenate(values), np.array(size)


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
