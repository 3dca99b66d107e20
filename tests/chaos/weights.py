"""Reading the weights of trained runs, to compare them bit by bit."""

import csv
import io
import zipfile
from pathlib import Path

import h5py
import numpy as np


def weights_of(model: Path) -> dict[str, np.ndarray]:
    """The arrays in a .keras file or a .weights.h5 file, by name."""
    content = model.read_bytes()
    if model.suffix == ".keras":
        with zipfile.ZipFile(model) as archive:
            content = archive.read("model.weights.h5")
    arrays: dict[str, np.ndarray] = {}
    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(
            lambda name, item: (
                arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return arrays


def differing(one: Path, other: Path) -> list[str]:
    """The names of the arrays that are not equal bit by bit, or that only one file has."""
    a, b = weights_of(one), weights_of(other)
    return sorted(
        name
        for name in a.keys() | b.keys()
        if name not in a or name not in b or a[name].tobytes() != b[name].tobytes()
    )


def history_of(run: Path) -> list[dict[str, str]]:
    """The rows of history.csv, without their duration."""
    with (run / "history.csv").open(newline="") as file:
        return [
            {key: value for key, value in row.items() if key != "seconds"}
            for row in csv.DictReader(file)
        ]
