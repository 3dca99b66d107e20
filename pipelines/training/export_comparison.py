"""The comparison of an exported model's outputs with those of the original."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def arrays_of(outputs: Mapping[str, Any]) -> Arrays:
    """Return tensors by name as arrays."""
    return {name: np.asarray(tensor) for name, tensor in outputs.items()}


def difference(outputs: Arrays, expected: Arrays) -> float:
    """Return the largest difference between outputs; infinity if texts, ids or shapes differ, or
    a value is not finite.

    Where an output has values above 1, the difference is relative to the largest of them.
    """
    if outputs.keys() != expected.keys():
        return math.inf
    return max(_difference(outputs[name], expected[name]) for name in expected)


def numeric(arrays: Arrays) -> Arrays:
    """Return the outputs that are numbers of floating point."""
    return {name: array for name, array in arrays.items() if array.dtype.kind == "f"}


def answers(arrays: Arrays) -> Arrays:
    """Return the outputs that are texts or ids."""
    return {name: array for name, array in arrays.items() if array.dtype.kind != "f"}


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape:
        return math.inf
    if other.dtype.kind != "f":
        return 0.0 if one.tolist() == other.tolist() else math.inf
    if not other.size:
        return 0.0
    scale = max(1.0, float(np.abs(other).max()))
    largest = float(np.abs(one.astype(np.float64) - other).max()) / scale
    return largest if math.isfinite(largest) else math.inf
