"""Lags: synthetic problems with long time lags, where errors vanish or survive.

errorflow lags train                               adding, 100 steps, an LSTM
errorflow lags train --problem order-6b --model gru
errorflow lags train --model rnn                   compare its error flow
errorflow lags table                               every problem of the paper, three seeds each

The problems are those of Hochreiter & Schmidhuber 1997 ("Long Short-Term Memory", Neural
Computation 9), with an unlimited number of random sequences, and digits read pixel by pixel. A
problem is solved by the paper's criterion: for adding and temporal order, 2,000 training sequences
in a row are correct (their mean squared error is then also below the paper's bound); for long lags,
all outputs for 10,000 new sequences are correct.

Number of training sequences until solved, mean of three seeds, beside that of the paper's LSTM
(`errorflow lags table --models lstm`, seven minutes on two cores):

    problem                              errorflow     paper
    adding, 100 steps                       16,928    74,000
    adding, 500 steps                       18,064   209,000
    adding, 1,000 steps                     19,787   853,000
    temporal order 6a                        6,992    31,390
    temporal order 6b                        7,803   571,100
    noise-free lag 2a, no forget gate          499     5,040

Guessing solves none of these; it is correct for one digit in ten (`benchmarks/sequential_digits.py`
measures digits).
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import tyro

from ..core.run_folder import RunFolder
from ..training.answers import Row
from ..training.inputs import Reader, text_reader
from ..training.prediction import PIPES, Predictor, PredictSettings, Request, predict
from ..training.task import BaseTask, ModelCard, Rows, TrainingFunctions, Verb
from ..training.verbs import config_of
from .config import SPACE, LagsConfig
from .table_config import TableConfig

USAGE = """\
```python
import errorflow.layers, keras, numpy as np

model = keras.saving.load_model("checkpoints/best.keras")
model(np.zeros([1, 100, FEATURES]))  # → value, or label and probabilities
```"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(PredictSettings):
    """Which run, and for which sequences."""

    sequences: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Sequences in the problem's notation, or files of these: tables, .txt, folders, globs. Without
    any, or for -, lines of stdin."""
    text_column: str | None = None
    """Column of tables with the sequences, by name or number (default: recognised)."""


class Lags(BaseTask):
    """See errors vanish or survive on the long-lag problems of the first LSTM paper."""

    name = "lags"
    config = LagsConfig
    space = SPACE
    card = ModelCard("Predicts a value that depends on the distant past of a sequence.", USAGE)
    train_about = "Train a network on a long-lag problem until it is solved; record the error flow."
    evaluate_about = "Evaluate a trained network on new sequences."
    next_commands = ("errorflow lags evaluate {run}",)

    @property
    def verbs(self) -> list[Verb]:
        return [
            Verb(
                "predict",
                "Predict the outputs for sequences; adding: '0.3 -0.5* 0.9 0.1*', order:"
                f" 'EabXcdYB', lags: 'x a1 a2 a3'. {PIPES}",
                PredictConfig,
                self._predict,
            ),
            Verb(
                "table",
                "Train on every problem of the paper, and print the results beside the paper's.",
                TableConfig,
                self._show_table,
            ),
        ]

    def read_data(self, config: LagsConfig, found: Any = None) -> Any:
        from ..datasets.lags.lag_data import load_lags

        epochs = config.optimisation.epochs or config.default_epochs()
        return load_lags(config.data.problem, config.data.steps, epochs)

    def training_functions(self) -> TrainingFunctions:
        from . import training

        return training

    def predict(self, run: RunFolder, inputs: Sequence[str]) -> Rows:
        """Return the predictions for sequences in the problem's notation.

        {"sequence", "value", "sum"} if a number is predicted, otherwise {"sequence", "label",
        "probability"}.
        """
        return [*self.predictor(run).rows(inputs)]

    def input_reader(self, column: str | None = None) -> Reader:
        return text_reader(column)

    def predictor(self, run: RunFolder) -> Predictor:
        """Load the best model of a run, to predict outputs for sequences."""
        from ..datasets.lags.notation import parse_sequence
        from ..models.serving import load

        problem, model = self.read_data(config_of(self, run)).train.problem, load(run.best)

        def answer(texts: Sequence[str], series: Sequence[Any]) -> Rows:
            return [
                {"sequence": text} | _prediction(model(x[None]))
                for text, x in zip(texts, series, strict=True)
            ]

        return Predictor(
            lambda text: parse_sequence(problem, text), answer, batch=16, raw=lambda x: x[None]
        )

    def _predict(self, config: PredictConfig) -> int:
        reader = self.input_reader(config.text_column)
        return predict(self, config, Request(config.sequences, reader, {}, _in_words))

    def _show_table(self, config: TableConfig) -> None:
        from .table import show

        show(self, config)


def _in_words(rows: Sequence[Row]) -> Iterator[str]:
    """Yield each sequence with its predicted value or label."""
    for row in rows:
        if "value" in row:
            yield f"{row['sequence']}\t{row['value']:.3f}\tsum {row['sum']:.3f}"
        else:
            yield f"{row['sequence']}\t{row['label']} {row['probability']:.3f}"


def _prediction(outputs: Any) -> dict[str, Any]:
    if "value" in outputs:
        value = float(outputs["value"][0, 0])
        return {"value": value, "sum": 4 * (value - 0.5)}  # y = 0.5 + (X1 + X2) / 4
    label = outputs["label"][0].numpy().decode()
    return {"label": label, "probability": float(outputs["probabilities"][0].numpy().max())}


TASK = Lags()
