"""Documents: a text of many words in, one label out.

errorflow documents train --data-dir FILE           your own: one label<TAB>text per line, UTF-8
errorflow documents train --data-dir DIR            or <class>/*.txt, one document per file
errorflow documents train --dataset imdb_reviews    or a prepared TFDS set
errorflow documents train --model conv1d --data-dir FILE

Measured on the genre of English EWT's documents, 540 to learn from and 316 to test (the helper
tests/ewt_genres.py writes them), one seed, one to two minutes each on two busy cores: accuracy
0.835 (macro-F1 0.684) by a bag of words at --learning-rate 0.01, 0.835 (0.591) by conv1d, 0.763
(0.541) by an LSTM both ways, 0.677 (0.367) by an LSTM one way; the most frequent genre is 0.582. So
few documents are not where a recurrent network wins.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any, Literal

from ..core.config import require
from ..core.space import TRAINING, Choice, Range, Space
from ..search.config import SearchConfig
from ..text_classification import config as texts
from ..text_classification.config import RECURRENT, PredictConfig, TextConfig
from ..training import workflow as shared
from ..training.workflow import EvaluateConfig, ExportConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class DocumentsConfig(TextConfig):
    """Settings of a training on documents."""

    dataset: str | None = None
    """Prepared TFDS set with a text and a class label, such as imdb_reviews or ag_news_subset."""
    data_dir: Path | None = None
    """Your own data: a file of label<TAB>text lines, or a folder of <class>/*.txt; also a folder
    with a train and a test of these."""
    max_length: int = 400
    """Longest document in words; signs are words."""
    too_long: Literal["cut", "skip"] = "cut"
    """What becomes of longer ones: cut off their end, or leave them out."""
    vocabulary: int = 20_000
    """Most frequent words to know; the others are one unknown word."""

    model: Literal["bag", "conv1d", "rnn", "lstm", "gru"] = "lstm"
    """Network; conv1d has convolutions over time, bag knows no order of words."""
    units: int = 64
    """Size of a hidden layer; of conv1d, filters of each kernel size."""
    kernel_sizes: str = "3,4,5"
    """How many words a filter of conv1d sees at once, by commas."""
    dropout: float = 0.5
    """Share of each layer's output left out in training."""

    epochs: int = 30
    """Passes over the training data at most."""
    learning_rate: float = 3e-3
    """Learning rate at the start."""
    batch_size: int | Literal["online", "full"] = 32
    """Examples per step: a number, online (1), or full (all: plain gradient descent)."""

    @property
    def kind(self) -> str:
        return self.model

    @property
    def split(self) -> Literal["word"]:
        """What a text is a sequence of."""
        return "word"

    @property
    def sizes(self) -> list[int]:
        """Of the kernels of conv1d; the same one twice makes no other network than once."""
        try:
            return sorted({int(size) for size in self.kernel_sizes.split(",")})
        except ValueError:
            return []

    def check(self) -> None:
        super().check()
        good = min(self.sizes, default=0) >= 1
        require(good, "kernel_sizes", "numbers of words by commas, as in 3,4,5", self.kernel_sizes)
        require(self.max_length >= 5, "max_length", "5 or more", self.max_length)
        require(self.vocabulary >= 10, "vocabulary", "10 or more", self.vocabulary)


SPACE: Space = {
    "model": Choice("bag", "conv1d", "rnn", "lstm", "gru"),
    "units": Choice(32, 64, 128),
    "kernel_sizes": Choice("3", "5", "3,4,5", "2,3,4,5,6", when={"model": ("conv1d",)}),
    "layers": Range(1, 2),
    "bidirectional": Choice(False, True, when=RECURRENT),
    "embedding": Choice(32, 64, 128, when={"model": ("conv1d", "rnn", "lstm", "gru")}),
    "activation": Choice("tanh", "relu", when={"model": ("bag", "conv1d")}),
    "dropout": Range(0.0, 0.7, step=0.1),
    "balance": Choice(0.0, 0.5, 1.0),
    "label_smoothing": Choice(0.0, 0.1),
    "learning_rate": Range(3e-4, 2e-2, log=True),
    "batch_size": Choice(16, 32, 64),
    **TRAINING,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneConfig(SearchConfig, DocumentsConfig):
    """Settings of a search; those of a training are what all trials have in common."""


def train(config: DocumentsConfig) -> None:
    """Train a network on documents, watch the error flow, and keep everything in a run folder."""
    shared.train(TASK, config)


def evaluate(config: EvaluateConfig) -> None:
    """Measure a trained network: accuracy, macro-F1, a table per class, the confusion matrix."""
    shared.evaluate(TASK, config)


def predict(config: PredictConfig) -> None:
    """Say which labels documents have, with probabilities; as arguments or lines of stdin."""
    texts.predict(TASK, config)


def tune(config: TuneConfig) -> None:
    """Search for better settings: each trial a training, then a table and the best model."""
    shared.tune(TASK, config)


def export(config: ExportConfig) -> None:
    """Write a trained network in other formats, each checked against the original."""
    shared.export(TASK, config)


def read_data(config: DocumentsConfig) -> Any:
    """The `TextData` a config speaks of; tells on stderr what was left out or cut."""
    from ..datasets.text.documents import load_documents
    from ..models.text_serving import lengths

    data = load_documents(
        config.dataset,
        config.data_dir,
        max_length=config.max_length,
        too_long=config.too_long,
        length=lambda documents: lengths(documents, config.split),
        limit=config.limit,
        seed=config.seed,
    )
    shared.tell(data.problems)
    return data


TASK = shared.Task(
    name="documents",
    config=DocumentsConfig,
    read_data=read_data,
    tools="text_classification.training",
    about="Tells the label of a text of many words.",
    usage="""\
```python
import errorflow.layers, keras, tensorflow as tf

model = keras.saving.load_model("checkpoints/best.keras")
model(tf.constant(["Dear Sir, please find attached ..."]))  # {"label": ..., "probabilities": ...}
```

The model knows the labels above and none else: whatever the text, it answers with one of them.
Words that it never saw in training count as one unknown word.""",
    next=["errorflow documents predict {run} TEXT ..."],
    space=SPACE,
)
VERBS = {"train": train, "evaluate": evaluate, "tune": tune, "predict": predict, "export": export}

if __name__ == "__main__":
    from ..cli import main

    raise SystemExit(main([TASK.name, *sys.argv[1:]]))
