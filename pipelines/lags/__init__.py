"""Lags: the laboratory of long time lags; a sequence in, one value out.

errorflow lags train                               adding, 100 steps, an LSTM
errorflow lags train --problem order-6b --model gru
errorflow lags train --model rnn                   and look at its error flow
errorflow lags table                               every problem of the paper, three seeds each

The problems are those of Hochreiter & Schmidhuber 1997 (LSTM, Neural Computation 9), drawn anew
without end, and digits read pixel by pixel. A problem counts as solved when the paper's criterion
holds: adding and temporal order, 2,000 training sequences right in a row (their mean squared error
is then below the paper's bound too); long lags, all outputs of 10,000 fresh sequences right.

Measured by `errorflow lags table --models lstm` on two cores in seven minutes, training sequences,
mean of three seeds, and in brackets those of the paper's LSTM: adding over 100 steps 16,928
(74,000), over 500 18,064 (209,000), over 1,000 19,787 (853,000); temporal order 6a 6,992 (31,390),
6b 7,803 (571,100); the noise-free lag 2a, without forget gate, 499 (5,040). Guessing gets none of
these right; a digit by chance one time in ten (`benchmarks/sequential_digits.py` measures those).
"""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tyro

from ..core.config import CommonConfig, RunChoice, UserError, require
from ..core.space import Choice, Range, Space
from ..search.config import SearchConfig
from ..training import workflow as shared
from ..training.workflow import EvaluateConfig, ExportConfig

ProblemName = Literal["adding", "order-6a", "order-6b", "lag-2a", "lag-2b", "digits"]

# What makes each solvable in few sequences; found by hand, on other draws than those of the table.
RECIPES: dict[str, dict[str, Any]] = {
    "adding": {"learning_rate": 0.01, "batch_size": 16, "chrono": 1.0, "direct": 0.0},
    "order-6a": {"learning_rate": 0.01, "batch_size": 16, "chrono": 1.0, "direct": 0.0},
    "order-6b": {"learning_rate": 0.01, "batch_size": 16, "chrono": 1.0, "direct": 0.0},
    "lag-2a": {"learning_rate": 0.01, "batch_size": 2, "chrono": 10.0, "direct": 100.0},
    "lag-2b": {"learning_rate": 0.003, "batch_size": 2, "chrono": 10.0, "direct": 0.0},
    "digits": {"learning_rate": 0.003, "batch_size": 32, "chrono": 0.0, "direct": 0.0},
}
EPOCHS = {"digits": 100}  # passes over the data; the others' epochs are 1,000 sequences
MOST = 100_000  # training sequences, where the paper has no number


