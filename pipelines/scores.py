"""How good a classifier is: accuracy, macro-F1, a table per class, the confusion matrix."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .files import write_rows

TOP = 5  # answers that may hold the right one, for the top-5 figure


@dataclasses.dataclass(frozen=True)
class Scores:
    """Figures of a classifier on labelled examples.

    Attributes:
        accuracy: share of right answers.
        macro_f1: mean over all classes of 2PR/(P+R); a class never right counts 0.
        per_class: one row per class: class, precision, recall, f1, examples.
        confusion: [C, C], rows true, columns predicted.
        top5: share of examples whose label is among the five likeliest; None if not measured.
    """

    accuracy: float
    macro_f1: float
    per_class: list[dict[str, float | int | str]]
    confusion: np.ndarray
    top5: float | None = None

    @property
    def figures(self) -> dict[str, float]:
        measured = {"accuracy": self.accuracy, "top5": self.top5, "macro_f1": self.macro_f1}
        return {key: round(value, 6) for key, value in measured.items() if value is not None}


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
    return Scores(float(np.mean(true == predicted)), float(np.mean(columns[2])), rows, matrix)


def with_top5(scores: Scores, true: np.ndarray, probabilities: np.ndarray) -> Scores:
    """With the top-5 figure of probabilities [N, C]."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    return dataclasses.replace(scores, top5=float((best == true[:, None]).any(axis=1).mean()))


def write_confusion(scores: Scores, labels: Sequence[str], path: Path) -> None:
    """The confusion matrix as CSV, and as a picture beside it."""
    from . import plots

    rows = [
        {"true": label} | dict(zip(labels, map(int, counts), strict=True))
        for label, counts in zip(labels, scores.confusion, strict=True)
    ]
    write_rows(path, rows)
    plots.save(plots.confusion(scores.confusion, labels), path.with_suffix(".png"))
