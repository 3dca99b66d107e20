"""Settings for training on tagged sentences."""

import dataclasses
from pathlib import Path
from typing import Literal

from ..core.classifier import ClassifierOptimisation
from ..core.config import DataSettings, Schedule, Section
from ..core.errors import require
from ..core.few_examples import FittedOptimisation
from ..core.space import TRAINING, Choice, Range, Space
from ..datasets.tags.sentences import TagColumns
from ..datasets.utf8 import check_encoding
from ..models.recurrent_settings import RecurrentConfig


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
    """Your own sentences: a CoNLL-U file, lines token<TAB>tag with blank lines between sentences
    (BIO files, CoNLL-2003), a table (.csv, .jsonl, .parquet), or a folder of files with train, dev
    and test in their names."""
    token_column: str | None = None
    """Column with the tokens, by name or number (default: recognised, else the first)."""
    tag_column: str | None = None
    """Column with the tags, by name or number (default: recognised, else the last)."""
    sentence_column: str | None = None
    """Column of a table that numbers the sentences, by name or number (default: recognised)."""
    encoding: str | None = None
    """Encoding of the text files of --data-dir, such as cp1252 (default: UTF-8, or what a byte
    order mark says)."""
    max_length: int = 200
    """Maximum length of a sentence in tokens."""
    too_long: Literal["cut", "skip"] = "cut"
    """How to treat longer sentences: cut off the end, or leave them out."""

    def check(self) -> None:
        super().check()
        check_encoding(self.encoding)
        require(self.max_length >= 2, "max_length", "2 or more", self.max_length)

    @property
    def columns(self) -> TagColumns:
        """What is said about the columns and text files of `data_dir`."""
        return TagColumns(self.token_column, self.tag_column, self.sentence_column, self.encoding)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TagsOptimisation(  # pyright: ignore[reportIncompatibleVariableOverride]
    FittedOptimisation, ClassifierOptimisation
):
    """How a tagger is trained."""

    epochs: int = 12
    learning_rate: float = 4e-3
    schedule: Schedule = "cosine"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TagsConfig(RecurrentConfig):
    """Settings for training on tagged sentences."""

    network: TagsNetwork = TagsNetwork()
    data: TagsData = TagsData()
    optimisation: TagsOptimisation = TagsOptimisation()


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
    "batch_size": Choice("auto", 16, 32, 64),
    **TRAINING,
}
