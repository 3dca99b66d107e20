"""The part of a task that the text-classification tasks share, and their verb `predict`."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..core.errors import require
from ..core.run_folder import RunFolder
from ..training.explanations import folder_of
from ..training.inputs import Reader, text_reader
from ..training.prediction import (
    PIPES,
    ExplainSettings,
    Predictor,
    Predicts,
    Request,
    labels_in_words,
    predict,
)
from ..training.task import BaseTask, Rows, TrainingFunctions, Verb


class TextClassification(BaseTask):
    """The part of a `Task` that all tasks of this family have in common."""

    name: str
    by_line = True  # whether each line of a .txt file is a text, or the whole file
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

    def predict(
        self,
        run: RunFolder,
        inputs: Sequence[str],
        top: int = 3,
        explain: bool = False,
        explain_to: Path | None = None,
    ) -> Rows:
        """Return the labels of texts: {"text", "label", "probability", "probabilities"}.

        Args:
            run: the run whose best model predicts.
            inputs: texts.
            top: number of labels in "probabilities", the most probable ones.
            explain: add "explanation", the path of a picture of what the label depends on,
                "symbols", the characters or words, and "importance", ‖dy/dx‖ of each.
            explain_to: folder for these pictures; None: explanations/ of the run.
        """
        folder = folder_of(run, explain, explain_to)
        return [*self.predictor(run, top=top).rows(inputs, folder)]

    def input_reader(self, column: str | None = None) -> Reader:
        return text_reader(column, self.by_line)

    def predictor(self, run: RunFolder, top: int = 3) -> Predictor:
        """Load the best model of a run, to predict labels of texts."""
        from ..models.serving import labels_in, load
        from ..models.text_serving import normalize, predict_probabilities
        from ..training.evaluation import most_probable
        from .explanation import explain

        model = load(run.best)
        labels = labels_in(model)

        def answer(texts: Sequence[str], prepared: Sequence[str]) -> Rows:
            rows = predict_probabilities(model, prepared)
            return [
                {"text": text} | most_probable(row, labels, top)
                for text, row in zip(texts, rows, strict=True)
            ]

        return Predictor(
            lambda text: text,
            answer,
            batch=256,
            explain=functools.partial(explain, model),
            raw=lambda text: [normalize(text)],
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(ExplainSettings):
    """Which run, and for which texts."""

    texts: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Texts, or files of texts: tables, .txt, folders, globs. Without any, or for -, lines of
    stdin."""
    text_column: str | None = None
    """Column of tables with the texts, by name or number (default: recognised)."""
    top: int = 3
    """Number of labels to show."""

    def check(self) -> None:
        super().check()
        require(self.top >= 1, "top", "1 or more", self.top)


def predict_verb(task: Predicts, about: str) -> Verb:
    """Return the verb that prints the most probable labels of texts."""

    def run(config: PredictConfig) -> int:
        reader = task.input_reader(config.text_column)
        explain = config.explain, config.explain_to
        options = {"top": config.top}
        request = Request(config.texts, reader, options, labels_in_words, config.top, *explain)
        return predict(task, config, request)

    return Verb("predict", f"{about} {PIPES}", PredictConfig, run)
