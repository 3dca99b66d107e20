"""Reads rows back from the event files of an earlier process, up to where it was killed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.util import tensor_util

from ...layers.workers import Strategy, exchange_arrays, worker_count, worker_index
from .blocks import PLUGIN, unpack
from .rows import Rows, join

Key = tuple[str, str]  # kind and name


class Recorded(NamedTuple):
    """The rows of one kind and name in a folder of event files.

    Attributes:
        rows: sorted by training step, each step once.
        about: the metadata of the last block.
        blocks: the number of blocks that hold them.
    """

    rows: Rows
    about: Mapping[str, Any]
    blocks: int


def read_recorded_rows(folder: Path, until: int) -> dict[Key, Recorded]:
    """Return the rows that event files hold, by kind and name.

    A file that was cut, or damaged, is read up to there. What is not of the format in `blocks` is
    left out, and so is a file that cannot be read.

    Args:
        folder: the folder of a callback's event files.
        until: the last training step to return; later ones are repeated, or another training's.
    """
    found: dict[Key, list[tuple[Rows, Mapping[str, Any]]]] = {}
    values = [written for file in folder.glob("events.out.tfevents.*") for written in _values(file)]
    for _, value in sorted(values, key=lambda written: written[0]):
        try:
            key, rows, about = _block(value)
        except (ValueError, KeyError, TypeError, IndexError):
            continue
        found.setdefault(key, []).append((rows, about))
    return {key: _recorded(parts, until) for key, parts in found.items()}


def recorded_rows_of_chief(strategy: Strategy, folder: Path, until: int) -> dict[Key, Recorded]:
    """Return the rows that the chief reads, on all workers; see `read_recorded_rows`."""
    if worker_count(strategy) == 1:
        return read_recorded_rows(folder, until)
    is_chief = worker_index(strategy) == 0
    of_chief, *_ = exchange_arrays(
        strategy, _packed(read_recorded_rows(folder, until)) if is_chief else []
    )
    return _unpacked(of_chief)


def _packed(recorded: Mapping[Key, Recorded]) -> list[np.ndarray]:
    """Return rows as arrays: four for each key, after one with the rest as JSON."""
    rest = [
        [*key, list(rows.statistics), dict(about), blocks]
        for key, (rows, about, blocks) in recorded.items()
    ]
    arrays = [np.frombuffer(json.dumps(rest).encode(), np.uint8)]
    for rows, *_ in recorded.values():
        arrays += [rows.steps, rows.lengths, rows.values, rows.were_skipped]
    return arrays


def _unpacked(arrays: Sequence[np.ndarray]) -> dict[Key, Recorded]:
    rest, *of_rows = arrays
    recorded = {}
    for kind, name, statistics, about, blocks in json.loads(rest.tobytes()):
        steps, lengths, values, skipped, *of_rows = of_rows
        rows = Rows(steps, lengths, values, statistics, skipped)
        recorded[kind, name] = Recorded(rows, about, blocks)
    return recorded


def _values(file: Path) -> Iterator[tuple[float, Any]]:
    """Yield the blocks of a file as summary values, each with the time when it was written."""
    try:
        for event in LegacyEventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == PLUGIN:
                    yield event.wall_time, value
    except (OSError, tf.errors.OpError, DecodeError):
        return


def _block(value: Any) -> tuple[Key, Rows, Mapping[str, Any]]:
    about = json.loads(value.metadata.plugin_data.content)
    rows = unpack(tensor_util.make_ndarray(value.tensor), about["statistics"])
    return (about["kind"], about["name"]), rows, about


def _recorded(parts: list[tuple[Rows, Mapping[str, Any]]], until: int) -> Recorded:
    _, about = parts[-1]
    same = [rows for rows, of_rows in parts if of_rows["statistics"] == about["statistics"]]
    rows = join(same).newest()
    return Recorded(rows.take(rows.steps <= until), about, len(parts))
