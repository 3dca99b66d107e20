"""Settings for training on documents."""

import dataclasses
from pathlib import Path
from typing import Literal, Self

from ..core.config import flat, replace
from ..core.errors import require
from ..core.space import TRAINING, Choice, Range, Space
from ..text_classification.config import (
    RECURRENT,
    LabelledTexts,
    TextClassificationConfig,
    TextNetwork,
    TextOptimisation,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DocumentsNetwork(TextNetwork):
    """A network that reads a document word by word."""

    model: Literal["bag", "conv1d", "rnn", "lstm", "gru"] = "conv1d"  # pyright: ignore[reportIncompatibleVariableOverride]
    """Network; conv1d has convolutions over time, bag ignores the order of words."""
    units: int = 64
    """Number of units of a hidden layer; for conv1d, number of filters of each kernel size."""
    dropout: float = 0.5
    activation: Literal["tanh", "relu", "softplus", "leaky_relu"] | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Activation of the hidden layers (default: relu for conv1d, else tanh)."""
    kernel_sizes: str = "3,4,5"
    """Kernel sizes of conv1d in words, separated by commas."""

    @property
    def sizes(self) -> list[int]:
        """The kernel sizes of conv1d, sorted and without repetitions."""
        try:
            return sorted({int(size) for size in self.kernel_sizes.split(",")})
        except ValueError:
            return []

    def check(self) -> None:
        super().check()
        is_valid = min(self.sizes, default=0) >= 1 and max(self.sizes) <= 1_000
        require(
            is_valid, "kernel_sizes", "numbers of words by commas, as in 3,4,5", self.kernel_sizes
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DocumentsData(LabelledTexts):
    """Documents with labels."""

    dataset: str | None = None
    """Prepared TFDS dataset with a text and a class label, such as imdb_reviews or
    ag_news_subset."""
    data_dir: Path | None = None
    """Your own data: a table (.csv, .tsv, .jsonl, .parquet), a file of label<TAB>text lines, or a
    folder of <class>/*.txt; or a folder with train and test, each in one of these forms."""
    max_length: int = 400
    """Maximum length of a document in words; punctuation marks are words."""
    too_long: Literal["cut", "skip"] = "cut"
    """How to treat longer documents: cut off the end, or leave them out."""
    vocabulary: int = 20_000
    """Size of the vocabulary: the most frequent words; all others are read as one unknown word."""

    @property
    def tokens(self) -> Literal["character", "word"]:
        return "word"

    @property
    def vocabulary_limit(self) -> int:
        return self.vocabulary

    def check(self) -> None:
        super().check()
        require(self.max_length >= 5, "max_length", "5 or more", self.max_length)
        require(self.vocabulary >= 10, "vocabulary", "10 or more", self.vocabulary)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DocumentsOptimisation(TextOptimisation):
    """How to train a classifier of documents."""

    epochs: int = 30
    learning_rate: float | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Learning rate at the start (default: 0.01 for bag, else 0.003)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DocumentsConfig(TextClassificationConfig):
    """Settings for training on documents."""

    network: DocumentsNetwork = DocumentsNetwork()
    data: DocumentsData = DocumentsData()
    optimisation: DocumentsOptimisation = DocumentsOptimisation()

    def resolved(self) -> Self:
        model, settings = self.network.model, flat(self)
        recipe = {
            "activation": "relu" if model == "conv1d" else "tanh",
            "learning_rate": 1e-2 if model == "bag" else 3e-3,
        }
        return replace(self, **{k: v for k, v in recipe.items() if settings[k] is None})

    @property
    def largest_batch(self) -> int:
        return 32


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
    "batch_size": Choice("auto", 16, 32, 64),
    **TRAINING,
}
