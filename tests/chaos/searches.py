"""Searches for the names' number of units alone, and their tables."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from errorflow.pipelines.core.config import flat
from errorflow.pipelines.registry import load_task


def write_space(path: Path, units: Sequence[int]) -> None:
    """Write a space file for names that fixes all settings but the units."""
    task = load_task("names")
    values = flat(task.config()) | {"model": "lstm", "embedding": 4, "layers": 1}
    values |= {"optimizer": "adamw", "batch_size": 16}
    settings = {key: values[key] for key in task.space} | {"units": [*units]}
    path.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items()))


def rows_of(project: Path) -> list[dict[str, str]]:
    """Return the rows of trials.csv, without what depends on the time."""
    with (project / "trials.csv").open(newline="") as file:
        return [
            {key: value for key, value in row.items() if "seconds" not in key}
            for row in csv.DictReader(file)
        ]
