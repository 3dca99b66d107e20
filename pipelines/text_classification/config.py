"""Settings that the text-classification tasks share."""

import dataclasses
from typing import Any, Literal

from ..core.classifier import ClassifierOptimisation
from ..core.config import DataSettings, Schedule, Section
from ..core.errors import UserError, require
from ..core.space import When
from ..datasets.text.labelled_rows import Columns
from ..datasets.utf8 import check_encoding
from ..models.recurrent_settings import RecurrentConfig

RECURRENT: When = {"model": ("rnn", "lstm", "gru")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextNetwork(Section):
    """A network that predicts the label of a text."""

    model: str
    units: int = 128
    """Number of units of a hidden layer."""
    layers: int = 1
    """Number of hidden layers."""
    bidirectional: bool = False
    """Read the text in both directions."""
    dropout: float = 0.4
    """Dropout rate of each layer's output."""
    embedding: int = 64
    """Size of the embedding of a character or word."""
    activation: Literal["tanh", "relu", "softplus", "leaky_relu"] = "tanh"
    """Activation of the hidden layers."""
    initial_weights: Literal["he", "glorot"] | None = None
    """Initial weights of networks without recurrent layers: he, made for ReLU (He et al. 2015), or
    glorot, for tanh (Glorot & Bengio 2010) (default: glorot for bag, he for conv1d)."""

    def check(self) -> None:
        for key in ("units", "layers", "embedding"):
            require(getattr(self, key) >= 1, key, "1 or more", getattr(self, key))
        require(0 <= self.dropout < 1, "dropout", "from 0 to below 1", self.dropout)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledTexts(DataSettings):
    """Texts with labels."""

    text_column: str | None = None
    """Column of a table with the texts, by name or number (default: recognised)."""
    label_column: str | None = None
    """Column of a table with the labels, by name or number (default: recognised)."""
    encoding: str | None = None
    """Encoding of the text files of --data-dir, such as cp1252 (default: UTF-8, or what a byte
    order mark says)."""
    max_length: int = 40
    """Maximum length of a text."""

    def check(self) -> None:
        super().check()
        check_encoding(self.encoding)

    @property
    def columns(self) -> Columns:
        """What is said about the tables and text files of `data_dir`."""
        return Columns(self.text_column, self.label_column, self.encoding)

    @property
    def tokens(self) -> Literal["character", "word"]:
        """The kind of tokens that a text is split into."""
        return "character"

    @property
    def vocabulary_limit(self) -> int | None:
        """The maximum number of different tokens; None: all."""
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextOptimisation(ClassifierOptimisation):
    """How to train a text classifier."""

    batch_size: int | Literal["auto", "online", "full"] = "auto"  # pyright: ignore[reportIncompatibleVariableOverride]
    """Number of examples per training step: a number, online (1), full (all: plain gradient
    descent), or auto: with few examples, smaller batches and several passes per epoch."""
    schedule: Schedule = "cosine"
    balance: float = 0.5
    label_smoothing: float = 0.0
    """Share of each target's probability that is spread over all labels."""

    def check(self) -> None:
        super().check()
        rate = self.label_smoothing
        require(0 <= rate < 1, "label_smoothing", "from 0 to below 1", rate)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextClassificationConfig(RecurrentConfig):
    """Settings for training a text classifier."""

    network: Any
    data: LabelledTexts = LabelledTexts()
    optimisation: TextOptimisation = TextOptimisation()

    @property
    def largest_batch(self) -> int:
        """The batch size that auto means for many examples."""
        return 128

    def check(self) -> None:
        super().check()
        strategy = self.hardware.strategy
        if self.optimisation.batch_size == "online" and strategy in ("mirrored", "multi-worker"):
            raise UserError(
                f"--batch-size online has one example per step: no --strategy {strategy}"
            )
        network = self.network
        if network.initial_weights and network.model in RECURRENT["model"]:
            raise UserError(
                f"--initial-weights {network.initial_weights}: {network.model} has recurrent"
                " layers; for them there is --recurrent-kernel"
            )
        kernel, activation = self.recurrent.recurrent_kernel, self.network.activation
        if kernel == "identity" and activation != "relu":
            raise UserError(
                f"--recurrent-kernel identity is for --activation relu, not {activation}"
            )
