"""Settings for training on tagged sentences."""

import dataclasses
from pathlib import Path
from typing import Literal

from ..core.classifier import ClassifierOptimisation
from ..core.config import DataSettings, Section, TrainingConfig
from ..core.errors import require
from ..core.space import TRAINING, Choice, Range, Space


@dataclasses.dataclass(frozen=True, kw_only=True)
class TagsNetwork(Section):
    """A network that reads words and their characters, and predicts a tag for each word."""

    model: Literal["rnn", "lstm", "gru"] = "lstm"
    """Recurrent layers."""
    units: int = 128
    """Number of units of a hidden layer, per direction."""
    layers: int = 1
    """Number of hidden layers over words."""
    bidirectional: bool = True
    """Read sentences in both directions."""
    embedding: int = 100
    """Size of the embedding of a word."""
    character_units: int = 32
    """Number of units that read the characters of a word, per direction; 0: words only."""
    dropout: float = 0.5
    """Dropout rate of the word embeddings and of each layer's output."""
    word_dropout: float = 0.1
    """Share of the words that are replaced by the unknown word in training."""

    def check(self) -> None:
        least = {"units": 1, "layers": 1, "embedding": 1, "character_units": 0}
        for key, value in least.items():
            require(getattr(self, key) >= value, key, f"{value} or more", getattr(self, key))
        for key in ("dropout", "word_dropout"):
            rate = getattr(self, key)
            require(0 <= rate < 1, key, "from 0 to below 1", rate)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TagsData(DataSettings):
    """Sentences with a tag for each token."""

    dataset: str | None = None
    """Prepared TFDS dataset with a sequence of tokens and one of tags (default: English EWT)."""
    data_dir: Path | None = None
    """Your own treebank: a CoNLL-U file, or a folder with train, dev and test in their names."""
    max_length: int = 200
    """Maximum length of a sentence in tokens."""
    too_long: Literal["cut", "skip"] = "cut"
    """How to treat longer sentences: cut off the end, or leave them out."""

    def check(self) -> None:
        super().check()
        require(self.max_length >= 2, "max_length", "2 or more", self.max_length)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TagsConfig(TrainingConfig):
    """Settings for training on tagged sentences."""

    network: TagsNetwork = TagsNetwork()
    data: TagsData = TagsData()
    optimisation: ClassifierOptimisation = ClassifierOptimisation(
        epochs=12, learning_rate=4e-3, schedule="cosine", batch_size=32
    )


SPACE: Space = {
    "model": Choice("rnn", "lstm", "gru"),
    "units": Choice(64, 128, 256),
    "layers": Range(1, 3),
    "bidirectional": Choice(False, True),
    "embedding": Choice(50, 100, 200),
    "character_units": Choice(0, 16, 32, 64),
    "dropout": Range(0.0, 0.6, step=0.1),
    "word_dropout": Choice(0.0, 0.1, 0.25),
    "learning_rate": Range(5e-4, 1e-2, log=True),
    "batch_size": Choice(16, 32, 64),
    **TRAINING,
}
