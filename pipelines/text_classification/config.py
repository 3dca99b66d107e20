"""What tasks that tell the label of a text share: settings and `predict`."""

import dataclasses
from typing import Annotated, Literal

import tyro

from ..core.config import CommonConfig, RunChoice, UserError, require
from ..core.space import When
from ..training import workflow as shared

RECURRENT: When = {"model": ("rnn", "lstm", "gru")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig(CommonConfig):
    """Settings of a network that tells the label of a text."""

    units: int = 128
    """Size of a hidden layer."""
    layers: int = 1
    """Hidden layers."""
    bidirectional: bool = False
    """Read from both ends."""
    dropout: float = 0.4
    """Share of each layer's output left out in training."""
    embedding: int = 64
    """Size of a symbol's vector."""
    activation: Literal["tanh", "relu", "softplus", "leaky_relu"] = "tanh"
    """Of the hidden layers."""

    schedule: Literal["constant", "cosine", "step"] = "cosine"
    """cosine: lower the learning rate to 0 over all epochs; step: to a tenth after half of them and
    again after three quarters."""
    batch_size: int | Literal["online", "full"] = 128
    """Examples per step: a number, online (1), or full (all: plain gradient descent)."""
    balance: float = 0.5
    """Weight classes by (their share)^-balance in the loss: 0 as they come, 1 all alike."""
    label_smoothing: float = 0.0
    """Share of each target spread over all labels."""

    def check(self) -> None:
        super().check()
        for key in ("units", "layers", "embedding"):
            require(getattr(self, key) >= 1, key, "1 or more", getattr(self, key))
        for key in ("dropout", "label_smoothing"):
            value = getattr(self, key)
            require(0 <= value < 1, key, "from 0 to below 1", value)
        require(0 <= self.balance <= 1, "balance", "from 0 to 1", self.balance)
        if self.batch_size == "online" and self.strategy == "mirrored":
            raise UserError("--batch-size online has one example per step: no --strategy mirrored")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(RunChoice):
    """Which run, and for which texts."""

    texts: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Texts; without any, one per line from stdin."""
    top: int = 3
    """Labels to show."""

    def check(self) -> None:
        require(self.top >= 1, "top", "1 or more", self.top)


SHOWN = 60  # characters of a text that stand before its labels


def predict(task: shared.Task, config: PredictConfig) -> None:
    """Prints the likeliest labels of texts."""
    texts = shared.lines_of(config.texts, f"errorflow {task.name} predict takes texts")
    if not texts:
        return
    run, _ = shared.choose(task, config)
    from ..models.serving import labels_in, load
    from ..models.text_serving import predict_probabilities

    package = load(run.best)
    labels, shown = labels_in(package), [_shortened(text) for text in texts]
    width = max(map(len, shown))
    for text, row in zip(shown, predict_probabilities(package, texts), strict=True):
        best = [f"{labels[i]} {row[i]:.3f}" for i in (-row).argsort()[: config.top]]
        print(f"{text:<{width}}", *best, sep="\t")


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
