"""What is seen in the charts of the report, in words, from the numbers that they draw."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....callbacks.findings.finding import counted, short

_BY_NAME = ("layer_gradients", "depth_flow")  # kinds whose columns have names
MOST = 4  # series that a caption describes


def name_of(run: str, series: Mapping[str, Any]) -> str:
    """Return the name of a series as the tab's charts have it: "names/a · rnn"."""
    return " · ".join(filter(None, (run, series["name"])))


def listed(parts: Sequence[str]) -> str:
    """Return a few texts as one, and how many there are besides."""
    more = f"; {len(parts) - MOST} more" if len(parts) > MOST else ""
    return "; ".join(parts[:MOST]) + more


def row_in_words(name: str, series: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    """Return from what to what the last row of a table goes; empty if it has no finite ends.

    Args:
        name: what the series is called.
        series: the series.
        table: the answer of the tab's server.
    """
    values = np.frombuffer(base64.b64decode(table["values"]), "<f4")
    row = values.reshape(len(table["steps"]), len(table["columns"]))[-1]
    (known,) = np.isfinite(row).nonzero()
    if len(known) < 2:
        return ""
    ends = [
        f"{short(float(row[place]))} at {_column(series, table['columns'][place])}"
        for place in (known[-1], known[0])
    ]
    if series["kind"] in ("gates", *_BY_NAME):
        ends = ends[::-1]
    return f"{name}: {' to '.join(ends)}"


def _column(series: Mapping[str, Any], column: int | str) -> str:
    """Return the name of a column."""
    if series["kind"] in _BY_NAME:
        return str(column)
    if series["joined"] or series["kind"] in ("gates", "error_matrix"):
        return f"time step {column}"
    if column == 0:
        return "the last time step"
    return f"{counted(int(column), 'time step')} before it"


def course_in_words(name: str, course: Mapping[str, Any], line: str) -> str:
    """Return from what to what a figure goes in the course of training; empty if it has no values.

    Args:
        name: what the series is called.
        course: the answer of the tab's server.
        line: the figure.
    """
    values = course["lines"].get(line, ())
    known = [(s, v) for s, v in zip(course["steps"], values, strict=False) if v is not None]
    if not known:
        return ""
    (first, start), (last, end) = known[0], known[-1]
    if first == last:
        return f"{name}: {short(start)} at training step {first:,}"
    ends = f"{short(start)} at training step {first:,} to {short(end)} at step {last:,}"
    return f"{name}: {ends}"


def thinned_in_words(table: Mapping[str, Any]) -> str:
    """Return how much of a record a table has; empty if it has all."""
    rows, columns = len(table["steps"]), len(table["columns"])
    parts = []
    if table["epochs"] is None and rows < table["recorded"]:
        parts.append(f"{rows:,} of {table['recorded']:,} recorded rows")
    if columns < table["columns_recorded"]:
        parts.append(f"{columns:,} of {table['columns_recorded']:,} columns")
    return f" Drawn, and in its CSV: {' and '.join(parts)}, evenly spaced." if parts else ""