@dataclasses.dataclass(frozen=True, kw_only=True)
class LagsConfig(CommonConfig):
    """Settings of a training on long lags. What is null is decided by the problem's recipe."""

    dataset: Annotated[str | None, tyro.conf.Suppress] = None
    data_dir: Annotated[Path | None, tyro.conf.Suppress] = None
    limit: Annotated[int | None, tyro.conf.Suppress] = None

    problem: ProblemName = "adding"
    """adding: sum of two marked numbers; order-6a, order-6b: order of two or three symbols; lag-2a,
    lag-2b: the first symbol again, after distractors in order or by chance; digits: 8×8 pixels."""
    steps: int | None = None
    """Least number of time steps of adding and the lags (default: 100)."""

    model: Literal["rnn", "lstm", "lstm97", "gru"] = "lstm"
    """Recurrent layer; lstm97 has no forget gate."""
    units: int = 32
    """Size of a hidden layer."""
    layers: int = 1
    """Hidden layers."""
    chrono: float | None = None
    """Begin with gates that remember for up to so many times a sequence's length (Tallec & Ollivier
    2018); 0: with Keras' biases."""
    direct: float | None = None
    """If above 0, the inputs times this go to the outputs too, past the recurrent layers."""

    epochs: int | None = None
    """Epochs at most, of 1,000 sequences each; of digits, passes over the data (default: a third of
    what the paper's LSTM took)."""
    batch_size: int | None = None
    """Sequences per step."""
    learning_rate: float | None = None
    """Learning rate at the start."""
    patience: int = 0
    """Stop after so many epochs without a better validation figure; 0: never."""

    @property
    def kind(self) -> str:
        return f"{self.problem}-{self.model}"

    def resolved(self) -> Self:
        recipe = RECIPES[self.problem] | {"epochs": self._epochs()}
        return dataclasses.replace(
            self, **{key: value for key, value in recipe.items() if getattr(self, key) is None}
        )

    def _epochs(self) -> int:
        """A third of the paper's sequences, in epochs."""
        if self.problem in EPOCHS:
            return EPOCHS[self.problem]
        from ..datasets.lags.problems import problem

        made = problem(self.problem, self.steps)
        return -(-(made.paper or 3 * MOST) // 3 // made.epoch)

    def check(self) -> None:
        super().check()
        require(self.units >= 1, "units", "1 or more", self.units)
        require(self.layers >= 1, "layers", "1 or more", self.layers)
        for key in ("chrono", "direct"):
            value = getattr(self, key) or 0
            require(value >= 0, key, "0 or more", value)
        if self.problem == "digits":
            require(self.steps is None, "steps", "left out: a digit has 64", self.steps)
        if self.strategy == "mirrored":
            require((self.batch_size or 2) % 2 == 0, "batch_size", "even", self.batch_size)


# direct is left out: only problems that ask for an answer after every step can have it.
SPACE: Space = {
    "model": Choice("rnn", "lstm", "lstm97", "gru"),
    "units": Choice(8, 16, 32, 64),
    "layers": Range(1, 2),
    "chrono": Choice(0.0, 1.0, 10.0, when={"model": ("lstm", "lstm97", "gru")}),
    "learning_rate": Range(1e-3, 3e-2, log=True),
    "batch_size": Choice(2, 4, 8, 16, 32),
    "optimizer": Choice("adam", "rmsprop"),
    "clip_norm": Choice(0.25, 1.0, 5.0),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(RunChoice):
    """Which run, and for which sequences."""

    sequences: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Sequences as the problem writes them; without any, one per line from stdin."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneConfig(SearchConfig, LagsConfig):
    """Settings of a search; those of a training are what all trials have in common."""


def train(config: LagsConfig) -> None:
    """Train a network on a long-lag problem until it is solved, and watch the error flow."""
    shared.train(TASK, config)


def evaluate(config: EvaluateConfig) -> None:
    """Measure a trained network on sequences it has not seen."""
    shared.evaluate(TASK, config)


def predict(config: PredictConfig) -> None:
    """Answer sequences; adding: '0.3 -0.5* 0.9 0.1*', order: 'EabXcdYB', lags: 'x a1 a2 a3'."""
    lines = shared.lines_of(config.sequences, "errorflow lags predict takes sequences")
    run, trained = shared.choose(TASK, config)
    from ..datasets.lags.notation import read
    from ..models.serving import load

    problem = read_data(trained).train.problem
    series = [read(problem, line) for line in lines]
    package = load(run.best)
    for line, x in zip(lines, series, strict=True):
        given = package(x[None])
        if "value" in given:
            print(f"{line}\t{float(given['value'][0, 0]):.3f}\tsum {_sum(given):.3f}")
        else:
            label, p = (
                given["label"][0].numpy().decode(),
                float(given["probabilities"][0].numpy().max()),
            )
            print(f"{line}\t{label} {p:.3f}")


def _sum(given: Any) -> float:
    """y = 0.5 + (X1 + X2) / 4 → X1 + X2"""
    return 4 * (float(given["value"][0, 0]) - 0.5)


def tune(config: TuneConfig) -> None:
    """Search for better settings: each trial a training, then a table and the best model."""
    shared.tune(TASK, config)


def export(config: ExportConfig) -> None:
    """Write a trained network in other formats, each checked against the original."""
    shared.export(TASK, config)


def read_data(config: LagsConfig) -> Any:
    """The `LagData` a config speaks of."""
    from ..datasets.lags.problems import load

    return load(config.problem, config.steps, config.epochs or config._epochs())


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableConfig:
    """Which rows and networks, and how many seeds."""

    rows: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Rows to fill, such as adding-1000 or order-6a (default: all)."""
    models: tuple[Literal["rnn", "lstm", "lstm97", "gru"], ...] = ("lstm", "rnn")
    """Networks; in the rows lag-2a and lag-2b, lstm means lstm97."""
    seeds: tuple[int, ...] = (1, 2, 3)
    """Of weights and sequences."""
    run_dir: Path = Path("runs")
    """Folder that holds all runs; what is finished there is not trained again."""

    def check(self) -> None:
        for row in self.rows:
            if row not in ROWS:
                raise UserError(f"no row {row!r}; there are: {', '.join(ROWS)}")


def table(config: TableConfig) -> None:
    """Print the paper's tables beside ours; goes on where an earlier call was stopped."""
    from . import table as lag_table

    lag_table.show(config)


# Row of the table → what a training of it is told.
ROWS: dict[str, dict[str, Any]] = {
    "adding-100": {"problem": "adding", "steps": 100},
    "adding-500": {"problem": "adding", "steps": 500},
    "adding-1000": {"problem": "adding", "steps": 1000},
    "order-6a": {"problem": "order-6a"},
    "order-6b": {"problem": "order-6b"},
    "lag-2a": {"problem": "lag-2a"},
    "lag-2b": {"problem": "lag-2b", "units": 64, "epochs": 12},  # more than a third: it is hard
}
TASK = shared.Task(
    name="lags",
    config=LagsConfig,
    read_data=read_data,
    tools="lags.training",
    about="Answers sequences whose answer depends on what was long ago.",
    usage="""\
```python
import errorflow.layers, keras, numpy as np

model = keras.saving.load_model("checkpoints/best.keras")
model(np.zeros([1, 100, FEATURES]))  # → value, or label and probabilities
```""",
    next=["errorflow lags evaluate {run}"],
    space=SPACE,
)
VERBS = {
    "train": train,
    "evaluate": evaluate,
    "tune": tune,
    "predict": predict,
    "export": export,
    "table": table,
}

if __name__ == "__main__":
    from ..cli import main

    raise SystemExit(main([TASK.name, *sys.argv[1:]]))
