"""The quality of a model: figures and, for a classifier, a table per class and confusion matrix."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP = 5  # number of predictions in the top-5 accuracy


@dataclasses.dataclass(frozen=True)
class Scores:
    """The quality of a model on a split.

    Attributes:
        figures: numbers by name. For a classifier: accuracy; macro_f1, the mean over all classes of
            2PR/(P+R), 0 for a class without correct predictions; and figures of the task.
        per_class: one row per class: class, precision, recall, f1, examples.
        confusion: [C, C], rows true, columns predicted; None if the model is not a classifier.
        pictures: functions that draw further pictures of the test split, by name.
    """

    figures: dict[str, float]
    per_class: list[dict[str, float | int | str]] = dataclasses.field(default_factory=list)
    confusion: np.ndarray | None = None
    pictures: Mapping[str, Callable[[], "Figure"]] = dataclasses.field(default_factory=dict)

    def with_figures(self, **figures: float) -> "Scores":
        """Return a copy with further figures."""
        rounded = {name: round(float(value), 6) for name, value in figures.items()}
        return dataclasses.replace(self, figures=self.figures | rounded)


def score_labels(true: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> Scores:
    """Return the scores of predicted label indices [N] against true ones [N]."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    classes = range(len(labels))
    matrix = confusion_matrix(true, predicted, labels=classes)
    columns = precision_recall_fscore_support(true, predicted, labels=classes, zero_division=0)
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
    return Scores({}, rows, matrix).with_figures(
        accuracy=np.mean(true == predicted), macro_f1=np.mean(columns[2])
    )


def top5_accuracy(true: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the share of examples whose label is among the five most probable ones of [N, C]."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    return float((best == true[:, None]).any(axis=1).mean())


def most_probable(probabilities: np.ndarray, labels: Sequence[str], top: int) -> dict[str, Any]:
    """Return the most probable label of [C], its probability, and the `top` best ones by label."""
    best = (-probabilities).argsort()[:top]
    ranked = {str(labels[i]): float(probabilities[i]) for i in best}
    label, probability = next(iter(ranked.items()))
    return {"label": label, "probability": probability, "probabilities": ranked}
