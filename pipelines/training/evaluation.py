"""How good a model is: its figures and, of a classifier, a table per class and the confusions."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.files import write_rows

TOP = 5  # answers that may hold the right one, for the top-5 figure


@dataclasses.dataclass(frozen=True)
class Scores:
    """How good a model is on a split.

    Attributes:
        figures: by name. Of a classifier: accuracy, the share of right answers; macro_f1, the mean
            over all classes of 2PR/(P+R), where a class never right counts 0; and what the task
            adds.
        per_class: one row per class: class, precision, recall, f1, examples.
        confusion: [C, C], rows true, columns predicted; None where nothing is classified.
    """

    figures: dict[str, float]
    per_class: list[dict[str, float | int | str]] = dataclasses.field(default_factory=list)
    confusion: np.ndarray | None = None

    def adding(self, **figures: float) -> "Scores":
        """With further figures."""
        rounded = {name: round(float(value), 6) for name, value in figures.items()}
        return dataclasses.replace(self, figures=self.figures | rounded)


def score(true: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> Scores:
    """Compares label indices [N] with label indices [N]."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    every = range(len(labels))
    matrix = confusion_matrix(true, predicted, labels=every)
    columns = precision_recall_fscore_support(true, predicted, labels=every, zero_division=0)
    rows = [
        {
            "class": label,
            "precision": round(float(p), 4),
            "recall": round(float(r), 4),
            "f1": round(float(f), 4),
            "examples": int(n),
        }
        for label, p, r, f, n in zip(labels, *columns, strict=True)
    ]
    found = Scores({}, rows, matrix)
    return found.adding(accuracy=np.mean(true == predicted), macro_f1=np.mean(columns[2]))


def top5(true: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of examples whose label is among the five likeliest of [N, C]."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    return float((best == true[:, None]).any(axis=1).mean())


def write_confusion(confusion: np.ndarray, labels: Sequence[str], path: Path) -> None:
    """The confusion matrix [C, C] as CSV, and as a picture beside it."""
    from . import plots

    rows = [
        {"true": label} | dict(zip(labels, map(int, counts), strict=True))
        for label, counts in zip(labels, confusion, strict=True)
    ]
    write_rows(path, rows)
    plots.save(plots.confusion(confusion, labels), path.with_suffix(".png"))
