"""A part of a split, spread evenly over it: its examples may be sorted by class."""

import dataclasses
import itertools
from typing import Any


def spaced(split: Any, most: int) -> Any:
    """Return a split with every k-th example, for the smallest k that leaves at most `most`.

    Args:
        split: a dataclass, as the tasks' splits are; its fields with an entry for each example are
            shortened. Anything else, and a split that is small enough, is returned as it is.
        most: the largest number of examples.
    """
    count = len(split)
    if not dataclasses.is_dataclass(split) or isinstance(split, type) or count <= most:
        return split
    step = -(-count // most)
    columns = {
        field.name: _every(value, step)
        for field in dataclasses.fields(split)
        if _is_column(value := getattr(split, field.name), count)
    }
    return dataclasses.replace(split, **columns)


def _is_column(value: Any, count: int) -> bool:
    """Return whether a field has an entry for each of `count` examples."""
    if _is_dataset(value):
        return True
    return hasattr(value, "__len__") and len(value) == count


def _is_dataset(value: Any) -> bool:
    return hasattr(value, "element_spec")  # of tf.data, whose length may be unknown


def _every(values: Any, step: int) -> Any:
    if _is_dataset(values):
        return values.shard(step, 0)
    if hasattr(values, "only"):  # the examples of series
        return values.only(slice(None, None, step))
    if isinstance(values, list | tuple) or hasattr(values, "dtype"):
        return values[::step]
    return [*itertools.islice(values, 0, None, step)]  # it may be read example by example
