"""Trainings, series, findings and numbers as data for JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...callbacks.drawing.labels import label
from ...callbacks.findings.finding import Finding
from .media import Image, Medium, plain, table_of
from .series import Series
from .trainings import BY_TRAINING_STEP, Training

_HIDDEN = ("valid", "mean")  # statistics that no logarithmic axis can show


def of_training(training: Training) -> dict[str, Any]:
    return {
        "run": training.name,
        "colours": training.colours._asdict(),
        "begun": training.begun,
        "latest": training.latest,
        "steps_per_epoch": training.steps_per_epoch,
        "series": [of_series(series) for series in training.series],
        "media": [medium._asdict() for medium in training.media],
        "trial": None if training.trial is None else training.trial._asdict(),
    }


def of_series(series: Series) -> dict[str, Any]:
    return {
        "run": series.run,
        "kind": series.kind,
        "name": series.name,
        "statistics": [name for name in series.statistics if name not in _HIDDEN],
        "labels": {name: label(series.kind, name) for name in series.statistics},
        "latest": series.latest,
        "joined": bool(series.joined),
    }


def of_text(training: Training, medium: Medium, step: int, markdown: str) -> dict[str, Any]:
    """Return a text that was written at a step: an epoch or, of warnings, a training step."""
    per_epoch = training.steps_per_epoch if medium.kind == "warnings" else 1
    table = table_of(markdown)
    lines = plain(markdown) if table is None else "\n".join("\t".join(cells) for cells in table)
    epoch = step / per_epoch if per_epoch else None
    return {"step": step, "epoch": epoch, "text": lines, "table": table}


def of_image(image: Image, url: str) -> dict[str, Any]:
    size = {"width": image.width, "height": image.height}
    return {"step": image.step, "epoch": image.step, **size, "image": url}


def of_finding(finding: Finding) -> dict[str, Any]:
    return {
        "headline": finding.headline,
        "severity": finding.severity,
        "kind": finding.kind,
        "layer": finding.layer,
        "text": finding.first_sentence,
        "meaning": finding.meaning,
        "evidence": {name: _number(value) for name, value in finding.evidence.items()},
        "confidence": _number(finding.confidence),
        "remedies": [remedy.as_json() for remedy in finding.remedies],
    }


def _number(value: Any) -> Any:
    """Return a value for JSON, which has no infinity and no NaN: they become strings."""
    return value if isinstance(value, str) or np.isfinite(value) else str(value)


def of_numbers(values: Sequence[float] | np.ndarray) -> list[float | None]:
    """Return numbers for JSON; None for those that are not finite."""
    return [float(value) if np.isfinite(value) else None for value in values]


def epochs(training: Training, series: Series, steps: np.ndarray) -> list[float] | None:
    """Return the epoch, 2.25, of each training step; None if it is unknown, or rows are epochs."""
    if series.kind not in BY_TRAINING_STEP or not training.steps_per_epoch:
        return None
    return (steps / training.steps_per_epoch).round(4).tolist()
