"""The part of a task that the text-classification tasks share, and their verb `predict`."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..core.console import lines_from, say
from ..core.errors import require
from ..core.run_folder import RunFolder
from ..training.task import BaseTask, Rows, RunVerbConfig, Task, TrainingFunctions, Verb
from ..training.verbs import use_run

SHOWN = 60  # characters of a text in front of its labels


class TextClassification(BaseTask):
    """The part of a `Task` that all tasks of this family have in common."""

    name: str
    evaluate_about = (
        "Evaluate a trained network: accuracy, macro-F1, a table per class, the confusion matrix."
    )

    def write_data(self, config: Any, data: Any, folder: Path) -> dict[str, Any]:
        from ..datasets.python_data import write_records
        from ..datasets.tables.columns import LABEL, TEXT

        columns = config.data.columns
        roles = TEXT._replace(chosen=columns.text), LABEL._replace(chosen=columns.label)
        write_records(data, folder, roles)
        return {"text_column": None, "label_column": None, "encoding": None}

    def training_functions(self) -> TrainingFunctions:
        from . import training

        return training

    def predict(self, run: RunFolder, inputs: Sequence[str], top: int = 3) -> Rows:
        """Return the labels of texts: {"text", "label", "probability", "probabilities"}.

        Args:
            run: the run whose best model predicts.
            inputs: texts.
            top: number of labels in "probabilities", the most probable ones.
        """
        from ..models.serving import labels_in, load
        from ..models.text_serving import predict_probabilities
        from ..training.evaluation import most_probable

        model = load(run.best)
        labels = labels_in(model)
        rows = predict_probabilities(model, inputs)
        return [
            {"text": text} | most_probable(row, labels, top)
            for text, row in zip(inputs, rows, strict=True)
        ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(RunVerbConfig):
    """Which run, and for which texts."""

    texts: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Texts; without any, one per line from stdin."""
    top: int = 3
    """Number of labels to show."""

    def check(self) -> None:
        super().check()
        require(self.top >= 1, "top", "1 or more", self.top)


def predict_verb(task: Task, about: str) -> Verb:
    """Return the verb that prints the most probable labels of texts."""
    return Verb("predict", about, PredictConfig, functools.partial(_predict, task))


def _predict(task: Task, config: PredictConfig) -> None:
    texts = lines_from(config.texts, f"errorflow {task.name} predict takes texts")
    if not texts:
        return
    run = use_run(config.run, task.name)
    rows = task.predict(run, texts, top=config.top)
    shown = [text if len(text) <= SHOWN else text[: SHOWN - 1] + "…" for text in texts]
    width = max(map(len, shown))
    for text, row in zip(shown, rows, strict=True):
        labels = [f"{label} {p:.3f}" for label, p in row["probabilities"].items()]
        say("\t".join([f"{text:<{width}}", *labels]))
