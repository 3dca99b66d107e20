"""The task `reber`: predict whether a string belongs to the Reber grammar.

It imports TensorFlow only inside its methods: `errorflow --help` imports this module.
"""

import dataclasses
from typing import Any, Literal

from errorflow.pipelines.core.space import Choice, Range
from errorflow.pipelines.text_classification.config import (
    TextClassificationConfig,
    TextNetwork,
    TextOptimisation,
)
from errorflow.pipelines.text_classification.task import TextClassification, predict_verb
from errorflow.pipelines.training.task import ModelCard

from .grammar import read_strings


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReberNetwork(TextNetwork):
    """A network that reads a string symbol by symbol."""

    model: Literal["rnn", "lstm", "gru"] = "lstm"
    """Recurrent layer."""
    units: int = 32
    """Number of units of a hidden layer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReberConfig(TextClassificationConfig):
    """Settings for training on strings."""

    network: ReberNetwork = ReberNetwork()
    optimisation: TextOptimisation = TextOptimisation(epochs=10, learning_rate=5e-3)


class Reber(TextClassification):
    """Predict whether a string belongs to the Reber grammar."""

    name = "reber"
    config = ReberConfig
    space = {
        "model": Choice("rnn", "lstm", "gru"),
        "learning_rate": Range(1e-3, 2e-2, log=True),
    }
    card = ModelCard("predict whether a string belongs to the Reber grammar", "See the README.")
    train_about = "Train a network on strings, and record the error flow."
    next_commands = ("errorflow reber predict {run} btxse bpvve",)

    @property
    def verbs(self):
        return [predict_verb(self, "Predict whether strings are grammatical.")]

    def read_data(self, config: ReberConfig, found: Any = None) -> Any:
        from errorflow.pipelines.datasets.text.text_data import assemble

        items = found or read_strings(config.data.data_dir)
        return assemble(items, config.data.limit, config.optimisation.seed)


TASK = Reber()
