"""Settings for training on names and other short texts."""

import dataclasses
from pathlib import Path
from typing import Literal

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
class NamesNetwork(TextNetwork):
    """A network that reads a short text character by character."""

    model: Literal["bag", "rnn", "lstm", "gru"] = "lstm"  # pyright: ignore[reportIncompatibleVariableOverride]
    """Network; bag is a feed-forward network on n-grams of characters."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamesData(LabelledTexts):
    """Short texts with labels."""

    dataset: str | None = None
    """Prepared TFDS dataset with a text and a class label (default: the embedded surnames)."""
    data_dir: Path | None = None
    """Your own data: a folder with one <Label>.txt per class, one item per line; a table (.csv,
    .tsv, .jsonl, .parquet); or a folder with train and test, each in one of these forms."""
    max_length: int = 40
    """Maximum length of a text in characters; longer texts are left out and reported."""

    def check(self) -> None:
        super().check()
        require(self.max_length >= 2, "max_length", "2 or more", self.max_length)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamesConfig(TextClassificationConfig):
    """Settings for training on names."""

    network: NamesNetwork = NamesNetwork()
    data: NamesData = NamesData()
    optimisation: TextOptimisation = TextOptimisation(epochs=25, learning_rate=8e-3)


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
    "batch_size": Choice("auto", 32, 64, 128, 256),
    **TRAINING,
}
