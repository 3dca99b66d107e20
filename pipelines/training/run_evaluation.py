"""Measure the best model of a run on a split; write its figures, predictions and pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.files import write_rows
from ..core.phases import phase
from ..core.run_config import run_config
from ..core.run_folder import RunFolder
from ..core.run_lifecycle import record_data
from ..core.system_errors import writing
from .data_report import read_data
from .evaluation import Scores
from .task import Data, Task

if TYPE_CHECKING:
    from keras import Model


def evaluate(task: Task, run: RunFolder, split: str = "test", found: Any = None) -> Scores:
    """Measure a run's best model on a split, and write what comes of it to the run folder.

    Args:
        found: the result of `Task.find_data`, if it has been called already.

    Raises:
        UserError: the run's data have changed.
    """
    from ..models.serving import load

    config = run_config(task.config, run).resolved()
    data = read_data(task, config, found)
    with writing(run.path, lambda: "the run itself stays as it was"):
        record_data(run, data)
        return evaluate_model(task, load(run.best), run, data, split)


def evaluate_model(task: Task, model: "Model", run: RunFolder, data: Data, split: str) -> Scores:
    """Measure a model on a split of the data, and write what comes of it to the folder of its run.

    That is the figures in results.json, a table of sample predictions, the confusion matrix of a
    classifier and, of the test split, the further pictures of the task.
    """
    with phase(f"evaluating on the {split} split", after=0):
        examples = getattr(data, split)
        scores = task.evaluate(model, examples, data.labels)
        if scores.confusion is not None:
            _write_confusion(scores.confusion, data.labels, confusion_file(run, split))
        if split == "test":
            _draw_pictures(scores, run.plots)
        rows = task.sample_predictions(model, examples, data.labels)
    write_rows(run.samples / f"{split}.csv", rows)
    run.update(**{split: scores.figures})
    return scores


def confusion_file(run: RunFolder, split: str) -> Path:
    """Return where the confusion matrix of a split is written."""
    return run.plots / ("confusion.csv" if split == "test" else f"confusion_{split}.csv")


def _write_confusion(confusion: np.ndarray, labels: Sequence[str], path: Path) -> None:
    """Write the confusion matrix [C, C] as a CSV file, and its plot next to it."""
    from . import plots

    rows = [
        {"true": label} | dict(zip(labels, map(int, counts), strict=True))
        for label, counts in zip(labels, confusion, strict=True)
    ]
    write_rows(path, rows)
    plots.save(plots.confusion(confusion, labels), path.with_suffix(".png"))


def _draw_pictures(scores: Scores, folder: Path) -> None:
    from . import plots

    for name, draw in scores.pictures.items():
        plots.save(draw(), folder / f"{name}.png")
