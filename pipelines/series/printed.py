"""What `predict` of the task series prints: lines for people, and rows for CSV."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..training.answers import Row


def by_step(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield a row for each step of each series, for CSV: all have the same columns."""
    for row in rows:
        own = {"file": row["file"], "series": row.get("series", "")}
        if "labels" in row:
            for step, label in enumerate(row["labels"], start=1):
                yield own | {"step": step, "label": label}
            continue
        values = row.get("value")
        if values is None:
            yield own | dict(row)
            continue
        first = next(iter(values.values()))
        count = len(first) if isinstance(first, list) else 1
        for step in range(count):
            cells = dict(own)
            if "time" in row:
                cells["time"] = row["time"][step]
            elif isinstance(first, list):
                cells["step"] = step + 1
            yield cells | _cells(row, step)


def _cells(row: Row, step: int) -> dict[str, float]:
    """Return the value and the bounds of each target at one step."""
    cells = {}
    for target in row["value"]:
        for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            values = row[key][target]
            cells[target + suffix] = values[step] if isinstance(values, list) else values
    return cells


def lines_of(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines for people: the class of each series, or its values step by step."""
    for row in rows:
        place = f"{row['file']}" + (f", series {row['series']}" if "series" in row else "")
        if "label" in row:
            best = row["probabilities"][row["label"]]
            yield f"{place}\t{row['label']} {best:.3f}"
        elif "labels" in row:
            yield f"{place}\t{' '.join(row['labels'])}"
        else:
            yield place
            for cells in by_step([row]):
                when = str(cells.get("time", cells.get("step", "")))
                parts = [
                    f"{target} {cells[target]:.5g}"
                    f" ({cells[target + '_low']:.5g} to {cells[target + '_high']:.5g})"
                    for target in row["value"]
                ]
                yield "\t".join(["", *([when] if when else []), *parts])
