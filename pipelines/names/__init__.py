"""Names: a sequence of characters in, one label out.

errorflow names train                     the embedded surnames, a character-level LSTM
errorflow names train --data-dir DIR      your own: one <Label>.txt per class, one item per line
"""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..core.config import RunChoice, UserError, require
from ..core.space import TRAINING, Choice, Range, Space
from ..search.config import SearchConfig
from ..text_classification import config as texts
from ..text_classification.config import RECURRENT, PredictConfig, TextConfig
from ..training import workflow as shared
from ..training.workflow import EvaluateConfig, ExportConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamesConfig(TextConfig):
    """Settings of a training on short texts."""

    dataset: str | None = None
    """Prepared TFDS set with a text and a class label (default: the embedded surnames)."""
    data_dir: Path | None = None
    """Your own data: a folder with one <Label>.txt per class, one item per line, UTF-8."""
    max_length: int = 40
    """Longest text in characters; longer ones are left out and reported."""

    model: Literal["bag", "rnn", "lstm", "gru"] = "lstm"
    """Network; bag is a feed-forward one on n-grams of characters."""

    epochs: int = 25
    """Passes over the training data at most."""
    learning_rate: float = 8e-3
    """Learning rate at the start."""

    @property
    def kind(self) -> str:
        return self.model

    @property
    def split(self) -> Literal["character"]:
        """What a text is a sequence of."""
        return "character"

    @property
    def vocabulary(self) -> int | None:
        """Characters at most: all."""
        return None

    def check(self) -> None:
        super().check()
        require(self.max_length >= 2, "max_length", "2 or more", self.max_length)


SPACE: Space = {
    "model": Choice("bag", "rnn", "lstm", "gru"),
    "units": Choice(64, 128, 256),
    "layers": Range(1, 3),
    "bidirectional": Choice(False, True, when=RECURRENT),
    "embedding": Choice(16, 32, 64, 128, when=RECURRENT),
    "dropout": Range(0.0, 0.6, step=0.1),
    "balance": Choice(0.0, 0.5, 1.0),
    "label_smoothing": Choice(0.0, 0.1),
    "learning_rate": Range(1e-3, 2e-2, log=True),
    "batch_size": Choice(32, 64, 128, 256),
    **TRAINING,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BpttConfig(RunChoice):
    """Which run, and for which text."""

    text: Annotated[str, tyro.conf.Positional] = ""
    """The name to send through the network and back."""
    label: str | None = None
    """What it should be (default: what the network thinks it is)."""
    layer: str = "rnn_1"
    """Recurrent layer to look into."""

    def check(self) -> None:
        if not self.text.strip():
            raise UserError("errorflow names bptt takes a name: errorflow names bptt NAME")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneConfig(SearchConfig, NamesConfig):
    """Settings of a search; those of a training are what all trials have in common."""


def train(config: NamesConfig) -> None:
    """Train a network, watch the error flow, and keep everything in a run folder."""
    shared.train(TASK, config)


def evaluate(config: EvaluateConfig) -> None:
    """Measure a trained network: accuracy, macro-F1, a table per class, the confusion matrix."""
    shared.evaluate(TASK, config)


def predict(config: PredictConfig) -> None:
    """Say which labels names have, with probabilities; names as arguments or lines of stdin."""
    texts.predict(TASK, config)


def tune(config: TuneConfig) -> None:
    """Search for better settings: each trial a training, then a table and the best model."""
    shared.tune(TASK, config)


def export(config: ExportConfig) -> None:
    """Write a trained network in other formats, each checked against the original."""
    shared.export(TASK, config)


def bptt(config: BpttConfig) -> None:
    """Send one name through the network and show the error that comes back to each character."""
    run, trained = shared.choose(TASK, config)
    from . import bptt as showing

    for line in showing.show(run, trained, config.text, config.label, config.layer):
        print(line)


def read_data(config: NamesConfig) -> Any:
    """The `TextData` a config speaks of; tells on stderr what was left out."""
    from ..datasets.text.text_data import load_text

    where = None if config.data_dir is None else str(config.data_dir)
    options = {"max_length": config.max_length, "limit": config.limit, "seed": config.seed}
    data = load_text(config.dataset, where, **options)
    shared.tell(data.problems)
    return data


ABOUT = "Tells the label of a short text, character by character."
USAGE = """\
```python
import errorflow.layers, keras, tensorflow as tf

model = keras.saving.load_model("checkpoints/best.keras")
model(tf.constant(["nowak"]))  # {"label": ..., "probabilities": ...}
```

Texts go in in lower case and Unicode's composed form (NFC). The model knows the labels above and
none else: whatever the text, it answers with one of them."""
TASK = shared.Task(
    name="names",
    config=NamesConfig,
    read_data=read_data,
    tools="text_classification.training",
    about=ABOUT,
    usage=USAGE,
    next=["errorflow names predict {run} Nowak Garcia", "errorflow names bptt {run} Nowak"],
    space=SPACE,
)
VERBS = {
    "train": train,
    "evaluate": evaluate,
    "tune": tune,
    "predict": predict,
    "export": export,
    "bptt": bptt,
}

if __name__ == "__main__":
    from ..cli import main

    raise SystemExit(main([TASK.name, *sys.argv[1:]]))
